"""A long text over the screen, to be scrolled."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from workbench.actions import bindings_of
from workbench.dialogs.answers import Answers
from workbench.dialogs.scrolling import ScrollingDialog


class TextScreen(ScrollingDialog[None]):
    """Shows `text` as it is, but for what a terminal would obey."""

    BINDINGS = bindings_of("text dialog")

    def __init__(self, title: str, text: str, what: str = "the definition") -> None:
        super().__init__()
        self._title, self._text, self._what = title, text, what

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="scrolling"):
            yield Static(Content.styled(self.line(self._title), "bold"))
            yield Static(Content(self.text(self._text)), classes="space")
            yield Answers()

    def action_copy(self) -> None:
        self.app.copy(self._text, self._what)
