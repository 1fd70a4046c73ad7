"""The half of the app that reads: run folders and the experiments file, in threads, again and again.

What was read comes back as messages, whose handlers on the event loop are the only ones to touch what is held here,
and to tell the screen that is seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from textual import on, work
from textual.app import App
from textual.worker import Worker, WorkerState, get_current_worker

from craft.text import clean
from workbench.messages import ProjectChecked, ProjectRead, RunsRead
from workbench.project import Check, Project, check_project, read_project, stamp_of
from workbench.screens.base import WorkbenchScreen

if TYPE_CHECKING:
    from craft.runs.store import RunSummary
    from workbench.watch import RunsReader

TICK = 0.5
"""Seconds between two looks at the folders; longer where one look takes long. The details of a run have a clock of
their own, `_PAUSE` in screens/runs/details/panel.py."""
_SHARE = 0.05  # of one core, at most, for looking at the folders
_LONGEST_PAUSE = 5.0
_RUNNER_PAUSE = 10.0  # seconds between two looks whether a queue has lost its runner


class ReadingApp(App[None]):
    """Holds the project and its runs as they were last read."""

    def __init__(self, file: Path, runs_dir: Path | None) -> None:
        super().__init__()
        self.own_runs_dir = runs_dir
        self.project: Project = read_project(file, runs_dir)
        self.check: Check | None = None
        self.runs: list[RunSummary] = []
        self.runs_read = False
        self.is_reading = False
        """Whether the first frame stands, so that the rest can follow."""
        self._file_stamp = stamp_of(file)
        self._next_look = float("inf")
        self._next_runner = 0.0
        self._runs_reader: RunsReader
        self._faults: set[str] = set()

    def say(self, text: str, severity: Literal["information", "warning", "error"] = "information") -> None:
        """A short note in the corner, from any thread; `text` may hold foreign text."""
        self.notify(clean(text), severity=severity, markup=False, timeout=4 if severity == "information" else 10)

    def start_reading(self) -> None:
        """Look for the first time, and again and again from then on."""
        from workbench.watch import RunsReader

        self.is_reading = True
        self._tell(lambda screen: screen.show_rest())
        self._runs_reader = RunsReader(self.project.runs_dir)
        self._look()
        self.set_interval(TICK, self._tick)

    # --- reading, in threads ---

    def _tick(self) -> None:
        if time.monotonic() >= self._next_look:
            self._next_look = float("inf")  # until this look is over
            self._look()
        stamp = stamp_of(self.project.file)
        if stamp != self._file_stamp:
            self._file_stamp = stamp
            self._read_file()

    def look_soon(self) -> None:
        """Look at the runs with the next tick: something was just done to one."""
        self._next_look = min(self._next_look, time.monotonic())

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
            wake_queue(self.project.runs_dir)

    @work(thread=True, group="file", exclusive=True, exit_on_error=False)
    def _check_file(self) -> None:
        worker = get_current_worker()
        if self.project.exists:
            check = check_project(self.project.file)
            if not worker.is_cancelled:
                self.post_message(ProjectChecked(check))

    @work(thread=True, group="file", exclusive=True, exit_on_error=False)
    def _read_file(self) -> None:
        self.post_message(ProjectRead(read_project(self.project.file, self.own_runs_dir)))

    @on(Worker.StateChanged)
    def _say_fault(self, event: Worker.StateChanged) -> None:
        """A worker that fails is heard of, once for each fault; the program goes on with what it knows."""
        fault = f"{event.worker.name}: {event.worker.error}"
        if event.state is WorkerState.ERROR and fault not in self._faults:
            self._faults.add(fault)
            self.say(fault, "error")

    # --- what was read ---

    @property
    def place(self) -> WorkbenchScreen:
        """The screen that is seen, also while a dialog lies over it."""
        screen = self.screen_stack[0]
        assert isinstance(screen, WorkbenchScreen)
        return screen

    def _tell(self, tell: Callable[[WorkbenchScreen], None]) -> None:
        # Between the end of the screens and that of the program there is none.
        if self._exit or not self.screen_stack or not self.place.is_ready:
            return
        tell(self.place)
        self.place.show_title()
        self.place.refresh_bindings()

    @on(RunsRead)
    def _take_runs(self, message: RunsRead) -> None:
        if not self.runs_read:
            self._check_file()  # not sooner: importing the schema would take the processor from reading the runs
        self.runs, self.runs_read = message.runs, True
        self._tell(lambda screen: screen.show_runs())

    @on(ProjectRead)
    def _take_project(self, message: ProjectRead) -> None:
        if message.project.runs_dir != self.project.runs_dir:
            self._runs_reader = type(self._runs_reader)(message.project.runs_dir)
            self.look_soon()
        self.project, self.check = message.project, None
        self._tell(lambda screen: screen.show_project())
        self._check_file()

    @on(ProjectChecked)
    def _take_check(self, message: ProjectChecked) -> None:
        self.check = message.check
        self._tell(lambda screen: screen.show_check())


def wake_queue(runs_dir: Path) -> None:
    """Start a runner where runs wait and none is left; whoever sees a queue does so."""
    from craft.launch.queue.dispatch import ensure_runner

    ensure_runner(runs_dir)
