"""A scored text: each token tinted by how surprising it was, or by which of two checkpoints liked it better."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from rich.segment import Segment
from textual.geometry import Region
from textual.timer import Timer

from workbench.actions import bindings_of
from workbench.screens.playground.score_figures import UNITS, Scored, difference, level_of_difference
from workbench.screens.playground.token_text import TokenText
from workbench.screens.playground.tokens import Run, Wrapped

TINTS = ("probability", "numbers", "none")
"""Surprise by looks, by looks and numbers, or not at all."""
_SLICE, _PAUSE = 0.012, 0.004  # seconds of breaking text into lines, and between
_SUBSCRIPTS = str.maketrans("0123456789+-", "₀₁₂₃₄₅₆₇₈₉₊₋")


class NumberedLines(Wrapped):
    """Lines in which a figure of each token stands behind it."""

    def __init__(self, width: int, figure: Callable[[int], float | None], *, ascii_only: bool, signed: bool) -> None:
        super().__init__(width, ascii_only=ascii_only, numbers=True)
        self._figure, self._signed, self._plain = figure, signed, ascii_only

    def number(self, token: int, value: float | None) -> None:
        """Put a token's surprise, or the difference of two, behind it; what it was given is not needed."""
        found = self._figure(token)
        if found is not None:
            digits = f"{found:+.1f}" if self._signed else f"{found:.1f}"
            self._put(f"({digits})" if self._plain else digits.translate(_SUBSCRIPTS), token, mark=True)


class ScoreText(TokenText, inherit_bindings=False):
    """The tokens of one checkpoint's scores; with `other`, of their difference to another's."""

    FOLLOWS = False
    BINDINGS = bindings_of("tokens", but=("choose", "leave_cursor"))
    COMPONENT_CLASSES = {
        *(f"score--better{size}" for size in (1, 2, 3)),
        *(f"score--worse{size}" for size in (1, 2, 3)),
    }

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__(ascii_only=ascii_only)
        self.scored = Scored()
        self.other: Scored | None = None
        self.unit = "bits"
        self._making = self._wrapped
        """The lines that are made; until they come to what is looked at, those that were seen stay."""
        self._breaking = False
        self._next: Timer | None = None

    def show_scores(self, scored: Scored, other: Scored | None) -> None:
        """Other scores of a text, whole or still coming. The cursor stays where it is."""
        if len(scored) < len(self.scored) or not scored.same_tokens(self.scored):
            self._wrapped = self.new_lines(self._wrapped.width)
        self.scored, self.other = scored, other
        here = min(self.cursor, len(scored) - 1) if self.cursor is not None and len(scored) else None
        self.show(scored, "", cursor=here)

    # --- lines, made a little at a time: a hundred thousand tokens are a good part of a second ---

    def grown(self, given: list[tuple[int, str]] | None = None) -> None:
        """More tokens are there."""
        if not self._breaking:
            self._break_more()

    def ended(self) -> None:
        """No more tokens come; each has its figure already."""

    def _wrap(self) -> None:
        width = max(self.scrollable_content_region.width, 4)
        self._making, self._put = self.new_lines(width), 0
        self._break_more()

    def _break_more(self) -> None:
        """Break as many tokens into lines as take no time."""
        lines, scored, first = self._making, self.scored, self._put
        last = len(lines) - 1
        until = time.monotonic() + _SLICE
        place, end = first, len(scored)
        while place < end:
            if place % 64 == 0 and place > first and time.monotonic() > until:
                break
            lines.add(place, scored.piece(place))
            if lines.numbers:
                lines.number(place, None)
            place += 1
        self._put, self._breaking = place, place < end
        if lines is self._wrapped:
            self._show_more(last)
            if self.cursor is not None and first <= self.cursor < place:
                self._scroll_to_cursor()
        elif not self._breaking or self._is_enough(lines):
            self._wrapped = lines
            self._set_lines(len(lines))
            self._draw_all()
            if self.cursor is not None:
                self.call_after_refresh(self._scroll_to_cursor)
        if self._next is not None:
            self._next.stop()  # of lines that were begun before these
        self._next = self.set_timer(_PAUSE, self._break_more) if self._breaking else None

    def _is_enough(self, lines: Wrapped) -> bool:
        """Whether there are lines for all that is looked at, and for the cursor."""
        return len(lines) > self.scroll_offset.y + self.size.height and self._put > (self.cursor or 0)

    def _show_more(self, line: int) -> None:
        """Lines came after `line`, of which a word may have moved on."""
        count = len(self._wrapped)
        if self.virtual_size.height != count:
            self._set_lines(count)
        for number in range(line, count):
            self._strips.pop(number, None)
        if line < self.scroll_offset.y + self.size.height:
            self.refresh(Region(0, max(0, line - self.scroll_offset.y), self.size.width, self.size.height))

    def figure(self, place: int) -> float | None:
        """What stands behind a token: its surprise, or how much more it surprised than it did the other."""
        found = self.scored.loss(place) if self.other is None else difference(self.scored, self.other, place)
        return None if found is None or math.isinf(found) else found * UNITS[self.unit]

    def new_lines(self, width: int) -> Wrapped:
        if self.tint != "numbers":
            return super().new_lines(width)
        return NumberedLines(width, self.figure, ascii_only=self._ascii, signed=self.other is not None)

    def show_unit(self, unit: str) -> None:
        """Count in nats or in bits."""
        self.unit = unit
        if self.tint == "numbers":
            self._wrap()

    def _segment(self, run: Run) -> Segment:
        shown, place, is_mark = run
        if self.other is None or place < 0:
            return super()._segment(run)
        level = 0 if self.tint == "none" else level_of_difference(difference(self.scored, self.other, place))
        if level:
            style = self.get_component_rich_style(f"score--{'better' if level > 0 else 'worse'}{abs(level)}")
        else:
            style = self._look("level0")
        if is_mark:
            style += self._look("mark")
        if place == self.cursor:
            style += self._look("cursor")
        elif place == self.hover:
            style += self._look("hover")
        return Segment(shown, style)
