"""The keys of lists that are drawn line by line: up and down, a page, the first and the last row."""

from __future__ import annotations

import sys
from typing import ClassVar

from textual.reactive import reactive
from textual.scroll_view import ScrollView


class RowCursor(ScrollView, can_focus=False):
    """A list with a cursor. Whoever inherits says in `validate_cursor` where its rows end."""

    PAGE_KEEPS: ClassVar[int] = 2
    """Lines of the widget that a page does not go by: what is seen before and after, and a heading."""

    cursor: reactive[int] = reactive(0)

    def action_cursor_down(self) -> None:
        self.cursor += 1

    def action_cursor_up(self) -> None:
        self.cursor -= 1

    def action_page_down(self) -> None:
        self.cursor += max(self.size.height - self.PAGE_KEEPS, 1)

    def action_page_up(self) -> None:
        self.cursor -= max(self.size.height - self.PAGE_KEEPS, 1)

    def action_first(self) -> None:
        self.cursor = 0

    def action_last(self) -> None:
        self.cursor = sys.maxsize
