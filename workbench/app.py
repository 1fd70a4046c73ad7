"""`craft-workbench [FILE]`: experiments, runs, comparisons and a playground, in the terminal.

The first frame names the file's experiments and needs nothing but the file; folders, schema and plot follow from
threads. What this module imports is what the start costs.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from textual import work
from textual.css.query import NoMatches
from textual.screen import Screen

from craft.text import shows_unicode
from workbench import memory
from workbench.actions import bindings_of
from workbench.arguments import arguments, fail
from workbench.plain import AsciiOnly, choose_scroll_bars
from workbench.project import DEFAULT_FILE
from workbench.reading import ReadingApp
from workbench.screens.base import PLACES, WorkbenchScreen
from workbench.stylesheet import KeptStylesheet
from workbench.themes import OFFERED, THEMES

if TYPE_CHECKING:
    from textual.command import Provider
    from textual.filter import LineFilter

_END_WITHIN = 3.0  # seconds after a signal
_THREADS = 64  # at most; each is begun when it is needed


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


class Workbench(ReadingApp):
    """The four screens over what is read, what they share, and the keys that work everywhere."""

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
        super().__init__(file, runs_dir)
        self.ascii_only = ascii_only
        self.set_class(ascii_only, "-ascii")
        self._plain = [AsciiOnly()] if ascii_only else []
        choose_scroll_bars(ascii_only)
        self._demo_runs = False
        for theme in THEMES:
            self.register_theme(theme)
        theme_name = self.memory.get("theme", THEMES[0].name)
        if "TEXTUAL_THEME" not in os.environ:
            self.theme = theme_name if theme_name in self.themes() else THEMES[0].name
        self.stylesheet = KeptStylesheet(variables=self.get_css_variables())

    def on_mount(self) -> None:
        # A verb may wait for the end of a long step; asyncio's own few threads would soon be none for reading.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
        if threading.current_thread() is threading.main_thread():
            for name in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(name, partial(self._told_to_end, asyncio.get_running_loop()))
        self.theme_changed_signal.subscribe(self, lambda theme: self.memory.set("theme", theme.name))
        # The first frame stands before anything is read, or imported for reading.
        self.call_after_refresh(self.start_reading)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """What every line goes through before it is drawn."""
        return [*super().get_line_filters(), *self._plain]

    def _handle_exception(self, error: Exception) -> None:
        """What is still being made when the program ends gets no parts any more, and Textual has it look for them."""
        if not (self._exit and isinstance(error, NoMatches)):
            super()._handle_exception(error)

    def on_resize(self) -> None:
        """All anew, also where the size is what it was: a terminal that is pulled about may come back with nothing on
        it, and Textual draws only what it believes to have changed."""
        if self.is_reading:
            self.screen.refresh()

    def action_redraw(self) -> None:
        """After something else wrote on the terminal."""
        self.screen.refresh()

    def _told_to_end(self, loop: asyncio.AbstractEventLoop, *_: object) -> None:
        """A signal from outside: the terminal is given back, no question is asked, and drafts stay as after a crash.

        Where the terminal is gone, whoever writes to it may wait for ever, the event loop too; so this is no handler of
        the loop's, and the end comes in any case.
        """
        self.keep()
        last = threading.Timer(_END_WITHIN, os._exit, (0,))
        last.daemon = True
        last.start()
        loop.call_soon_threadsafe(self.exit, None, 0)

    def keep(self) -> None:
        """Put what was chosen on disk."""
        self.memory.flush()
        self.session.flush()

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

        choices = [Choice(one.do, one.name, one.about, one.words) for one in Commands(self.screen).all()]
        self.push_screen(ChooseScreen("Every command", choices), lambda do: self.call_next(do) if do else None)

    def action_craft(self) -> None:
        from workbench.dialogs.command import ask_for_command

        if len(self.screen_stack) == 1:  # a dialog is answered first
            ask_for_command(self)

    def themes(self) -> dict[str, str]:
        """What can be chosen, with a few words: Textual's others only where its own variable asks for one of them."""
        return OFFERED if "TEXTUAL_THEME" not in os.environ else dict.fromkeys(self.available_themes, "") | OFFERED

    def action_zoom(self) -> None:
        screen = self.screen
        if screen.maximized is not None:
            screen.minimize()
        elif screen.focused is not None:
            screen.maximize(screen.focused)

    def action_toggle_theme(self) -> None:
        names = list(OFFERED)
        place = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(place + 1) % len(names)]
        if self.theme not in {theme.name for theme in THEMES}:
            self.say(OFFERED[self.theme])

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
            (self.project.file.absolute().parent / name).write_text(
                self.export_screenshot(title="craft-workbench"), encoding="utf-8"
            )
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
        self.look_soon()
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


def main() -> None:
    """The program `craft-workbench`."""
    file, runs_dir = arguments(sys.argv[1:])
    # Keys come from the first, the size from the second, and the screen goes to the third; a closed one is None.
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        fail("this needs a terminal; 'craft runs' and 'craft watch' work without one")
    if os.environ.get("TERM") == "dumb":
        fail(
            "this terminal (TERM=dumb) cannot show it: set TERM to what the terminal is, or use 'craft runs' and "
            "'craft watch'"
        )
    if file is not None and not file.exists():
        fail(f"{file}: no such file; 'craft init' writes one")
    # A shell that exports its size would pin the screen to it, whatever the window becomes.
    os.environ.pop("COLUMNS", None)
    os.environ.pop("LINES", None)
    app = Workbench(file or DEFAULT_FILE, runs_dir, ascii_only=not shows_unicode(sys.stdout))
    gc.freeze()  # no key is answered while garbage is looked for: not in what was imported, which is most of all
    app.run()
    sys.exit(app.return_code or 0)


if __name__ == "__main__":
    main()
