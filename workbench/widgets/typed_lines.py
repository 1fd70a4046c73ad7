"""Lines that people type or paste, drawn as `typed` draws one."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import TextArea

from craft.text import clean
from workbench.actions import bindings_of


class Lines(TextArea):
    """Any number of lines, kept as they are; only what is drawn has the marks."""

    BINDINGS = bindings_of("typed lines")

    def get_line(self, line_index: int) -> Text:
        line = super().get_line(line_index)
        line.plain = clean(line.plain)
        return line
