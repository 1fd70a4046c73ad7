"""Lines that people type or paste, drawn as `typed` draws one."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text
from textual.message import Message
from textual.widgets import TextArea

from craft.text import clean
from workbench.actions import bindings_of


class Lines(TextArea):
    """Any number of lines, kept as they are; only what is drawn has the marks."""

    BINDINGS = bindings_of("typed lines")
    edited: Callable[[], None] | None = None
    """Told of each change before it is seen. Messages come later, and may come after a kill."""

    def post_message(self, message: Message) -> bool:
        if self.edited is not None and isinstance(message, TextArea.Changed):
            self.edited()
        return super().post_message(message)

    def get_line(self, line_index: int) -> Text:
        line = super().get_line(line_index)
        line.plain = clean(self.document.get_line(line_index))  # Text itself leaves some out, such as BEL
        return line
