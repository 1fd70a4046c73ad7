"""`craft-workbench [FILE]`: experiments, runs, comparisons and a playground, in the terminal.

The first frame names the file's experiments and needs nothing but the file; folders, schema and plot follow from
threads. What this module imports is what the start costs.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from textual import on, work
from textual.app import App
from textual.screen import Screen
from textual.theme import Theme
from textual.worker import Worker, WorkerState, get_current_worker

from craft.text import clean, shows_unicode
from workbench import memory
from workbench.actions import bindings_of
from workbench.messages import ProjectChecked, ProjectRead, RunsRead
from workbench.plain import choose_scroll_bars
from workbench.project import DEFAULT_FILE, Check, Project, check_project, read_project, stamp_of
from workbench.screens.base import PLACES, WorkbenchScreen

if TYPE_CHECKING:
    from textual.command import Provider

    from craft.runs.store import RunSummary
    from workbench.watch import RunsReader

THEMES = (
    Theme(
        name="craft-dark",
        primary="#62b6cb",
        secondary="#e3b566",
        accent="#62b6cb",
        success="#86c28b",
        warning="#e3b566",
        error="#e57373",
        foreground="#cdd6dc",
        background="#0f1418",
        surface="#141b20",
        panel="#1c252c",
        dark=True,
    ),
    Theme(
        name="craft-light",
        primary="#0b6e87",
        secondary="#a35c00",
        accent="#0b6e87",
        success="#2b7a35",
        warning="#a35c00",
        error="#b3261e",
        foreground="#27323a",
        background="#fbfbf8",
        surface="#f3f3ee",
        panel="#e7e8e2",
        dark=False,
    ),
)

TICK = 1.0
"""Seconds between two looks at the folders; longer where one look takes long."""
_SHARE = 0.05  # of one core, at most, for looking at the folders
_LONGEST_PAUSE = 5.0
_RUNNER_PAUSE = 10.0  # seconds between two looks whether a queue has lost its runner
_KEEP_AFTER = 2.0  # seconds until what was chosen is on disk


def _experiments() -> Screen[None]:
    from workbench.screens.experiments.screen import ExperimentsScreen

    return ExperimentsScreen()


def _runs() -> Screen[None]:
    from workbench.screens.runs.screen import RunsScreen

    return RunsScreen()


def _compare() -> Screen[None]:
    from workbench.screens.compare.screen import CompareScreen

    return CompareScreen()


def _playground() -> Screen[None]:
    from workbench.screens.playground.screen import PlaygroundScreen

    return PlaygroundScreen()


def _commands() -> type[Provider]:
    from workbench.palette import Commands

    return Commands


class Workbench(App[None]):
    """Holds the project and its runs, reads both again and again, and tells the screens."""

    CSS_PATH = ["styles/workbench.tcss", "styles/chart.tcss"]
    TITLE = "craft"
    BINDINGS = bindings_of("everywhere")
    MODES = {"experiments": _experiments, "runs": _runs, "compare": _compare, "playground": _playground}
    DEFAULT_MODE = "runs"
    ENABLE_COMMAND_PALETTE = True
    COMMANDS = {_commands}

    def __init__(self, file: Path = DEFAULT_FILE, runs_dir: Path | None = None, *, ascii_only: bool = False) -> None:
        self.memory = memory.of_person()
        self.session = memory.of_project(file)
        place = self.session.get("place", "runs")
        if place in PLACES:
            self.DEFAULT_MODE = place  # type: ignore[misc]
        super().__init__()
        self.own_runs_dir = runs_dir
        self.project: Project = read_project(file, runs_dir)
        self.check: Check | None = None
        self.runs: list[RunSummary] = []
        self.runs_read = False
        self.ascii_only = ascii_only
        self.set_class(ascii_only, "-ascii")
        choose_scroll_bars(ascii_only)
        self._file_stamp = stamp_of(file)
        self._next_look = float("inf")
        self._next_runner = 0.0
        self._runs_reader: RunsReader
        self._faults: set[str] = set()
        self._demo_runs = False
        for theme in THEMES:
            self.register_theme(theme)
        theme_name = self.memory.get("theme", THEMES[0].name)
        if "TEXTUAL_THEME" not in os.environ:
            self.theme = theme_name if theme_name in self.available_themes else THEMES[0].name

    def on_mount(self) -> None:
        for name in (signal.SIGTERM, signal.SIGHUP):
            # Else the terminal stays as the screen left it, and the last choices are lost.
            asyncio.get_running_loop().add_signal_handler(name, self._leave)
        self.theme_changed_signal.subscribe(self, lambda theme: self.memory.set("theme", theme.name))
        # The first frame stands before anything is read, or imported for reading.
        self.call_after_refresh(self._start)

    def _start(self) -> None:
        from workbench.watch import RunsReader

        self._runs_reader = RunsReader(self.project.runs_dir)
        self._look()
        self._check_file()
        self.set_interval(TICK, self._tick)
        self.set_interval(_KEEP_AFTER, self.keep)

    def _leave(self) -> None:
        """Somebody ends this program from outside: no question is asked, and drafts are kept as after a crash."""
        self.keep()
        self.exit(return_code=0)

    def keep(self) -> None:
        """Put what was chosen on disk."""
        self.memory.flush()
        self.session.flush()

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

    # --- for the screens ---

    def resume_command(self, run: RunSummary) -> str:
        """How to go on with `run` from a shell here: by its name where that is enough."""
        by_name = self.project.file == DEFAULT_FILE and self.own_runs_dir is None
        return self.project.command("resume", run.name if by_name else str(run.folder.path))

    def say(self, text: str, severity: Literal["information", "warning", "error"] = "information") -> None:
        """A short note in the corner, from any thread; `text` may hold foreign text."""
        self.notify(clean(text), severity=severity, markup=False, timeout=4 if severity == "information" else 10)

    def copy(self, text: str, what: str) -> None:
        """Put `text` on the clipboard of the terminal's own machine, also over SSH; `what` names it in the note."""
        from workbench import clipboard

        text = text.encode("utf-8", "replace").decode()  # a lone surrogate cannot be written anywhere
        if len(text.encode()) <= clipboard.MOST:
            self.copy_to_clipboard(text)
        self._copy_further(text, what)

    @work(thread=True, group="copy", exit_on_error=False)
    def _copy_further(self, text: str, what: str) -> None:
        from workbench import clipboard

        place = clipboard.keep(text)
        taken = clipboard.through_tmux(text) or clipboard.beside_a_screen(text)
        where = f"; it is in {place} too" if place else ""
        if taken or len(text.encode()) <= clipboard.MOST:
            self.say(f"{what} copied{where}")
        else:
            self.say(f"{what} is too long for a terminal's clipboard{where}", "warning")

    def show_run(self, name: str) -> None:
        """Go to the runs with the cursor on one of them."""
        self.session.set("runs.selected", name)
        self.action_go("runs")

    def show_experiment(self, name: str) -> None:
        """Go to the experiments with one of them chosen."""
        self.session.set("experiments.selected", name)
        self.action_go("experiments")

    # --- keys ---

    def action_go(self, place: str) -> None:
        """Another screen; a dialog is answered first."""
        assert place in PLACES
        if len(self.screen_stack) == 1:
            if self.current_mode == place:
                self.place.show_all()
            self.switch_mode(place)
            self.session.set("place", place)

    def action_next_place(self, by: int) -> None:
        """Another screen without its number, which a text would take."""
        self.action_go(PLACES[(PLACES.index(self.place.PLACE) + by) % len(PLACES)])

    def action_command_palette(self) -> None:
        if not self.ascii_only:
            super().action_command_palette()
            return
        from workbench.dialogs.choose import Choice, ChooseScreen
        from workbench.palette import Commands

        choices = [Choice(command.do, command.name, command.about) for command in Commands(self.screen).all()]
        self.push_screen(ChooseScreen("Every command", choices), lambda do: self.call_next(do) if do else None)

    def action_zoom(self) -> None:
        screen = self.screen
        if screen.maximized is not None:
            screen.minimize()
        elif screen.focused is not None:
            screen.maximize(screen.focused)

    def action_toggle_theme(self) -> None:
        names = [*(theme.name for theme in THEMES), "ansi-dark"]
        place = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(place + 1) % len(names)]
        if self.theme == "ansi-dark":
            self.say("the terminal's own colours")

    def action_resize(self, direction: Literal["left", "right", "up", "down"]) -> None:
        """Move the divider of the focused pane."""
        from workbench.widgets.split import Split

        stacked = direction in ("up", "down")
        focused = self.screen.focused
        for split in [node for node in focused.ancestors if isinstance(node, Split)] if focused else []:
            if split.stacked == stacked:
                split.move(-0.05 if direction in ("left", "up") else 0.05)
                return

    def action_reset_panes(self) -> None:
        """All dividers where they stood at first."""
        from workbench.widgets.split import Split

        for split in self.screen.query(Split):
            split.put_back()
        self.memory.forget("split.")

    def action_picture(self) -> None:
        """The screen as an SVG file beside the experiments."""
        name = time.strftime("craft-%Y%m%d-%H%M%S.svg")
        try:
            (self.project.file.absolute().parent / name).write_text(self.export_screenshot(title="craft-workbench"))
        except OSError as error:
            self.say(f"{name} was not written: {error.strerror or error}", "error")
        else:
            self.say(f"{name} written")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The demo is offered where there is nothing yet."""
        if action == "demo":
            return self.runs_read and not self.runs and not self.project.exists and len(self.screen_stack) == 1
        return super().check_action(action, parameters)

    def action_demo(self) -> None:
        """Write an experiments file unless there is one, and start its first run."""
        if not self._demo_runs:
            self._demo_runs = True
            self._demo()

    @work(thread=True, group="demo", exit_on_error=False)
    def _demo(self) -> None:
        from craft.errors import CraftError
        from workbench.demo import start_demo

        try:
            name = start_demo(self.project.file, self.own_runs_dir)
        except (CraftError, OSError) as error:
            self.say(f"the demo was not started: {error}", "error")
        else:
            self.say(f"{name} is starting: a small model learns to write Python")
            self.call_from_thread(self._show_demo, name)
        finally:
            self._demo_runs = False

    def _show_demo(self, name: str) -> None:
        self._next_look = 0.0
        self.show_run(name)

    def action_show_help(self) -> None:
        from workbench.dialogs.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    async def action_quit(self) -> None:
        screens = [stack[0] for stack in self._screen_stacks.values() if stack]
        lost = [words for screen in screens if isinstance(screen, WorkbenchScreen) and (words := screen.unsaved())]
        if not lost:
            self.keep()
            self.exit()
            return
        from workbench.dialogs.confirm import ConfirmScreen

        def decide(yes: bool | None) -> None:
            if yes:
                self.keep()
                self.exit()

        self.push_screen(ConfirmScreen("Quit without saving?", "\n".join(lost), ""), decide)

    def on_unmount(self) -> None:
        self.keep()


def wake_queue(runs_dir: Path) -> None:
    """Start a runner where runs wait and none is left; whoever sees a queue does so."""
    from craft.launch.queue.dispatch import ensure_runner

    ensure_runner(runs_dir)


def main() -> None:
    """The program `craft-workbench`."""
    file, runs_dir = _arguments(sys.argv[1:])
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        _fail("this needs a terminal; 'craft runs' and 'craft watch' work without one")
    if file is not None and not file.exists():
        _fail(f"{file}: no such file; 'craft init' writes one")
    # A shell that exports its size would pin the screen to it, whatever the window becomes.
    os.environ.pop("COLUMNS", None)
    os.environ.pop("LINES", None)
    app = Workbench(file or DEFAULT_FILE, runs_dir, ascii_only=not shows_unicode(sys.stdout))
    app.run()
    sys.exit(app.return_code or 0)


def _arguments(words: list[str]) -> tuple[Path | None, Path | None]:
    if not words:
        return None, None
    from argparse import ArgumentParser  # 5 ms that most starts do without

    parser = ArgumentParser(
        prog="craft-workbench",
        description="Edit and start experiments, watch and compare their runs, and let any checkpoint write.",
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="an experiments file (./experiments.toml)")
    parser.add_argument(
        "--runs-dir", type=Path, metavar="DIR", help="where the runs are, instead of what the file says"
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    parsed = parser.parse_args(words)
    if parsed.version:
        from craft import __version__

        sys.stdout.write(f"craft-workbench {__version__}\n")
        sys.exit(0)
    return parsed.file, parsed.runs_dir


def _fail(message: str) -> None:
    sys.stderr.write(f"craft-workbench: {clean(message)}\n")
    sys.exit(2)


if __name__ == "__main__":
    main()
