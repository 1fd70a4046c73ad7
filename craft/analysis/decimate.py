"""Fewer points, the same picture: the first, lowest, highest and last point of each pixel column (M4).

A line drawn through the points of one pixel column inks the column from its lowest to its highest point, and
leaves it from its last one; the points in between change nothing. So at most four points a column draw what
all of them would. Averages or every n-th point would hide spikes. Source: Jugel, Jerzak, Hackenbroich and
Markl, "M4: A Visualization-Oriented Time Series Data Aggregation", VLDB 2014.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import le
from typing import TypeGuard

Segment = list[tuple[float, float]]
"""Points (x, y) that a line joins, in order; all finite."""


def segments(
    xs: Sequence[float | None], ys: Sequence[float | None]
) -> Iterator[tuple[Sequence[float], Sequence[float]]]:
    """Split a series at its missing values (None, NaN, infinity): the pieces that a line may join.

    Points are put in the order of their x, where they are not already. What needs neither is not copied.
    """
    if _all_finite(xs) and _all_finite(ys):
        if xs:
            yield _ordered(xs, ys)
        return
    piece_xs: list[float] = []
    piece_ys: list[float] = []
    for x, y in zip(xs, ys, strict=True):
        if x is None or y is None or not (math.isfinite(x) and math.isfinite(y)):
            if piece_xs:
                yield _ordered(piece_xs, piece_ys)
                piece_xs, piece_ys = [], []
        else:
            piece_xs.append(x)
            piece_ys.append(y)
    if piece_xs:
        yield _ordered(piece_xs, piece_ys)


def fraction(value: float, low: float, high: float) -> float:
    """Where `value` lies between `low` (0) and `high` (1); 0.5 when there is no between."""
    # Halves, because high - low can be more than a float holds.
    span = high / 2 - low / 2
    return (value / 2 - low / 2) / span if span > 0 else 0.5


def decimate(
    xs: Sequence[float],
    ys: Sequence[float],
    low: float,
    high: float,
    columns: int,
    *,
    start: int = 0,
    stop: int | None = None,
    place: Callable[[float], float] | None = None,
    value: Callable[[float], float] | None = None,
) -> Segment:
    """Keep what draws one gapless piece, `xs` ascending, on `columns` pixel columns from x `low` to `high`.

    Column i holds the points with i <= fraction(x, low, high) * columns < i + 1, the last one also `high`. Only the
    points from index `start` to `stop` are looked at. On an axis that is not linear, `place` says where between 0
    and 1 an x lies, and `value` the reverse, as nearly as floats have it. The work is a few passes at the speed of C:
    about 30 ms for a million points.
    """
    stop = len(xs) if stop is None else stop
    if stop - start <= 4 * columns:
        return list(zip(xs[start:stop], ys[start:stop], strict=True))

    def column_of(x: float) -> float:
        return (fraction(x, low, high) if place is None else place(x)) * columns

    def first_in(column: int) -> int:
        """The first point from `start` on that lies in this column or behind it."""
        if value is not None:
            near = bisect_left(xs, value(column / columns), start, stop)
            before = near == start or column_of(xs[near - 1]) < column
            if before and (near == stop or column_of(xs[near]) >= column):
                return near
        return bisect_left(xs, float(column), start, stop, key=column_of)

    kept: Segment = []
    for column in range(columns):
        end = stop if column == columns - 1 else first_in(column + 1)
        if end > start:
            kept.extend(_extremes(xs, ys, start, end))
            start = end
    return kept


def _extremes(xs: Sequence[float], ys: Sequence[float], start: int, stop: int) -> Iterator[tuple[float, float]]:
    if stop - start <= 4:
        yield from zip(xs[start:stop], ys[start:stop], strict=True)
        return
    part = ys[start:stop]
    lowest, highest = start + part.index(min(part)), start + part.index(max(part))
    for index in sorted({start, lowest, highest, stop - 1}):
        yield xs[index], ys[index]


def _all_finite(values: Sequence[float | None]) -> TypeGuard[Sequence[float]]:
    try:
        return all(map(math.isfinite, values))  # type: ignore[arg-type]
    except TypeError:  # a None
        return False


def _ordered(xs: Sequence[float], ys: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    if all(map(le, xs, islice(xs, 1, None))):
        return xs, ys
    order = sorted(range(len(xs)), key=xs.__getitem__)
    return [xs[index] for index in order], [ys[index] for index in order]
