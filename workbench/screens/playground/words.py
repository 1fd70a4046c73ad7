"""One line of words in different looks, some of which can be clicked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from craft.text import clean_line, shorten, width_of

if TYPE_CHECKING:
    from workbench.bench import Bench


@dataclass(frozen=True)
class Word:
    """A part of the line. `action` is run on the screen when it is clicked."""

    text: str
    look: str = ""
    action: str = ""


class Words(Widget):
    """The line; it is drawn again only when it changes."""

    app: Bench
    COMPONENT_CLASSES = {
        *(f"words--{look}" for look in ("here", "quiet", "live", "good", "warn", "bad", "key", "strong")),
        *(f"words--level{level}" for level in range(5)),
    }

    def __init__(self, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._left: list[Word] = []
        self._right: list[Word] = []
        self._ends: list[tuple[int, str]] = []

    def show(self, left: Iterable[Word], right: Iterable[Word] = ()) -> None:
        """The words at the left, and those at the right end, which are cut last."""
        left, right = list(left), list(right)
        if (left, right) != (self._left, self._right):
            self._left, self._right = left, right
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y:
            return Strip.blank(width, self.rich_style)
        right = self._cut(self._right, width)
        room = width - sum(width_of(word.text) for word in right)
        left = self._cut(self._left, room - 1 if right else room)
        used = sum(width_of(word.text) for word in left)
        line = [*left, Word(" " * max(0, room - used)), *right]
        end, self._ends = 0, []
        segments = []
        for word in line:
            end += width_of(word.text)
            self._ends.append((end, word.action))
            style = self.get_component_rich_style(f"words--{word.look}") if word.look else self.rich_style
            segments.append(Segment(word.text, style))
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _cut(self, words: list[Word], width: int) -> list[Word]:
        """Those that fit; the last of them shortened."""
        ascii_only = self.app.ascii_only
        shown: list[Word] = []
        for word in words:
            if width <= 0:
                break
            text = clean_line(word.text, ascii_only=ascii_only)
            if width_of(text) > width:
                text = shorten(text, width, ascii_only=ascii_only)
            shown.append(Word(text, word.look, word.action))
            width -= width_of(text)
        return shown

    async def on_click(self, event: events.Click) -> None:
        action = next((action for end, action in self._ends if event.x < end), "")
        if action:
            event.stop()
            await self.screen.run_action(action)
