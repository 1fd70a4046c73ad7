"""What is done to runs from the list of them: each verb on the marked runs, or else on the selected one.

The deeds are in `workbench.verbs` and are done in threads; what became of them is told as it comes.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.widgets import Input
from textual.worker import get_current_worker

from craft.errors import CraftError
from craft.text import clean_line
from workbench.messages import DeletionPlanned, VerbsAsked
from workbench.screens.base import WorkbenchScreen
from workbench.verbs.telling import Telling
from workbench.verbs.which import BY_ACTION, VERBS, fitting, is_elsewhere

if TYPE_CHECKING:
    from craft.runs.folder import RunFolder
    from craft.runs.store import RunSummary
    from workbench.verbs.wish import Wish

_MORE = {"queue": "the queue", "retry": "retry what failed", "doctor": "doctor"}
"""What needs no run."""


class ActingScreen(WorkbenchScreen):
    """A screen with runs to act on."""

    @property
    def targets(self) -> list[RunSummary]:
        """The runs that verbs act on."""
        raise NotImplementedError

    def _fitting(self, action: str) -> list[RunFolder]:
        return [run.folder for run in fitting(action, self.targets)]

    def can(self, action: str) -> bool:
        """Whether a verb makes sense now."""
        return any(map(BY_ACTION[action].fits, self.targets))

    # --- doing ---

    def do(self, deed: str, *arguments: Any, after: Callable[[], None] | None = None) -> None:
        """Do "module.function" of `workbench.verbs`, in a thread."""
        self._do(deed, arguments, after)

    @work(thread=True, group="verbs", description="do", exit_on_error=False)
    def _do(self, deed: str, arguments: tuple[Any, ...], after: Callable[[], None] | None) -> None:
        worker = get_current_worker()
        told = Telling(self._note, lambda: worker.is_cancelled)
        try:
            _deed(deed)(*arguments, told)
        except CraftError as error:
            told.refuse(str(error))
        except OSError as error:
            told.refuse(f"{error.filename or 'it'}: {error.strerror}")
        finally:
            told.close()
            self.app.look_soon()
        if after is not None and not worker.is_cancelled:
            self.app.call_from_thread(after)

    def _note(self, text: str, severity: Any) -> None:
        self.app.say(text, severity)

    # --- the menu ---

    @on(VerbsAsked)
    def action_verbs(self) -> None:
        """Everything that can be done now."""
        from workbench.actions import PLACES, key_name
        from workbench.dialogs.choose import Choice, ChooseScreen

        targets = self.targets
        actions = {action.name: action for action in PLACES["runs"]}
        choices = []
        for verb in VERBS:
            fits = fitting(verb.action, targets)
            if fits:
                keys = key_name(actions[verb.action].keys[0], ascii_only=self.app.ascii_only)
                some = f" ({len(fits)} of {len(targets)})" if len(fits) < len(targets) else ""
                choices.append(Choice(verb.action, f"{keys:<3} {verb.name}{some}", verb.about))
        for name, what in _MORE.items():
            keys = key_name(actions[name].keys[0], ascii_only=self.app.ascii_only)
            choices.append(Choice(name, f"{keys:<3} {what}", ""))

        names = {run.name for run in targets}

        async def chosen(action: str | None) -> None:
            if action in BY_ACTION and {run.name for run in self.targets} != names:
                self.app.say(f"the list moved, and {what} is not chosen any more: nothing was done", "warning")
            elif action is not None:
                await self.run_action(action)

        what = targets[0].name if len(targets) == 1 else f"{len(targets)} runs"
        self.app.push_screen(ChooseScreen(f"What to do with {what}" if targets else "What to do", choices), chosen)

    # --- ends ---

    def action_stop(self) -> None:
        self.do("ending.stop", self._fitting("stop"))

    def action_kill(self) -> None:
        from workbench.dialogs.confirm import ConfirmScreen

        folders = self._fitting("kill")
        question = f"Kill {_named(folders)}?"
        detail = "It ends at once, and what came after its last checkpoint is lost. A stop saves first."

        def decide(yes: bool | None) -> None:
            if yes:
                self.do("ending.kill", folders)

        self.app.push_screen(ConfirmScreen(question, detail), decide)

    def action_discard(self) -> None:
        from workbench.dialogs.confirm import ConfirmScreen

        folders = self._fitting("discard")
        question = f"Stop {_named(folders)} without saving?"
        detail = "What came after its last checkpoint is lost. A stop saves first."

        def decide(yes: bool | None) -> None:
            if yes:
                self.do("ending.discard", folders)

        self.app.push_screen(ConfirmScreen(question, detail), decide)

    # --- asked of runs that train ---

    def action_pause(self) -> None:
        runs = fitting("pause", self.targets)
        paused = [run.folder for run in runs if run.phase == "paused"]
        going = [run.folder for run in runs if run.phase != "paused"]
        # Of several, those that go are paused; only where all stand still do they go on.
        self.do(*(("asking.pause", going) if going else ("asking.go_on", paused)))

    def action_save_now(self) -> None:
        self.do("asking.checkpoint", self._fitting("save_now"))

    def action_evaluate_now(self) -> None:
        self.do("asking.evaluate", self._fitting("evaluate_now"))

    def action_sample_now(self) -> None:
        self.do("asking.sample", self._fitting("sample_now"))

    def action_change(self) -> None:
        from workbench.screens.runs.edits_screen import EditsScreen

        folders = self._fitting("change")
        dialog = EditsScreen(
            f"Change {_named(folders)} while training",
            "From the next step on; it saves first.",
            lambda edits: _deed("changing.explain")(folders, edits),
            lambda: _deed("changing.settings_of")(folders[0]),
            example="optimizer.lr=0.001",
        )

        def take(edits: list[str] | None) -> None:
            if edits:
                self.do("asking.change", folders, edits)

        self.app.push_screen(dialog, take)

    # --- going on ---

    def action_resume(self) -> None:
        runs = fitting("resume", self.targets)
        here = [run for run in runs if not is_elsewhere(run)]
        if not here:
            self._take_over(runs)
        elif all(run.phase == "finished" for run in here):
            self.action_resume_with()  # it needs to be longer
        else:
            self.do("going_on.resume", [run.folder for run in here if run.phase != "finished"], ())

    def _take_over(self, runs: Sequence[RunSummary]) -> None:
        """Runs that other machines say they train: nobody here can know whether they do."""
        from workbench.dialogs.confirm import ConfirmScreen

        folders, hosts = [run.folder for run in runs], sorted({run.status.host or "" for run in runs})
        detail = (
            f"{' and '.join(hosts)} said that it trains there. If it does so still, both write into one folder, and "
            "what it recorded from here on is worthless. Be certain that it does not."
        )

        def decide(yes: bool | None) -> None:
            if yes:
                self.do("going_on.resume_by_force", folders)

        self.app.push_screen(ConfirmScreen(f"Go on with {_named(folders)} on this machine?", detail), decide)

    def action_resume_with(self) -> None:
        self._longer(self._fitting("resume_with"))

    @work(thread=True, group="verb plan", description="longer", exclusive=True, exit_on_error=False)
    def _longer(self, folders: list[RunFolder]) -> None:
        from workbench.verbs.going_on import longer

        value = longer(folders[0])
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._ask_resume, folders, value)

    def _ask_resume(self, folders: list[RunFolder], value: str) -> None:
        from workbench.screens.runs.edits_screen import EditsScreen

        if not self._is_waited_for(f"Resume {_named(folders)}"):
            return
        dialog = EditsScreen(
            f"Resume {_named(folders)}",
            "From the newest checkpoint, with these settings changed; none is fine too.",
            lambda edits: _deed("going_on.describe_resume")(folders, edits),
            lambda: _deed("changing.definition_of")(folders[0]),
            value=value,
        )

        def take(edits: list[str] | None) -> None:
            if edits is not None:
                self.do("going_on.resume", folders, edits)

        self.app.push_screen(dialog, take)

    def action_retry(self) -> None:
        self.do("going_on.retry", self.app.project.runs_dir)

    def action_fork(self) -> None:
        from workbench.screens.runs.fork_screen import ForkScreen

        (folder,) = self._fitting("fork")
        project = self.app.project
        names = [one.name for one in project.experiments if not one.is_sweep] if project.exists else []

        def take(wish: Wish | None) -> None:
            if wish is not None:
                self.do("forking.fork", folder, wish)

        self.app.push_screen(ForkScreen(folder, project.file, names), take)

    # --- elsewhere ---

    def action_compare(self) -> None:
        self.app.session.set("compare.runs", [run.name for run in fitting("compare", self.targets)])
        self.app.session.set("compare.pane", "chart")  # they are chosen; what is wanted now are their curves
        self.app.action_go("compare")

    def action_play(self) -> None:
        self.app.session.set("playground.ask", [run.name for run in fitting("play", self.targets)])
        self.app.action_go("playground")

    def action_copy_path(self) -> None:
        paths = [str(folder.path) for folder in self._fitting("copy_path")]
        self.app.copy("\n".join(paths), "the path" if len(paths) == 1 else f"{len(paths)} paths")

    def action_copy_command(self) -> None:
        (run,) = fitting("copy_command", self.targets)
        self.app.copy(self.app.resume_command(run), "the command")

    # --- measured and taken apart, by commands ---

    def action_measure(self) -> None:
        from workbench.dialogs.command import ask_for_command, word_for

        (run,) = fitting("measure", self.targets)
        detail = "@best, @latest or @STEP is the checkpoint; --split test, --text FILE; --speed times it too."
        ask_for_command(self.app, ("evaluate", f"{word_for(self.app, run)}@best", "--no-speed"), detail)

    def action_batch(self) -> None:
        (run,) = fitting("batch", self.targets)
        self._command("data", "inspect", str(run.folder.definition), run.experiment)

    def action_pieces(self) -> None:
        from workbench.dialogs.command import ask_for_command, word_for

        (run,) = fitting("pieces", self.targets)
        detail = "Of some of the text that it was made for; --text 'words' or --file FILE: of another."
        ask_for_command(self.app, ("tokenizer", "inspect", word_for(self.app, run)), detail)

    def action_sum_up(self) -> None:
        (run,) = fitting("sum_up", self.targets)
        self._command("group", run.group or "", "--runs-dir", str(self.app.project.runs_dir))

    def _command(self, *words: str) -> None:
        from workbench.dialogs.command import CommandScreen

        self.app.push_screen(CommandScreen(words))

    # --- notes ---

    def action_star(self) -> None:
        self.do("noting.star", self._fitting("star"))

    def action_tags(self) -> None:
        from workbench.dialogs.prompt import PromptScreen
        from workbench.screens.runs.columns import tags_of
        from workbench.verbs.noting import tags_fault

        runs = self.targets
        folders = [run.folder for run in runs]
        known = sorted({tag for run in self.app.runs for tag in tags_of(run)})
        one = len(runs) == 1
        how = "words with a blank between them" if one else "tags to add; -tag takes one away"
        detail = how + (f"\nin use: {' '.join(known[:12])}" if known else "")

        def take(text: str | None) -> None:
            if text is not None:
                self.do("noting.set_tags", folders, text)

        value = clean_line(" ".join(tags_of(runs[0]))) if one else ""
        question = f"Tags of {_named(folders)}"
        damage = _damaged_notes(runs)
        self.app.push_screen(
            PromptScreen(question, detail=detail, value=value, check=lambda words: tags_fault(words) or damage), take
        )

    def action_note(self) -> None:
        from craft.runs.notes import note_fault
        from workbench.dialogs.prompt import PromptScreen

        runs = self.targets
        folders = [run.folder for run in runs]
        notes = getattr(runs[0], "notes", None)
        value = clean_line(notes.note) if notes is not None and len(runs) == 1 else ""

        def take(text: str | None) -> None:
            if text is not None:
                self.do("noting.set_note", folders, text)

        question, damage = f"Note on {_named(folders)}", _damaged_notes(runs)

        def check(note: str) -> str:
            return note_fault(note) or damage

        self.app.push_screen(PromptScreen(question, value=value, check=check), take)

    # --- the queue ---

    def _move(self, action: str, where: str) -> None:
        names = [folder.name for folder in self._fitting(action)]
        self.do("queueing.move", self.app.project.runs_dir, names, where)

    def action_queue_up(self) -> None:
        self._move("queue_up", "up")

    def action_queue_down(self) -> None:
        self._move("queue_down", "down")

    def action_queue_first(self) -> None:
        self._move("queue_first", "first")

    def action_queue_after(self) -> None:
        from workbench.screens.runs.queue_screen import ask_after

        (folder,) = self._fitting("queue_after")

        def take(deed: str, others: list[str]) -> None:
            self.do(f"queueing.{deed}", self.app.project.runs_dir, folder.name, others)

        ask_after(self.app, folder.name, take)

    def action_queue(self) -> None:
        from workbench.screens.runs.queue_screen import QueueScreen

        self.app.push_screen(QueueScreen(self.app.project.runs_dir, self.do))

    def action_doctor(self) -> None:
        from workbench.screens.runs.doctor_screen import DoctorScreen

        self.app.push_screen(DoctorScreen(self.app.project.runs_dir))

    # --- deleting ---

    def action_remove(self) -> None:
        self._plan("removing.plan_deletion", "removing.delete", [self._fitting("remove")])

    def action_prune(self) -> None:
        runs_dir = self.app.project.runs_dir
        self._plan("removing.plan_pruning", "removing.prune", [runs_dir, self._fitting("prune")])

    @work(thread=True, group="verb plan", description="plan", exclusive=True, exit_on_error=False)
    def _plan(self, plan: str, deed: str, arguments: Sequence[Any]) -> None:
        """Look at what would go; then a person is asked."""
        worker = get_current_worker()
        found = _deed(plan)(*arguments)
        if not worker.is_cancelled:
            self.post_message(DeletionPlanned(found, deed))

    @on(DeletionPlanned)
    def _ask_deletion(self, message: DeletionPlanned) -> None:
        from workbench.dialogs.confirm import ConfirmScreen

        plan = message.plan
        if plan.is_empty:
            self.app.say(plan.why_nothing, "warning")
            return
        if not self._is_waited_for(plan.question):
            return

        def decide(yes: bool | None) -> None:
            if yes:
                self.do(message.deed, plan)

        self.app.push_screen(ConfirmScreen(plan.question, plan.detail), decide)

    def _is_waited_for(self, question: str) -> bool:
        """Whether nobody went elsewhere while a question was thought out: a key meant for something else, such as a y
        in a note, must not answer it."""
        if self.app.screen is self and not isinstance(self.focused, Input):
            return True
        self.app.say(f"{question} Ask again: it took a while, and something else was begun meanwhile.", "warning")
        return False

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        if action in BY_ACTION and self.is_mounted:
            return self.can(action)
        return super().check_action(action, parameters)


def _named(folders: Sequence[RunFolder]) -> str:
    return folders[0].name if len(folders) == 1 else f"{len(folders)} runs"


def _damaged_notes(runs: Sequence[RunSummary]) -> str:
    """Why nothing can be written about one of some runs, and how to mend it; empty where all can be."""
    from craft.runs.notes import how_to_mend

    known = ((run.folder, getattr(run, "notes", None)) for run in runs)
    return next((how_to_mend(folder, notes) for folder, notes in known if notes is not None and notes.fault), "")


def _deed(name: str) -> Callable[..., Any]:
    """A function of `workbench.verbs`; imported in the thread that calls it, as some need the whole schema."""
    module, _, function = name.partition(".")
    found: Callable[..., Any] = getattr(importlib.import_module(f"workbench.verbs.{module}"), function)
    return found
