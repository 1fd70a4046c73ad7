"""The editor alone, on a real file: a bare app around the panel that checks the text as the experiments screen does."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from textual import on
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Static

import workbench.app
from craft.config.experiments import inspect_experiments
from tests.workbench.harness import until
from workbench import memory
from workbench.screens.experiments.editing.buffer import Buffer
from workbench.screens.experiments.editing.panel import EditPanel
from workbench.themes import THEMES

TEXT = """craft = 1
[defaults.optimizer]
type = "muon"                     # the usual one
lr = 0.02
[template.small.model]
type = "transformer"
num_layers = 2

[experiment.a]                    # kept
extends = "small"
model.num_layers = 4

[experiment.b]
extends = "a"
"""
NAMES = {
    " ": "space",
    "=": "equals_sign",
    '"': "quotation_mark",
    ".": "full_stop",
    "_": "underscore",
    "[": "left_square_bracket",
    "]": "right_square_bracket",
    "#": "number_sign",
    "-": "minus",
    "{": "left_curly_bracket",
    "\x1b": "escape",
}
_WORKBENCH = Path(workbench.app.__file__).parent


class EditorApp(App[None]):
    """Holds one panel. `said` is what it told."""

    CSS_PATH = [
        _WORKBENCH / "styles/workbench.tcss",
        _WORKBENCH / "screens/experiments/editing/editing.tcss",
    ]

    def __init__(self, file: Path, *, ascii_only: bool = False) -> None:
        super().__init__()
        self.memory = memory.Memory(file.parent / "memory.json")
        self.session = memory.Memory(file.parent / "session.json")
        self.buffer = Buffer(file)
        self.ascii_only = ascii_only
        self.checks = True
        self.said: list[str] = []
        self.visited: list[tuple[str, str]] = []
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name

    def compose(self) -> ComposeResult:
        yield EditPanel(self.buffer, ascii_only=self.ascii_only, id="panel")

    @property
    def panel(self) -> EditPanel:
        return self.query_one(EditPanel)

    def on_mount(self) -> None:
        self.check()

    @on(EditPanel.TextChanged)
    def check(self) -> None:
        if self.checks:
            self.panel.show_inspection(inspect_experiments(self.buffer.path, self.buffer.text), self.buffer.version)

    @on(EditPanel.ExperimentAtCursor)
    def visit(self, event: EditPanel.ExperimentAtCursor) -> None:
        self.visited.append((event.kind, event.name))

    def say(self, text: str, severity: str = "information") -> None:
        self.said.append(text)

    def copy(self, text: str, what: str) -> None:
        self.copy_to_clipboard(text)
        self.said.append(f"{what} copied")


@contextlib.asynccontextmanager
async def edited(
    file: Path, *, size: tuple[int, int] = (120, 40), ascii_only: bool = False
) -> AsyncIterator[tuple[EditorApp, Pilot[None]]]:
    """The editor on `file`, with the schema known."""
    app = EditorApp(file, ascii_only=ascii_only)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.panel.ready)
        yield app, pilot
        app.workers.cancel_all()
        with contextlib.suppress(Exception):
            await app.workers.wait_for_complete()


async def type_in(pilot: Pilot[None], text: str) -> None:
    """Press the keys of a text."""
    await pilot.press(*(NAMES.get(char, char) for char in text))


def shown(app: EditorApp, name: str) -> str:
    """What a line of the editor says."""
    return str(app.screen.query_one(name, Static).render())


async def at(app: EditorApp, pilot: Pilot[None], *path: str) -> None:
    """The form's cursor on a setting."""
    rows = app.panel.form.rows
    await until(pilot, lambda: rows.go_to(path) and rows.selected is not None and rows.selected.path == path)
    rows.focus()
    await pilot.pause()
