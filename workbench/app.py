"""`craft-workbench [FILE]`: the runs of a project and their curves, in the terminal.

The first frame names the file's experiments and needs nothing but the file; folders, schema and plot follow from
threads. What this module imports is what the start costs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from textual.app import App
from textual.screen import Screen
from textual.theme import Theme

from craft.text import clean, shows_unicode
from workbench.actions import bindings_of
from workbench.project import DEFAULT_FILE, Project, read_project
from workbench.screens.runs import RunsScreen
from workbench.settings import load_settings, save_settings

if TYPE_CHECKING:
    from craft.runs.store import RunSummary

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


class Workbench(App[None]):
    """Holds the project and what was chosen; the screens hold the rest."""

    CSS_PATH = "styles/workbench.tcss"
    TITLE = "craft"
    BINDINGS = bindings_of("app")
    ENABLE_COMMAND_PALETTE = True

    def __init__(self, file: Path = DEFAULT_FILE, runs_dir: Path | None = None, *, ascii_only: bool = False) -> None:
        super().__init__()
        self.own_runs_dir = runs_dir
        self.project: Project = read_project(file, runs_dir)
        self.settings = load_settings()
        self.ascii_only = ascii_only
        for theme in THEMES:
            self.register_theme(theme)
        if "TEXTUAL_THEME" not in os.environ and self.settings.theme in self.available_themes:
            self.theme = self.settings.theme

    def get_default_screen(self) -> Screen[None]:
        """The runs, at once: a screen pushed over an empty one would cost the start 20 ms."""
        return RunsScreen()

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, lambda theme: self.keep(theme=theme.name))

    def keep(self, *, theme: str | None = None, log_scale: bool | None = None) -> None:
        """Remember a choice for the next time."""
        self.settings.theme = self.settings.theme if theme is None else theme
        self.settings.log_scale = self.settings.log_scale if log_scale is None else log_scale
        save_settings(self.settings)

    def resume_command(self, run: RunSummary) -> str:
        """How to go on with `run` from a shell here: by its name where that is enough."""
        by_name = self.project.file == DEFAULT_FILE and self.own_runs_dir is None
        return self.project.command("resume", run.name if by_name else str(run.folder.path))

    def say(self, text: str, severity: Literal["information", "warning", "error"]) -> None:
        """A short note in the corner, from any thread; `text` may hold foreign text."""
        self.notify(clean(text), severity=severity, markup=False, timeout=4 if severity == "information" else 10)

    def action_toggle_theme(self) -> None:
        self.theme = "craft-light" if self.current_theme.dark else "craft-dark"

    def action_show_help(self) -> None:
        from workbench.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))


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
        description="Watch the runs of a project: a live list, and the loss curve of the selected one.",
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
