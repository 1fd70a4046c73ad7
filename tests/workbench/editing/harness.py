"""The editor alone, on a real file: a bare app around the panel that checks the text as the experiments screen does."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from textual import on
from textual.app import App, ComposeResult
from textual.pilot import Pilot

import workbench.app
from craft.config.experiments import inspect_experiments
from tests.workbench.harness import until
from workbench import memory
from workbench.screens.experiments.editing.buffer import Buffer
from workbench.screens.experiments.editing.panel import EditPanel
from workbench.themes import THEMES

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
