"""Fields for what people type or paste: what a terminal would obey is drawn as marks, wherever it came from.

Textual's own draw such characters as they are, so that a pasted text could write to the terminal.
"""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Input, TextArea

from craft.text import clean, clean_line


class Line(Input):
    """One line; it holds the marks themselves."""

    def validate_value(self, value: str) -> str:
        return clean_line(value)


class Lines(TextArea):
    """Any number of lines, kept as they are; only what is drawn has the marks."""

    def get_line(self, line_index: int) -> Text:
        line = super().get_line(line_index)
        line.plain = clean(line.plain)
        return line
