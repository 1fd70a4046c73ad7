"""A plot as shapes on paper, which SVG and PNG write each in their own way: where every line and letter stands.

Lengths are pixels from the upper left corner. Series are told apart by colour and by dashes. The decimation is the
terminal's, which keeps files small and changes no picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from craft.analysis.axes import Axis
from craft.analysis.decimate import decimate, fraction, segments
from craft.analysis.scales import around
from craft.analysis.series import EMPTY, Series, last_value
from craft.analysis.ticks import round_places
from craft.text import clean_line, shorten, width_of

# Okabe and Ito's palette ("Color Universal Design", 2008), which stays apart for colour-blind readers;
# the ones that are dark enough for white pages and light enough for black ones.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9")
DASHES: tuple[tuple[int, ...], ...] = ((), (7, 4), (2, 3), (9, 3, 2, 3), (4, 2), (1, 4))
INK = "#808080"
_FAINT = 0.28
"""Opacity of what runs behind the curves, readable on white and on black."""
SIZE = 12
"""Height of letters."""
_CHAR = 6.6  # width of an average character at that size
_ROW = 17.0  # from one line of the legend to the next
_SAMPLE, _GAP = 28.0, 18.0  # the piece of line before a name, and what follows it
_ROWS_ABOVE = 2  # a longer legend goes below
_BAND = 0.18
"""Opacity of a band."""
_HAIR = 1e-9

Ticks = Callable[..., list[tuple[float, str]]]

Place = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """Straight pieces through places; `dashes` are lengths of ink and of gaps, by turns."""

    places: Sequence[Place]
    color: str
    width: float = 1.0
    dashes: tuple[int, ...] = ()
    opacity: float = 1.0
    rank: int = -1
    """The series that it draws; -1 for what frames them."""


@dataclass(frozen=True)
class Ring:
    """A point that stands alone."""

    place: Place
    color: str
    radius: float = 3.0


@dataclass(frozen=True)
class Area:
    """What lies between the edges of a band."""

    places: Sequence[Place]
    color: str
    opacity: float = _BAND


@dataclass(frozen=True)
class Words:
    """Text; its place is the left end, the middle or the right end of the line that letters stand on."""

    place: Place
    text: str
    anchor: Literal["start", "middle", "end"] = "start"
    bold: bool = False


Shape = Line | Ring | Area | Words


@dataclass(frozen=True)
class Layout:
    """A picture of `width` by `height`, drawn in this order."""

    width: int
    height: int
    title: str
    shapes: list[Shape]


def lay_out(
    series: Sequence[Series],
    *,
    width: int = 720,
    height: int = 360,
    title: str = "",
    x_label: str = "",
    axis: Axis | None = None,
    log_x: bool = False,
    log_y: bool = False,
) -> Layout:
    """Gaps, limits and ticks are those of the terminal's plots. A legend of more than two lines stands below, and the
    picture is so much higher. On a logarithmic axis what is not positive is left out."""
    title, x_label = clean_line(title), clean_line(x_label)
    legend = _legend_rows(series, width - 32.0)
    above = len(legend) <= _ROWS_ABOVE
    frame = _Frame.around(series, log_x, log_y)
    y_marks = frame.y_marks(most=max(2, height // 60))
    left = 16 + _CHAR * max((len(label) for _, label in y_marks), default=0)
    top = 14.0 + (18.0 if title else 0.0) + (_ROW * len(legend) if above else 0.0)
    right, bottom = width - 16.0, max(height - (42.0 if x_label else 26.0), top + 40)
    whole = bottom + (42.0 if x_label else 26.0)
    shapes: list[Shape] = []
    if title:
        shapes.append(Words((left, 18.0), title, bold=True))
    first_row = top - _ROW * len(legend) + 6 if above else whole + 6
    for number, row in enumerate(legend):
        shapes += _legend_line(row, left if above else 16.0, first_row + _ROW * number)
    if not above:
        whole += _ROW * len(legend) + 4
    at = _Paper(frame, left, top, right, bottom)
    for place, label in y_marks:
        y = at.y(place)
        shapes.append(Line([(left, y), (right, y)], INK, opacity=_FAINT))
        shapes.append(Words((left - 8, y + 4), label, "end"))
    for place, label in frame.x_marks(axis, most=max(2, width // 110)):
        x = at.x(place)
        shapes.append(Line([(x, bottom), (x, bottom + 4)], INK))
        shapes.append(Words((x, bottom + 18), label, "middle"))
    shapes.append(Line([(left, bottom), (right, bottom)], INK))
    if x_label:
        shapes.append(Words(((left + right) / 2, bottom + 34), x_label, "middle"))
    if frame.blank:
        shapes.append(Words(((left + right) / 2, (top + bottom) / 2), EMPTY, "middle"))
    columns = max(1, int(right - left))
    ranked = [(_rank(place, one), one) for place, one in enumerate(series)]
    for rank, one in ranked:
        shapes += at.band(rank, one, columns)
    for rank, one in ranked:
        shapes += at.curve(rank, one, one.raw, columns, opacity=_FAINT) if one.raw else []
    for rank, one in ranked:
        shapes += at.curve(rank, one, one.ys, columns)
    return Layout(width, math.ceil(whole), title, shapes)


@dataclass(frozen=True)
class _Frame:
    """The limits of the curves in the coordinates of the paper: logarithms where an axis is logarithmic."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    log_x: bool
    log_y: bool
    blank: bool

    @classmethod
    def around(cls, series: Sequence[Series], log_x: bool, log_y: bool) -> _Frame:
        pieces = [
            piece
            for one in series
            for ys in (one.ys, one.raw, one.low, one.high)
            if len(ys)
            for piece in segments(scaled(one.xs, log_x), scaled(ys, log_y))
        ]
        if not pieces:
            return cls(0.0, 1.0, 0.0, 1.0, log_x, log_y, True)
        x_low, x_high = min(xs[0] for xs, _ in pieces), max(xs[-1] for xs, _ in pieces)
        y_low, y_high = min(min(ys) for _, ys in pieces), max(max(ys) for _, ys in pieces)
        if not x_low < x_high:
            x_low, x_high = (x_low - 1, x_low + 1) if log_x else around(x_low)
        if not y_low < y_high:
            y_low, y_high = (y_low - 1, y_low + 1) if log_y else around(y_low)
        return cls(x_low, x_high, y_low, y_high, log_x, log_y, False)

    def y_marks(self, most: int) -> list[tuple[float, str]]:
        return self._marks(self.y_low, self.y_high, self.log_y, partial(round_places, most=most))

    def x_marks(self, axis: Axis | None, most: int) -> list[tuple[float, str]]:
        ticks = axis.ticks if axis else partial(round_places, whole=True)
        return self._marks(self.x_low, self.x_high, self.log_x, partial(ticks, most=most))

    def _marks(self, low: float, high: float, log: bool, ticks: Ticks) -> list[tuple[float, str]]:
        """Round places in the coordinates of the paper."""
        if self.blank:
            return []
        if not log:
            return ticks(low, high, log=False)
        # A hair beyond: there and back again a logarithm is off by a bit.
        ends = 10 ** max(low - _HAIR, -307), 10 ** min(high + _HAIR, 308.25)
        return [(math.log10(value), label) for value, label in ticks(*ends, log=True)]


@dataclass(frozen=True)
class _Paper:
    """Where the curves are drawn."""

    frame: _Frame
    left: float
    top: float
    right: float
    bottom: float

    def x(self, x: float) -> float:
        return self.left + fraction(x, self.frame.x_low, self.frame.x_high) * (self.right - self.left)

    def y(self, y: float) -> float:
        return self.bottom - fraction(y, self.frame.y_low, self.frame.y_high) * (self.bottom - self.top)

    def _pieces(self, one: Series, ys: Sequence[float | None], columns: int) -> list[list[Place]]:
        found = segments(scaled(one.xs, self.frame.log_x), scaled(ys, self.frame.log_y))
        return [
            [(self.x(x), self.y(y)) for x, y in decimate(xs, ys, self.frame.x_low, self.frame.x_high, columns)]
            for xs, ys in found
        ]

    def band(self, rank: int, one: Series, columns: int) -> list[Shape]:
        """One area a gapless piece: along the lower edge, and back along the upper one."""
        if not len(one.low):
            return []
        low, high = self._pieces(one, one.low, columns), self._pieces(one, one.high, columns)
        color, _ = look_of(rank)
        return [Area([*under, *reversed(over)], color) for under, over in zip(low, high, strict=False)]

    def curve(
        self, rank: int, one: Series, ys: Sequence[float | None], columns: int, opacity: float = 1.0
    ) -> list[Shape]:
        """A line through each gapless piece of `ys`, the curve or what it was smoothed from."""
        color, dashes = look_of(rank)
        return [
            Ring(places[0], color) if len(places) == 1 else Line(places, color, 1.5, dashes, opacity, rank)
            for places in self._pieces(one, ys, columns)
        ]


def _rank(place: int, one: Series) -> int:
    return place if one.look is None else one.look


def look_of(rank: int) -> tuple[str, tuple[int, ...]]:
    """The colour and the dashes of a series; where the colours begin again, they come with other dashes."""
    again = rank // len(COLORS)
    return COLORS[rank % len(COLORS)], DASHES[(rank + again) % len(DASHES)]


def scaled(values: Sequence[float | None], log: bool) -> Sequence[float | None]:
    """The values, or their decimal logarithms; None for what has none."""
    if not log:
        return values
    return [math.log10(value) if value is not None and 0 < value < math.inf else None for value in values]


def _legend_rows(series: Sequence[Series], room: float) -> list[list[tuple[int, str, float]]]:
    """Rank, text and width of the entries, in lines that fit."""
    rows: list[list[tuple[int, str, float]]] = []
    used = room
    for rank, one in enumerate(series):
        value = last_value(one)
        most = int((room - _SAMPLE) / _CHAR) - len(value) - 1
        text = f"{shorten(one.name, max(most, 1))} {value}"
        size = _SAMPLE + _CHAR * width_of(text) + _GAP
        if used + size - _GAP > room:
            rows.append([])
            used = 0.0
        rows[-1].append((_rank(rank, one), text, size))
        used += size
    return rows


def _legend_line(row: list[tuple[int, str, float]], left: float, y: float) -> list[Shape]:
    shapes: list[Shape] = []
    for rank, text, size in row:
        color, dashes = look_of(rank)
        shapes.append(Line([(left, y - 4), (left + 22, y - 4)], color, 2.0, dashes))
        shapes.append(Words((left + _SAMPLE, y), text))
        left += size
    return shapes
