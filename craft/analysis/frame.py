"""The frame of a plot: round values beside it, and below it the x axis with what happened along it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from craft.analysis.canvas import Canvas, Span
from craft.analysis.inking import Ink
from craft.analysis.marks import sign_of
from craft.analysis.scales import Scale
from craft.analysis.series import Mark
from craft.analysis.ticks import round_places
from craft.text import clean_line, shorten, width_of

_ENOUGH = 3
"""Round places that an axis has where there is room."""
_MORE = 5
"""So many more may be tried before an axis is content with fewer: from one kind of step to the next."""
_LINES = {"left": "\u2502", "tick": "\u2524", "low": "\u2500", "mark": "\u252c", "corner": "\u2514"}
_HEAVY = {"left": "\u2503", "tick": "\u252b", "low": "\u2501", "mark": "\u2533", "corner": "\u2517"}
_PLAIN = {"left": "|", "tick": "+", "low": "-", "mark": "+", "corner": "+"}
_PLAIN_HEAVY = {"left": "#", "tick": "#", "low": "=", "mark": "+", "corner": "#"}


def frame_of(ink: Ink, focused: bool) -> dict[str, str]:
    """The characters of the frame; a plot that has the focus has a heavy one."""
    if ink == "ascii":
        return _PLAIN_HEAVY if focused else _PLAIN
    return _HEAVY if focused else _LINES


def y_marks(y: Scale, rows: int, room: int) -> dict[int, str]:
    """Labels by row, row 0 on top, each at most `room` columns wide."""
    if rows < 1 or room < 3:
        return {}
    most = max(2, min(7, rows // 3 + 1))
    best: dict[int, str] = {}
    for count in range(most, most + _MORE):
        ticks = round_places(y.low, y.high, count, log=y.log)
        if max(len(label) for _, label in ticks) > room:
            ticks = [(value, f"{value:.2g}") for value, _ in ticks]
        marks = {rows - 1 - y.near(value, rows): label for value, label in ticks if len(label) <= room}
        # Two on one row, or two that read alike, would say something else than is true.
        if len(set(marks.values())) == len(ticks) and len(marks) > len(best):
            best = marks
        if len(best) >= min(_ENOUGH, rows // 2):
            break
    return best


Placed = tuple[int, int, str]
"""A label of the x axis: the column of its mark, its first column and what it says."""


class Foot:
    """The x axis in one row, its labels in the line itself, or in two."""

    def __init__(self, width: int, rows: int, ink: Ink, focused: bool) -> None:
        self.width, self.rows, self.ink = width, rows, ink
        self.art = frame_of(ink, focused)
        self.cells = Canvas(width, rows, ink)
        self.cells.put(0, 0, self.art["low"] * width, "axis")
        self._labels = rows - 1
        self._labelled: list[tuple[int, int]] = []

    def write(self, x_label: str, ticks: Callable[[int], Sequence[tuple[float, str]]], x: Scale) -> None:
        """Write round places, as `ticks` gives so many of them, and the axis' name at the right end where it leaves
        room for two."""
        name = clean_line(x_label, ascii_only=self.ink == "ascii")
        needed = width_of(name) + 2
        most = max(2, min(9, self.width // 12))
        rooms = [self.width - needed] if name and self.width >= needed + 18 else []
        for room in (*rooms, self.width):
            best: list[Placed] = []
            for count in range(most, most + _MORE):
                placed = self._placed(ticks(count), x, room)
                best = placed if len(placed) > len(best) else best
                if len(best) >= _ENOUGH:
                    break
            if len(best) >= 2 or not ticks(most):
                break
        for column, start, label in best:
            if self.rows > 1:
                self.cells.put(0, column, self.art["mark"], "axis")
            self.cells.put(self._labels, start, label, "label")
            self._labelled.append((start, start + len(label)))
        if room < self.width:
            self.cells.put(self._labels, room + 1, f" {name}", "label")
            self._labelled.append((room + 1, self.width))

    def _placed(self, ticks: Sequence[tuple[float, str]], x: Scale, room: int) -> list[Placed]:
        """Where labels stand that end within `room`; of those that would run into each other every second, or third."""
        places = []
        for value, label in ticks:
            column = x.near(value, self.width)
            start = max(0, min(column - len(label) // 2, self.width - len(label)))
            if start + len(label) <= room:
                places.append((column, start, label))
        for stride in range(1, len(places)):
            kept = places[::stride]
            if all(start + len(label) < after for (_, start, label), (_, after, _) in pairwise(kept)):
                return kept
        return places[:1]

    def events(self, marks: Mapping[int, list[Mark]]) -> None:
        for column, here in marks.items():
            sign = sign_of(here[0].kind)
            if self.rows > 1 or not any(start <= column < end for start, end in self._labelled):
                self.cells.put(0, column, sign.drawn(self.ink), sign.role)

    def chosen(self, first: int, last: int) -> None:
        """A stretch that is being chosen."""
        char = "=" if self.ink == "ascii" else "\u2550"
        self.cells.put(0, first, char * (last - first + 1), "cross")

    def cross(self, column: int, label: str, said: str) -> None:
        """Where the crosshair is, and what happened there."""
        ascii_only = self.ink == "ascii"
        text = shorten(label, self.width, ascii_only=ascii_only)
        start = max(0, min(column - width_of(text) // 2, self.width - width_of(text)))
        self._write_over(start - 1, f" {text} ", "cross")
        said = clean_line(said, ascii_only=ascii_only)
        if not said:
            return
        after = start + width_of(text) + 1
        if self.width - after < width_of(said) + 1 and start > self.width - after:
            said = shorten(said, start - 1, ascii_only=ascii_only)
            self._write_over(start - 1 - width_of(said), said, "mark")
        else:
            self._write_over(after, f"{shorten(said, self.width - after - 1, ascii_only=ascii_only)} ", "mark")

    def _write_over(self, start: int, text: str, role: str) -> None:
        """Write over the labels; of one that does not stay whole nothing stays: half a number is another number."""
        end = start + width_of(text)
        # A label that ends where this begins would read as one word with it.
        for first, last in [label for label in self._labelled if label[0] <= end and start <= label[1]]:
            blank = (self.art["low"] if self.rows == 1 else " ") * (last - first)
            self.cells.put(self._labels, first, blank, "axis")
            self._labelled.remove((first, last))
        self.cells.put(self._labels, start, text, role)

    def spans(self, gutter: int) -> list[list[Span]]:
        rows = list(self.cells.spans())
        if not gutter:
            return rows
        left = [Span(" " * (gutter - 1), "canvas"), Span(self.art["corner"], "axis")]
        return [[*left, *rows[0]], *([Span(" " * gutter, "canvas"), *row] for row in rows[1:])]
