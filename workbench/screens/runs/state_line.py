"""Some lines below the list: how the selected run is, what to press next, and how many are marked."""

from __future__ import annotations

import textwrap

from rich.segment import Segment
from textual.geometry import Size
from textual.strip import Strip

from craft.text import clean_line, shorten, width_of
from workbench.screens.runs.next_step import State
from workbench.widgets.looks import Looking

_MOST = 2  # lines of a reason
_LEAST = 8  # columns that are wrapped to; a terminal with fewer cuts


class StateLine(Looking):
    """Told by the screen; drawn again only when there is something else to say."""

    COMPONENT_CLASSES = {f"state--{tone}" for tone in ("quiet", "live", "warn", "good", "bad", "plain", "key")}

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self.ascii_only = ascii_only
        self._said: tuple[State | None, int] = (None, 0)

    def show(self, state: State | None, marked: int) -> None:
        """`state` is the selected run's, None where there is none; `marked` how many are."""
        if (state, marked) != self._said:
            before, self._said = len(self._lines(self.size.width)), (state, marked)
            self.refresh(layout=len(self._lines(self.size.width)) != before)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        lines = self._lines(width)
        if y >= len(lines):
            return Strip.blank(width, self.rich_style)
        segments = [Segment(text, self.look(f"state--{tone}")) for text, tone in lines[y]]
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _lines(self, width: int) -> list[list[tuple[str, str]]]:
        """All of the reason, over two lines if need be, and below it what to press; behind it where lines are few."""
        state, marked = self._said
        parts: list[tuple[str, str]] = []
        if marked:
            parts.append((f"{marked} marked: verbs act on them  ", "key"))
        if state is None:
            return [parts]
        said = clean_line(f"{state.word}: {state.why}" if state.why else state.word, ascii_only=self.ascii_only)
        room = max(width - sum(width_of(text) for text, _ in parts), _LEAST)
        rows = [said]
        if width_of(said) > room:
            # A line that begins with the marks is wrapped as if all did.
            rows = textwrap.wrap(said, room, max_lines=_MOST, placeholder=" ..." if self.ascii_only else " \u2026")
        lines = [[(self._fit(row, width), state.tone)] for row in rows or [""]]
        lines[0] = [*parts, *lines[0]]
        if not state.next or marked:  # a verb would act on the marked ones
            return lines
        if not (self.is_attached and self.screen.has_class("-short")):
            return [*lines, [(self._fit(state.next, width), "key")]]
        arrow = "  -> " if self.ascii_only else "  \u2192 "
        left = width - sum(width_of(text) for text, _ in lines[-1])
        lines[-1].append((self._fit(f"{arrow}{state.next}", left), "key"))
        return lines

    def _fit(self, text: str, room: int) -> str:
        return shorten(text, room, ascii_only=self.ascii_only)
