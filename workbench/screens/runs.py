"""The first screen: the runs, live, and the curve of the selected one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static
from textual.worker import Worker, WorkerState, get_current_worker

from craft.errors import CraftError
from craft.text import clean_line, shorten
from workbench.actions import bindings_of
from workbench.messages import CurveRead, ProjectChecked, ProjectRead, RunOpened, RunSelected, RunsRead
from workbench.project import Check, check_project, read_project, stamp_of
from workbench.rows import QUIET, TONES, phase_word
from workbench.widgets.bars import KeyBar, TitleBar
from workbench.widgets.curve_view import CurveView
from workbench.widgets.experiments import ExperimentsView
from workbench.widgets.run_table import RunTable

if TYPE_CHECKING:
    from craft.runs.store import RunSummary
    from workbench.app import Workbench
    from workbench.watch import CurveReader, RunsReader

TICK = 1.0
"""Seconds between two looks at the folders; longer where one look takes long."""
_SHARE = 0.05  # of one core, at most, for looking at the folders
_LONGEST_PAUSE = 5.0
_RUNNER_PAUSE = 10.0  # seconds between two looks whether a queue has lost its runner


class RunsScreen(Screen[None]):
    """Workers read folders and post what they found; the handlers here are the only ones to touch widgets."""

    app: Workbench

    BINDINGS = bindings_of("runs", "details", "stop", "log_scale")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (148, "-wide"), (200, "-very-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (16, "-tall")]

    def __init__(self) -> None:
        super().__init__()
        self.check: Check | None = None
        self._runs: list[RunSummary] = []
        self._read_once = False
        self._next_look = float("inf")
        self._next_runner = 0.0
        self._faults: set[str] = set()
        self._runs_reader: RunsReader
        self._curve_reader: CurveReader
        self._file_stamp: tuple[int, int] | None = None

    def compose(self) -> ComposeResult:
        ascii_only = self.app.ascii_only
        yield TitleBar(id="title")
        with Horizontal(id="body"):
            yield ExperimentsView(self.app.project, id="experiments")
            with Vertical(id="main"):
                yield RunTable(ascii_only=ascii_only, id="runs")
                yield Static(id="empty")
                yield CurveView(ascii_only=ascii_only, id="curve")
        yield KeyBar(id="keys")

    def on_mount(self) -> None:
        self.query_one(CurveView).log_scale = self.app.settings.log_scale
        self.query_one(RunTable).focus()
        self._show_title()
        # The first frame stands before anything is read, or imported for reading.
        self.call_after_refresh(self._start)

    def _start(self) -> None:
        from workbench.watch import CurveReader, RunsReader

        self._runs_reader = RunsReader(self.app.project.runs_dir)
        self._curve_reader = CurveReader()
        self._file_stamp = stamp_of(self.app.project.file)
        self._look()
        self._check_file()
        self.set_interval(TICK, self._tick)

    def _tick(self) -> None:
        if time.monotonic() >= self._next_look:
            self._next_look = float("inf")  # until this look is over
            self._look()
        stamp = stamp_of(self.app.project.file)
        if stamp != self._file_stamp:
            self._file_stamp = stamp
            self._read_file()

    # --- reading, in threads ---

    @work(thread=True, group="runs", exit_on_error=False)
    def _look(self) -> None:
        worker = get_current_worker()
        started = time.monotonic()
        try:
            runs = self._runs_reader.read()
        finally:
            took = time.monotonic() - started
            self._next_look = time.monotonic() + min(max(TICK / 2, took / _SHARE), _LONGEST_PAUSE)
        if not worker.is_cancelled:
            self.post_message(RunsRead(runs))
        if any(run.phase == "queued" for run in runs) and started >= self._next_runner:
            self._next_runner = started + _RUNNER_PAUSE
            wake_queue(self.app.project.runs_dir)

    @work(thread=True, group="curve", exclusive=True, exit_on_error=False)
    def _read_curve(self, run: RunSummary, only_new: bool) -> None:
        worker = get_current_worker()
        waiting = why_it_waits(run) if run.phase == "queued" else ""
        curve = self._curve_reader.read(
            run.folder, waiting=waiting, only_new=only_new, wanted=lambda: not worker.is_cancelled
        )
        if curve is not None and not worker.is_cancelled:
            if curve.series:
                # The first plot needs plotext: 0.1 s that the event loop shall not wait for.
                import plotext  # noqa: F401
            self.post_message(CurveRead(curve))

    @work(thread=True, group="file", exclusive=True, exit_on_error=False)
    def _check_file(self) -> None:
        worker = get_current_worker()
        if self.app.project.exists:
            check = check_project(self.app.project.file)
            if not worker.is_cancelled:
                self.post_message(ProjectChecked(check))

    @work(thread=True, group="file", exclusive=True, exit_on_error=False)
    def _read_file(self) -> None:
        self.post_message(ProjectRead(read_project(self.app.project.file, self.app.own_runs_dir)))

    @on(Worker.StateChanged)
    def _say_fault(self, event: Worker.StateChanged) -> None:
        """A worker that fails is heard of, once for each fault; the screen goes on with what it knows."""
        fault = f"{event.worker.name}: {event.worker.error}"
        if event.state is WorkerState.ERROR and fault not in self._faults:
            self._faults.add(fault)
            self.app.say(fault, "error")

    # --- what was read ---

    @on(RunsRead)
    def _show_runs(self, message: RunsRead) -> None:
        self._runs, self._read_once = message.runs, True
        table = self.query_one(RunTable)
        table.show(self._runs)
        self.set_class(not self._runs, "-empty")
        if not self._runs:
            self.query_one("#empty", Static).update(self._empty_state())
        self._show_title()
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

    @on(ProjectRead)
    def _show_project(self, message: ProjectRead) -> None:
        if message.project.runs_dir != self.app.project.runs_dir:
            self._runs_reader = type(self._runs_reader)(message.project.runs_dir)
        self.app.project = message.project
        self.check = None
        self._show_title()
        self._show_experiments()
        self._check_file()

    @on(ProjectChecked)
    def _show_check(self, message: ProjectChecked) -> None:
        self.check = message.check
        self._show_experiments()

    def _show_experiments(self) -> None:
        counts: dict[str, int] = {}
        for run in self._runs:
            counts[run.experiment] = counts.get(run.experiment, 0) + 1
        self.query_one(ExperimentsView).show(self.app.project, self.check, counts)

    def _show_title(self) -> None:
        project = self.app.project
        live = sum(run.observed.is_live for run in self._runs)
        queued = sum(run.phase == "queued" for run in self._runs)
        summary = []
        if live:
            summary.append((f"{live} running  ", "title--live"))
        if queued:
            summary.append((f"{queued} queued  ", "title--quiet"))
        if self._read_once:
            summary.append((f"{len(self._runs)} run{'s' * (len(self._runs) != 1)} ", "title--quiet"))
        self.query_one(TitleBar).show(str(project.file) if project.exists else project.shown_runs_dir, summary)

    def _empty_state(self) -> Content:
        """What to do next, as a command to type."""
        project = self.app.project
        lines = [Content.styled(f"No runs yet in {shorten(project.shown_runs_dir, 60)}/", QUIET), Content("")]
        if not project.exists:
            lines += [
                Content("Write experiments for a text of your own:"),
                _command(project.command("init")),
            ]
        elif project.fault or (self.check and self.check.count):
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
            from workbench.screens.details import DetailsScreen

            self.app.push_screen(DetailsScreen(run))

    def action_log_scale(self) -> None:
        view = self.query_one(CurveView)
        view.log_scale = not view.log_scale
        self.app.keep(log_scale=view.log_scale)

    def action_stop(self) -> None:
        run = self.query_one(RunTable).selected
        if run is None:
            return
        from workbench.screens.confirm import ConfirmScreen

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


def wake_queue(runs_dir: Path) -> None:
    """Start a runner where runs wait and none is left; whoever sees a queue does so."""
    from craft.launch.queue.dispatch import ensure_runner

    ensure_runner(runs_dir)


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
