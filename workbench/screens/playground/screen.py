"""The screen `playground`."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from workbench.screens.base import WorkbenchScreen


class PlaygroundScreen(WorkbenchScreen):
    """To be built."""

    PLACE = "playground"

    def compose_body(self) -> ComposeResult:
        yield Static()
