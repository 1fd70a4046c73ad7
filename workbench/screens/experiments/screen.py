"""The screen `experiments`."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from workbench.screens.base import WorkbenchScreen


class ExperimentsScreen(WorkbenchScreen):
    """To be built."""

    PLACE = "experiments"

    def compose_body(self) -> ComposeResult:
        yield Static()
