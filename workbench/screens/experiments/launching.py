"""From the text to queued runs: problems are shown where they stand, the text is saved, the costs are seen first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import work
from textual.worker import get_current_worker

from craft.errors import ConfigError, CraftError
from workbench.dialogs.confirm import ConfirmScreen
from workbench.screens.experiments.parts import Parts, is_sound

if TYPE_CHECKING:
    from craft.launch.costs import Totals


@dataclass(frozen=True)
class Order:
    """What is to be launched, as a dialog was answered."""

    names: tuple[str, ...]
    overrides: tuple[str, ...]
    slots: int


class Launching(Parts):
    """A launch uses the saved file, as `craft run` does; the runs freeze what it says at that moment.

    Unlike there, only what is wrong with the chosen ones, or with the file itself, keeps them from running.
    """

    _awaited = ""
    """A run that was made here and is to be shown."""

    def action_problem(self) -> None:
        row = self.listing.selected
        if row is not None and (problem := self.first_problem([row.name])) is not None:
            self.go_to_problem(problem)

    def action_runs(self) -> None:
        row = self.listing.selected
        if row is not None and row.made.newest:
            self.app.show_run(row.made.newest)

    def action_resolved(self) -> None:
        row = self.listing.selected
        if row is None or not (runs := self.plan_chosen(row.name)):
            return
        from craft.config.annotate import annotated
        from workbench.dialogs.text_dialog import TextScreen

        file = self.app.project.file
        text = annotated(runs).replace(f"# {file}:", f"# {file.name}:")
        self.app.push_screen(TextScreen(f"'{row.name}' with nothing left to defaults", text))

    # --- the launch ---

    def action_launch(self) -> None:
        names = self.listing.chosen_names()
        kinds = {row.name: row.kind for row in self.listing.all_rows if row.kind == "experiment"}
        if not names or any(name not in kinds for name in names):
            self.app.say("a template never runs; an experiment that extends it does", "warning")
            return
        inspection = self.current_inspection()
        assert inspection is not None
        wrong = [name for name in names if not is_sound(inspection, name)]
        if wrong:
            self.show_problem_of(wrong)
            return
        assert self.panel is not None
        if not self.panel.buffer.dirty:
            self._ask(names)
            return

        def save(yes: bool | None) -> None:
            if yes:
                self._save_and_ask(names)

        file = self.panel.buffer.path.name
        detail = f"Runs are made from what is in {file}. What was typed since it was saved is not there yet."
        self.app.push_screen(ConfirmScreen(f"Save {file} first?", detail), save)

    @work(thread=True, group="save", exit_on_error=False)
    def _save_and_ask(self, names: list[str]) -> None:
        assert self.panel is not None
        try:
            self.panel.buffer.save()
        except (CraftError, OSError) as error:
            self.app.say(f"not saved, so nothing was started: {error}", "error")
        else:
            self.app.call_from_thread(self._saved_and_ask, names)

    def _saved_and_ask(self, names: list[str]) -> None:
        assert self.panel is not None
        self.panel.post_message(self.panel.Saved())
        self._ask(names)

    def _ask(self, names: list[str]) -> None:
        from workbench.screens.experiments.launch_dialog import LaunchScreen

        screen = LaunchScreen(
            names,
            slots=self.app.session.get("experiments.slots", 1),
            weigh=self._weigh_order,
        )
        self.app.push_screen(screen, self._launch_if)

    def _weigh_order(self, order: Order) -> tuple[Totals, bool]:
        """What an order costs, and whether it computes on the CPU; called in a thread. Raises CraftError."""
        from craft.config.experiments import load_sound
        from craft.launch.costs import costs_of_all, device_here

        runs = load_sound(self.app.project.file, order.names).plan(order.names, order.overrides)
        totals = costs_of_all(runs, self.reader.past, measure=True)
        return totals, any(device_here(run.config.device) == "cpu" for run in runs)

    def _launch_if(self, order: Order | None) -> None:
        if order is not None:
            self.app.session.set("experiments.slots", order.slots)
            self._launch(order)

    @work(thread=True, group="launch", description="launch", exit_on_error=False)
    def _launch(self, order: Order) -> None:
        from craft.config.experiments import load_sound
        from craft.launch.standby import Standby
        from craft.launch.start import launch

        def standby() -> Standby | None:
            try:
                return Standby()
            except OSError:
                return None

        try:
            experiments = load_sound(self.app.project.file, order.names)
            place = self.app.own_runs_dir or experiments.runs_dir
            planned = experiments.plan(order.names, order.overrides)
            folders = launch(place.absolute(), planned, cpu_slots=order.slots, standby=standby)
        except ConfigError as error:
            self.app.say(f"nothing was started: {str(error).splitlines()[0]}", "error")
            return
        except (CraftError, OSError) as error:
            self.app.say(f"nothing was started: {error}", "error")
            return
        names = [folder.name for folder in folders]
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._launched, names)

    def _launched(self, names: list[str]) -> None:
        from craft import platform

        shown = ", ".join(names[:4]) + (f" ... {names[-1]}" if len(names) > 4 else "")
        self.app.say(f"{len(names)} run{'s' * (len(names) != 1)} queued: {shown}")
        if warning := platform.at_logout().warning:
            self.app.say(warning, "warning")
        self.listing.marked = set()
        self.app.session.set("experiments.marked", [])
        self._awaited = names[0]
        self.app.look_soon()

    def on_screen_suspend(self) -> None:
        """Whoever went elsewhere is not called away from there, nor when he comes back."""
        if not self.app.screen.is_modal:
            self._awaited = ""

    def go_to_awaited_run(self) -> None:
        """The runs were read: go to the first of those that were just made, once it is among them."""
        if self._awaited and any(run.name == self._awaited for run in self.app.runs):
            name, self._awaited = self._awaited, ""
            self.call_later(self.app.show_run, name)
