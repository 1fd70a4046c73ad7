"""What the course of runs is steered by: ends, requests to those that train, going on, and the order of what waits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import work
from textual.worker import get_current_worker

from craft.errors import RunError
from workbench.screens.runs.acting import ActingScreen, imported, named
from workbench.verbs.which import fitting, is_elsewhere

if TYPE_CHECKING:
    from craft.runs.folder import RunFolder
    from craft.runs.store import RunSummary
    from workbench.verbs.wish import Wish

_NAMED = 8  # runs that are named in a note


class Steering(ActingScreen):
    """The verbs that change what runs do."""

    # --- ends ---

    def action_stop(self) -> None:
        self.do("ending.stop", self.fitting("stop"))

    def action_kill(self) -> None:
        folders = self.fitting("kill")
        detail = "It ends at once, and what came after its last checkpoint is lost. A stop saves first."
        self.confirm(f"Kill {named(folders)}?", detail, "ending.kill", folders)

    def action_discard(self) -> None:
        folders = self.fitting("discard")
        detail = "What came after its last checkpoint is lost. A stop saves first."
        self.confirm(f"Stop {named(folders)} without saving?", detail, "ending.discard", folders)

    # --- asked of runs that train ---

    def action_pause(self) -> None:
        runs = fitting("pause", self.targets)
        paused = [run.folder for run in runs if run.phase == "paused"]
        going = [run.folder for run in runs if run.phase != "paused"]
        # Of several, those that go are paused; only where all stand still do they go on.
        self.do(*(("asking.pause", going) if going else ("asking.go_on", paused)))

    def action_save_now(self) -> None:
        self.do("asking.checkpoint", self.fitting("save_now"))

    def action_evaluate_now(self) -> None:
        self.do("asking.evaluate", self.fitting("evaluate_now"))

    def action_sample_now(self) -> None:
        self.do("asking.sample", self.fitting("sample_now"))

    def action_change(self) -> None:
        from workbench.screens.runs.edits_screen import EditsScreen

        folders = self.fitting("change")
        dialog = EditsScreen(
            f"Change {named(folders)} while training",
            "From the next step on; it saves first.",
            lambda edits: imported("changing.explain")(folders, edits),
            lambda: imported("changing.settings_of")(folders[0]),
            example="optimizer.lr=0.001",
        )

        def take(edits: list[str] | None) -> None:
            if edits:
                self.do("asking.change", folders, edits)

        self.app.push_screen(dialog, take)

    # --- going on ---

    def action_resume(self) -> None:
        runs = fitting("resume", self.targets)
        elsewhere = [run for run in runs if is_elsewhere(run)]
        finished = [run for run in runs if run.phase == "finished" and run not in elsewhere]
        ended = [run for run in runs if run not in finished and run not in elsewhere]
        if ended:
            self.do("going_on.resume", [run.folder for run in ended], ())
            self._say_left_out(finished, "finished; resume with changes, or longer, makes more of it")
        elif finished:
            self.action_resume_with()  # it needs to be longer
        else:
            self._take_over(elsewhere)
            return
        self._say_left_out(elsewhere, "said to train on another machine; resume it by itself to take it over")

    def _say_left_out(self, runs: Sequence[RunSummary], why: str) -> None:
        if runs:
            names = ", ".join(run.name for run in runs[:_NAMED])
            more = f" and {len(runs) - _NAMED} more" if len(runs) > _NAMED else ""
            self.app.say(f"left out: {names}{more}: {why}", "warning")

    def _take_over(self, runs: Sequence[RunSummary]) -> None:
        """Runs that other machines say they train: nobody here can know whether they do."""
        folders, hosts = [run.folder for run in runs], sorted({run.status.host or "" for run in runs})
        detail = (
            f"{' and '.join(hosts)} said that it trains there. If it does so still, both write into one folder, and "
            "what it recorded from here on is worthless. Be certain that it does not."
        )
        self.confirm(f"Go on with {named(folders)} on this machine?", detail, "going_on.resume_by_force", folders)

    def action_resume_with(self) -> None:
        self._longer(self.fitting("resume_with"))

    @work(thread=True, group="verb plan", description="longer", exclusive=True, exit_on_error=False)
    def _longer(self, folders: list[RunFolder]) -> None:
        from workbench.verbs.going_on import longer

        value = longer(folders[0])
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._ask_resume, folders, value)

    def _ask_resume(self, folders: list[RunFolder], value: str) -> None:
        from workbench.screens.runs.edits_screen import EditsScreen

        if not self.is_waited_for(f"Resume {named(folders)}"):
            return
        dialog = EditsScreen(
            f"Resume {named(folders)}",
            "From the newest checkpoint, with these settings changed; none is fine too.",
            lambda edits: imported("going_on.describe_resume")(folders, edits),
            lambda: imported("changing.definition_of")(folders[0]),
            value=value,
        )

        def take(edits: list[str] | None) -> None:
            if edits is not None:
                self.do("going_on.resume", folders, edits)

        self.app.push_screen(dialog, take)

    def action_retry(self) -> None:
        """What failed of those that are marked, or else seen: what a filter hides is not meant."""
        self.ask_first("going_on.plan_retry", "going_on.retry", [self.marked_or_shown, self.app.runs])

    def action_fork(self) -> None:
        from workbench.screens.runs.fork_screen import ForkScreen

        (folder,) = self.fitting("fork")
        try:
            folder.require()
        except RunError as error:
            self.app.say(str(error), "error")  # before a person types what would be for nothing
            return
        project = self.app.project
        names = [one.name for one in project.experiments if not one.is_sweep] if project.exists else []

        def take(wish: Wish | None) -> None:
            if wish is not None:
                self.do("forking.fork", folder, wish)

        self.app.push_screen(ForkScreen(folder, project.file, names), take)

    # --- the queue ---

    def _move(self, action: str, where: str) -> None:
        names = [folder.name for folder in self.fitting(action)]
        self.do("queueing.move", self.app.project.runs_dir, names, where)

    def action_queue_up(self) -> None:
        self._move("queue_up", "up")

    def action_queue_down(self) -> None:
        self._move("queue_down", "down")

    def action_queue_first(self) -> None:
        self._move("queue_first", "first")

    def action_queue_after(self) -> None:
        from workbench.screens.runs.queue_screen import ask_after

        (folder,) = self.fitting("queue_after")

        def take(deed: str, others: list[str]) -> None:
            self.do(f"queueing.{deed}", self.app.project.runs_dir, folder.name, others)

        ask_after(self.app, folder.name, take)

    def action_queue(self) -> None:
        from workbench.screens.runs.queue_screen import QueueScreen

        self.app.push_screen(QueueScreen(self.app.project.runs_dir, self.do))
