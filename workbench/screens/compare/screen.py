"""The screen `compare`."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from workbench.screens.base import WorkbenchScreen


class CompareScreen(WorkbenchScreen):
    """To be built."""

    PLACE = "compare"

    def compose_body(self) -> ComposeResult:
        yield Static()
