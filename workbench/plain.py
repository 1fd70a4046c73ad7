"""For terminals that show no more than ASCII: scroll bars without the glyphs that Textual draws them with."""

from __future__ import annotations

from textual.scrollbar import ScrollBar, ScrollBarRender


class PlainScrollBar(ScrollBarRender):
    """Whole cells only."""

    VERTICAL_BARS = [" "]
    HORIZONTAL_BARS = [" "]


def choose_scroll_bars(ascii_only: bool) -> None:
    """Draw all scroll bars plainly, or as Textual does."""
    ScrollBar.renderer = PlainScrollBar if ascii_only else ScrollBarRender
