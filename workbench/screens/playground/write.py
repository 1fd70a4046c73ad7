"""The tab "write"."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.widgets import Static

from workbench.screens.playground.mode import Mode


class WriteMode(Mode):
    """Text as it comes."""

    NAME = "write"

    def compose(self) -> ComposeResult:
        yield Static("", id="out")

    def run(self) -> None:
        settings = self.playground.sampling_settings()
        if settings is not None:
            self.ask(type="generate", prompt=self.playground.prompt, alternatives=8)

    def answered(self, identifier: str, message: dict[str, Any]) -> None:
        pass
