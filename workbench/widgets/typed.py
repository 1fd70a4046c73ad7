"""A line that people type or paste: what a terminal would obey is drawn as marks, wherever it came from.

Textual's own draws such characters as they are, so that a pasted text could write to the terminal. A text of several
lines is in `typed_lines`, as its widget takes a tenth of the start to import.
"""

from __future__ import annotations

from collections.abc import Callable

from textual.widgets import Input

from craft.text import clean_line
from workbench.actions import bindings_of


class Line(Input):
    """One line; it holds the marks themselves."""

    BINDINGS = bindings_of("line")
    edited: Callable[[], None] | None = None
    """Told of each change before it is seen. Messages come later, and may come after a kill."""

    def validate_value(self, value: str) -> str:
        return clean_line(value)

    def watch_value(self) -> None:
        if self.edited is not None:
            self.edited()
