"""The first screen: the runs, live, and the curve of the selected one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static
from textual.worker import get_current_worker

from craft.errors import CraftError
from craft.text import clean_line, shorten
from workbench.actions import bindings_of
from workbench.messages import CurveRead, RunOpened, RunSelected
from workbench.screens.base import WorkbenchScreen
from workbench.screens.runs.curve_view import CurveView
from workbench.screens.runs.experiments_strip import ExperimentsView
from workbench.screens.runs.rows import QUIET, TONES, phase_word
from workbench.screens.runs.table import RunTable

if TYPE_CHECKING:
    from craft.runs.store import RunSummary
    from workbench.watch import CurveReader


class RunsScreen(WorkbenchScreen):
    """Workers read folders and post what they found; the handlers here are the only ones to touch widgets."""

    PLACE = "runs"
    CSS_PATH = "runs.tcss"
    BINDINGS = bindings_of("runs")

    def __init__(self) -> None:
        super().__init__()
        self._curve_reader: CurveReader | None = None

    def compose_body(self) -> ComposeResult:
        ascii_only = self.app.ascii_only
        yield ExperimentsView(self.app.project, id="experiments")
        with Vertical(id="main"):
            yield RunTable(ascii_only=ascii_only, id="runs")
            yield Static(id="empty")
            yield CurveView(ascii_only=ascii_only, id="curve")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(CurveView).log_scale = self.app.session.get("runs.log_scale", False)
        self.query_one(RunTable).focus()

    @work(thread=True, group="curve", exclusive=True, exit_on_error=False)
    def _read_curve(self, run: RunSummary, only_new: bool) -> None:
        worker = get_current_worker()
        waiting = why_it_waits(run) if run.phase == "queued" else ""
        if self._curve_reader is None:
            from workbench.watch import CurveReader

            self._curve_reader = CurveReader()
        curve = self._curve_reader.read(
            run.folder, waiting=waiting, only_new=only_new, wanted=lambda: not worker.is_cancelled
        )
        if curve is not None and not worker.is_cancelled:
            if curve.series:
                # The first plot needs plotext: 0.1 s that the event loop shall not wait for.
                import plotext  # noqa: F401
            self.post_message(CurveRead(curve))

    # --- what was read ---

    def show_runs(self) -> None:
        runs = self.app.runs
        table = self.query_one(RunTable)
        table.show(runs)
        self.set_class(not runs, "-empty")
        if not runs:
            self.query_one("#empty", Static).update(self._empty_state())
        self._show_experiments()
        self.refresh_bindings()
        if table.selected:
            self._read_curve(table.selected, only_new=True)
            self._say_how_it_is(table.selected)

    @on(RunSelected)
    def _select(self, message: RunSelected) -> None:
        self.refresh_bindings()
        if message.run is None:
            self.query_one(CurveView).show(None, "")
        else:
            self._read_curve(message.run, only_new=False)

    @on(CurveRead)
    def _show_curve(self, message: CurveRead) -> None:
        run = self.query_one(RunTable).selected
        if run and run.folder == message.curve.folder:
            curve = message.curve
            self.query_one(CurveView).show(curve, curve.waiting or _why_no_points(run), _note(run))

    def _say_how_it_is(self, run: RunSummary) -> None:
        """What the plot says of the run follows its phase; for a queued one the reader says it, with its place."""
        view = self.query_one(CurveView)
        if run.phase != "queued" and view.curve and view.curve.folder == run.folder:
            view.show(view.curve, _why_no_points(run), _note(run))

    def show_project(self) -> None:
        self._show_experiments()

    def show_check(self) -> None:
        self._show_experiments()

    def _show_experiments(self) -> None:
        counts: dict[str, int] = {}
        for run in self.app.runs:
            counts[run.experiment] = counts.get(run.experiment, 0) + 1
        self.query_one(ExperimentsView).show(self.app.project, self.app.check, counts)

    def _empty_state(self) -> Content:
        """What to do next, as a command to type."""
        project = self.app.project
        lines = [Content.styled(f"No runs yet in {shorten(project.shown_runs_dir, 60)}/", QUIET), Content("")]
        if not project.exists:
            lines += [
                Content("Write experiments for a text of your own:"),
                _command(project.command("init")),
            ]
        elif project.fault or (self.app.check and self.app.check.count):
            lines += [
                Content("The experiments file has faults. See them all:"),
                _command(project.command("validate", str(project.file))),
            ]
        else:
            lines += [Content("Start the experiments:"), _command(project.run_command)]
            if len(project.experiments) > 1:
                one = project.command("run", str(project.file), project.experiments[0].name)
                lines += [Content(""), Content("or one of them:"), _command(one)]
        return Content("\n").join(lines)

    # --- keys ---

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        if action in ("details", "stop", "log_scale") and self.is_mounted:
            run = self.query_one(RunTable).selected
            if run is None:
                return False
            if action == "stop":
                return run.observed.is_live or run.phase == "queued"
        return True

    @on(RunOpened)
    def action_details(self) -> None:
        run = self.query_one(RunTable).selected
        if run:
            from workbench.screens.runs.details import DetailsScreen

            self.app.push_screen(DetailsScreen(run))

    def action_log_scale(self) -> None:
        view = self.query_one(CurveView)
        view.log_scale = not view.log_scale
        self.app.session.set("runs.log_scale", view.log_scale)

    def action_stop(self) -> None:
        run = self.query_one(RunTable).selected
        if run is None:
            return
        from workbench.dialogs.confirm import ConfirmScreen

        question, detail = f"Stop {run.name}?", "It finishes its step, saves a checkpoint and leaves. Go on later with"
        if run.phase == "queued":
            question, detail = f"Take {run.name} out of the queue?", "It has not begun. Start it later with"
        command = self.app.resume_command(run)

        def decide(yes: bool | None) -> None:
            if yes:
                self._stop(run)

        self.app.push_screen(ConfirmScreen(question, detail, command), decide)

    @work(thread=True, group="stop", exit_on_error=False)
    def _stop(self, run: RunSummary) -> None:
        from craft.launch.queue.dispatch import stop

        try:
            done = "has left the queue" if stop(run.folder) else "was asked to stop"
            self.app.say(f"{run.name} {done}", "information")
        except (CraftError, OSError) as error:
            self.app.say(f"{run.name} was not stopped: {error}", "error")


def why_it_waits(run: RunSummary) -> str:
    """What a queued run waits for, in words."""
    from craft.launch.queue.dispatch import why_queued

    return f"queued: {why_queued(run.folder.path.parent).get(run.name) or run.reason}"


def _command(text: str) -> Content:
    # Never cut, it is there to be typed.
    return Content.styled(f"  {clean_line(text)}", "bold $text-accent")


def _note(run: RunSummary) -> tuple[str, str]:
    """What went wrong with a run, and the tone to say it in; nothing while all is well."""
    tone = TONES.get(phase_word(run), "warn")
    return (_why_no_points(run), tone) if tone in ("warn", "bad") else ("", "")


def _why_no_points(run: RunSummary) -> str:
    word = phase_word(run)
    return f"{word}: {shorten(run.reason, 200)}" if run.reason and run.reason != word else word
