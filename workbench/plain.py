"""For terminals that show no more than ASCII: nothing else is drawn, whoever draws it."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter
from textual.scrollbar import ScrollBar, ScrollBarRender

_ALIKE = str.maketrans("\u2500\u2501\u2502\u2503\u2594\u2581\u258a\u258e\u2590\u258c\u2588\u2026", "-=||-_||[]#~")


class PlainScrollBar(ScrollBarRender):
    """Whole cells only."""

    VERTICAL_BARS = [" "]
    HORIZONTAL_BARS = [" "]


class AsciiOnly(LineFilter):
    """The last gate before the terminal. What is known not to be ours is written as escapes where it is cleaned; here
    what is typed, whose columns must stay, and what Textual itself draws gets a mark of its own width."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [one if one.text.isascii() else Segment(_in_ascii(one.text), one.style, one.control) for one in segments]


def _in_ascii(text: str) -> str:
    width = cell_len(text)
    marks = (char if char.isascii() else "?" * cell_len(char) for char in text.translate(_ALIKE))
    return "".join(marks)[:width].ljust(width)


def choose_scroll_bars(ascii_only: bool) -> None:
    """Draw all scroll bars plainly, or as Textual does."""
    ScrollBar.renderer = PlainScrollBar if ascii_only else ScrollBarRender
