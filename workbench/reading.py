"""The half of the app that reads: run folders and the experiments file, in threads, again and again.

What was read comes back as messages, whose handlers on the event loop are the only ones to touch what is held here,
and to tell the screen that is seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from textual import events, on, work
from textual.worker import get_current_worker

from workbench.bench import Bench
from workbench.messages import Looked, ProjectChecked, ProjectRead
from workbench.project import check_project, read_project, stamp_of
from workbench.screens.base import WorkbenchScreen

if TYPE_CHECKING:
    from textual.driver import Driver

    from craft.runs.store import RunSummary
    from workbench.screens.base import Reading
    from workbench.watch import RunsReader

TICK = 0.5
"""Seconds between two looks while somebody is there, and twice as many else: each takes a little from the training that
is watched. At the folders they are rarer where one look takes long."""
_AWAY_AFTER = 5.0  # seconds without a key or the mouse
_SHARE = 0.05  # of one core, at most, for looking at the folders
_LONGEST_PAUSE = 5.0
_RUNNER_PAUSE = 10.0  # seconds between two looks whether a queue has lost its runner


class ReadingApp(Bench):
    """Holds the project and its runs as they were last read."""

    def __init__(self, file: Path, runs_dir: Path | None) -> None:
        super().__init__()
        self.own_runs_dir = runs_dir
        self._stamps = {file: stamp_of(file)}  # of the experiments file and of what it is read with
        kept = self.session.get("runs_dir", "")
        self.project = read_project(file, runs_dir, Path(kept) if kept else None)
        self._keep_runs_dir()
        self.check = None
        self.runs, self.runs_read = [], False
        self.is_reading = False
        self._next_listing = 0.0
        self._touched = time.monotonic()
        self._next_runner = 0.0
        self._runs_reader: RunsReader

    def start_reading(self) -> None:
        """Look for the first time, and again and again from then on."""
        from workbench.watch import RunsReader

        self.is_reading = True
        self._tell(lambda screen: screen.show_rest())
        self._runs_reader = RunsReader(self.project.runs_dir)
        self._tick()

    def get_driver_class(self) -> type[Driver]:
        from workbench.driver import WaitingDriver

        found = super().get_driver_class()
        return WaitingDriver if found in WaitingDriver.__bases__ else found

    # --- reading, in threads ---

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.InputEvent):
            self._touched = time.monotonic()
        await super().on_event(event)

    def _tick(self) -> None:
        if self._ends:
            return
        self.keep()
        now = time.monotonic()
        self.set_timer(TICK if now < self._touched + _AWAY_AFTER else 2 * TICK, self._tick)
        listed = now >= self._next_listing
        if listed:
            self._next_listing = float("inf")  # until this look is over
        along = self.place.reading(listed=listed) if self.place.is_ready else None
        if listed or along is not None:
            self._look(listed, self.place, along)
        stamps = {file: stamp_of(file) for file in self._stamps}
        if stamps != self._stamps:
            self._stamps = stamps
            self._read_file()

    def look_soon(self) -> None:
        """Look at the runs with the next tick: something was just done to one."""
        self._next_listing = min(self._next_listing, time.monotonic())

    @work(thread=True, group="look", description="look", exit_on_error=False)
    def _look(self, listed: bool, screen: WorkbenchScreen, along: Reading | None) -> None:
        """One thread reads all that a look needs, and one message brings it: each further one would wake the processors
        again, and draw the screen once more."""
        worker = get_current_worker()
        runs, show = None, None
        try:
            if listed:
                runs = self._list_runs()
        finally:
            try:
                if along is not None:  # also without the runs: what began to be read is read no more until it was shown
                    show = along(runs)
            finally:
                if not worker.is_cancelled:
                    self.post_message(Looked(runs, screen, show))
        if runs and any(run.phase == "queued" for run in runs) and time.monotonic() >= self._next_runner:
            self._next_runner = time.monotonic() + _RUNNER_PAUSE
            wake_queue(self.project.runs_dir)

    def _list_runs(self) -> list[RunSummary]:
        started = time.monotonic()
        try:
            return self._runs_reader.read()
        finally:
            took = time.monotonic() - started
            self._next_listing = time.monotonic() + min(max(TICK / 2, took / _SHARE), _LONGEST_PAUSE)

    @work(thread=True, group="file", exclusive=True, exit_on_error=False)
    def _check_file(self) -> None:
        worker = get_current_worker()
        if self.project.exists:
            check = check_project(self.project.file)
            if not worker.is_cancelled:
                self.post_message(ProjectChecked(check))

    @work(thread=True, group="file", exclusive=True, exit_on_error=False)
    def _read_file(self) -> None:
        before = self.project  # whose runs are still there while its file is moved away, or broken
        self.post_message(ProjectRead(read_project(before.file, self.own_runs_dir, before.runs_dir)))

    # --- what was read ---

    @property
    def place(self) -> WorkbenchScreen:
        """The screen that is seen, also while a dialog lies over it."""
        screen = self.screen_stack[0]
        assert isinstance(screen, WorkbenchScreen)
        return screen

    @property
    def _ends(self) -> bool:
        """Whether the screens are taken down, or there are none any more."""
        return self._exit or not self.is_running or not self.screen_stack

    def _tell(self, tell: Callable[[WorkbenchScreen], None]) -> None:
        if self._ends or not self.place.is_ready:
            return
        tell(self.place)
        self.place.show_title()
        self.place.refresh_bindings()

    @on(Looked)
    def _take_look(self, message: Looked) -> None:
        if message.runs is not None:
            if not self.runs_read:
                self._check_file()  # not sooner: importing the schema would take the processor from reading the runs
            self.runs, self.runs_read = message.runs, True
        if self._ends:
            return
        if message.show is not None:
            message.show()
        elsewhere = message.show is None or message.of is not self.place
        self._tell(lambda screen: screen.show_runs() if message.runs is not None and elsewhere else None)

    @on(ProjectRead)
    def _take_project(self, message: ProjectRead) -> None:
        if message.project.runs_dir != self.project.runs_dir:
            self._runs_reader = type(self._runs_reader)(message.project.runs_dir)
            self.look_soon()
        self.project, self.check = message.project, None
        self._keep_runs_dir()
        self._tell(lambda screen: screen.show_project())
        self._check_file()

    def _keep_runs_dir(self) -> None:
        """Remember where the file has its runs, for a start at which it cannot be read."""
        if self.own_runs_dir is None and self.project.exists and not self.project.fault:
            self.session.set("runs_dir", str(self.project.runs_dir))

    @on(ProjectChecked)
    def _take_check(self, message: ProjectChecked) -> None:
        self.check = message.check
        file = self.project.file  # looked at since the check began: only what it is read with is news
        self._stamps = message.check.stamps | {file: self._stamps[file]}
        self._tell(lambda screen: screen.show_check())


def wake_queue(runs_dir: Path) -> None:
    """Start a runner where runs wait and none is left; whoever sees a queue does so."""
    from craft.launch.queue.dispatch import ensure_runner

    ensure_runner(runs_dir)
