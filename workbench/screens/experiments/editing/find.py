"""Looking for words in the text: a line below it, and every place that has them."""

from __future__ import annotations

import re

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from workbench.actions import bindings_of
from workbench.widgets.typed import Line


class FindBar(Horizontal):
    """Says what is looked for. Capital letters count where the words have some."""

    BINDINGS = bindings_of("find")

    class Sought(Message):
        """Other words are looked for; `onward` asks for the next place (1), the one before (-1), or the nearest (0)."""

        def __init__(self, words: str, onward: int) -> None:
            super().__init__()
            self.words, self.onward = words, onward

    class Left(Message):
        """The text is wanted again."""

    def compose(self) -> ComposeResult:
        yield Static("find ", id="find-label")
        yield Line(id="find-words", compact=True)
        yield Static(id="find-count")

    @property
    def words(self) -> str:
        return self.query_one(Input).value

    def open(self, words: str) -> None:
        """Show it, with words to begin with."""
        self.display = True
        field = self.query_one(Input)
        if words:
            field.value = words
        field.focus()
        field.select_all()

    def say(self, place: int, number: int) -> None:
        """Which of how many places the cursor is at."""
        said = f" {place} of {number} " if number else " nowhere " if self.words else ""
        self.query_one("#find-count", Static).update(Content(said))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Sought(event.value, 0))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Sought(self.words, 1))

    def action_find_previous(self) -> None:
        self.post_message(self.Sought(self.words, -1))

    def action_leave(self) -> None:
        self.display = False
        self.post_message(self.Left())


def places_of(words: str, lines: list[str]) -> list[tuple[int, int, int]]:
    """Row, start and stop of all places that hold the words."""
    if not words:
        return []
    how = re.compile(re.escape(words), 0 if any(map(str.isupper, words)) else re.IGNORECASE)
    return [(row, found.start(), found.end()) for row, line in enumerate(lines) for found in how.finditer(line)]
