"""A series made ready for drawing, once: in order, cut at its gaps, and reduced for the part that is looked at."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from craft.analysis.decimate import Segment, decimate, segments
from craft.analysis.inking import Paper
from craft.analysis.ranges import Stretch, stretches
from craft.analysis.scales import Scale
from craft.analysis.series import Series
from craft.analysis.smoothing import smooth

if TYPE_CHECKING:
    from craft.analysis.canvas import Canvas

Piece = tuple[Sequence[float], Sequence[float]]
"""xs, ascending, and ys of points that a line joins."""
Key = tuple[object, ...]
T = TypeVar("T")

_KEPT = 32
"""Results that a curve remembers: what a few sizes and looks need."""


@dataclass(frozen=True)
class Point:
    """A point of a curve, as it was measured."""

    x: float
    y: float
    """NaN where the value is not finite."""
    smoothed: float | None = None


class Curve:
    """What has been found out about one series, so that a zoom or another size costs only what is new in it."""

    def __init__(self, series: Series, before: Curve | None = None) -> None:
        """`before`: the curve of the same name as it was drawn last, which may be how this one begins."""
        self.series = series
        self.size = len(series.ys)
        self._known: dict[Key, object] = {}
        self._smoothed: tuple[Key, list[Piece]] = ((), [])
        self._earlier: tuple[dict[Key, Paper], int] = {}, 0
        self.measured: list[Piece]
        self.gaps: list[float] = []
        """Places whose value is not finite."""
        if before is not None and (whole := before.continued(series)):
            papers = {key: found for key, found in before._known.items() if isinstance(found, Paper)}
            self._earlier = papers, before.size
            self.measured = [whole]
            return
        self.measured = list(segments(series.xs, series.measured))
        if sum(len(xs) for xs, _ in self.measured) < len(series.xs):
            self.gaps = sorted(_gaps(series.xs, series.measured))

    def continued(self, series: Series) -> Piece | None:
        """The points of a series that begins with those of this curve and goes on behind them, without any gap; None
        where it does not."""
        mine, size = self.series, self.size
        is_plain = len(self.measured) == 1 and self.measured[0][0] is mine.xs
        if not is_plain or any((one.raw or one.low or one.high) for one in (mine, series)):
            return None
        if series.ys is mine.ys:
            return None  # of a list that itself has grown nobody knows what it was
        if series.xs[:size] != mine.xs or series.ys[:size] != mine.ys:
            return None
        new = series.xs[size - 1 :]
        pieces = list(segments(new, series.ys[size - 1 :]))
        return (series.xs, series.ys) if len(pieces) == 1 and pieces[0][0] is new else None  # type: ignore[return-value]

    def earlier(self, key: Key) -> tuple[Paper | None, int]:
        """The paper that this key had when the curve ended earlier, if any, and how many points are on it."""
        known, size = self._earlier
        return known.get(key), size

    def copy(self) -> Curve:
        """The same again, which remembers by itself."""
        other = copy(self)
        other._known = dict(self._known)
        return other

    def lines(self, weight: float, span: float) -> list[Piece]:
        """The curve: as it is, or smoothed on an axis `span` long."""
        if self.series.raw:
            return self.once(("lines",), lambda: list(segments(self.series.xs, self.series.ys)))
        if not weight:
            return self.measured
        if self._smoothed[0] != (weight, span):  # one of them only: it is as long as the curve
            self._smoothed = (weight, span), _smoothed(self.measured, weight, span)
        return self._smoothed[1]

    def band(self) -> tuple[list[Piece], list[Piece]]:
        """Its lower and its upper edge."""
        if not (self.series.low and self.series.high):
            return [], []
        return self.once(("band",), lambda: (self._edge(self.series.low), self._edge(self.series.high)))

    def _edge(self, values: Sequence[float | None]) -> list[Piece]:
        return list(segments(self.series.xs, values))

    def reduced(self, what: Key, pieces: list[Piece], x: Scale, y_log: bool, columns: int) -> list[Segment]:
        """What draws `pieces` from end to end of `x` on `columns` pixels, a point beyond either end included.

        `what` names the pieces. A logarithmic axis leaves out what has no place on it.
        """
        return self.once(
            (*what, "reduced", x, y_log, columns),
            lambda: [_window(xs, ys, x, columns) for xs, ys in self.fit(what, pieces, x.log, y_log)],
        )

    def fit(self, what: Key, pieces: list[Piece], x_log: bool, y_log: bool) -> list[Piece]:
        """Those parts of pieces that logarithmic axes have a place for."""
        if not (x_log or y_log) or not pieces:
            return pieces
        return self.once((*what, "fit", x_log, y_log), lambda: list(_positive(pieces, x_log, y_log)))

    def extent(self, x: Scale, y_log: bool) -> tuple[float, float] | None:
        """The lowest and the highest value that are drawn from end to end of `x`."""
        return self.once(("extent", x, y_log), lambda: self._extent(x, y_log))

    def _extent(self, x: Scale, y_log: bool) -> tuple[float, float] | None:
        low, high = self.band()
        drawn = [(("measured",), self.measured), (("low",), low), (("high",), high)]
        if self.series.raw:
            drawn.append((("lines",), self.lines(0.0, 0.0)))
        parts = [part for what, pieces in drawn for part in self._visible(what, pieces, x, y_log)]
        if not parts:  # between two points
            parts = [
                [y for _, y in points] for points in self.reduced(("measured",), self.measured, x, y_log, 2) if points
            ]
        return (min(map(min, parts)), max(map(max, parts))) if parts else None

    def _visible(self, what: Key, pieces: list[Piece], x: Scale, y_log: bool) -> Iterator[Sequence[float]]:
        """The values from end to end of `x`, in order, a part a piece."""
        for xs, ys in self.fit(what, pieces, x.log, y_log):
            start, stop = bisect_left(xs, x.low), bisect_right(xs, x.high)
            if stop > start:
                yield ys[start:stop] if stop - start < len(ys) else ys

    def stretches(self, x: Scale, y_log: bool) -> list[Stretch]:
        """What `ranges.robust_range` goes by; logarithms with `y_log`."""

        def look() -> list[Stretch]:
            parts = self._visible(("measured",), self.measured, x, y_log)
            found = [stretch for part in parts for stretch in stretches(part)]
            if not y_log:
                return found
            log = math.log10
            return [Stretch(log(low), log(high), tuple(map(log, strays))) for low, high, strays in found]

        return self.once(("stretches", x, y_log), look)

    def outside(self, x: Scale, y_log: bool, low: float, high: float) -> int:
        """Measured points in this part of the axis that lie below or above a range."""

        def count() -> int:
            parts = self._visible(("measured",), self.measured, x, y_log)
            return sum(sum(map(low.__gt__, part)) + sum(map(high.__lt__, part)) for part in parts)

        return self.once(("outside", x, y_log, low, high), count)

    def left_out(self, x_log: bool, y_log: bool) -> int:
        """Measured points that logarithmic axes have no place for."""
        if not (x_log or y_log):
            return 0
        kept = self.fit(("measured",), self.measured, x_log, y_log)
        return sum(len(xs) for xs, _ in self.measured) - sum(len(xs) for xs, _ in kept)

    def nearest(self, place: float, x: Scale) -> float | None:
        """The x of the point that is nearest to a value of the axis."""
        best: float | None = None
        distance = math.inf
        target = x.place(place)
        for xs in [*(xs for xs, _ in self.measured), self.gaps]:
            index = bisect_left(xs, place)
            for candidate in xs[max(index - 1, 0) : index + 1]:
                if x.log and candidate <= 0:
                    continue
                away = abs(x.place(candidate) - target)
                if away < distance:
                    best, distance = candidate, away
        return best

    def at(self, place: float, x: Scale, weight: float, span: float) -> Point | None:
        """The point nearest to a value of the axis."""
        found = self.nearest(place, x)
        if found is None:
            return None
        y = _value_at(self.measured, found)
        if not (self.series.raw or weight):
            return Point(found, y)
        smoothed = _value_at(self.lines(weight, span), found)
        return Point(found, y, None if math.isnan(smoothed) else smoothed)

    def last(self, what: Key, pieces: list[Piece], x: Scale, y_log: bool) -> float | None:
        """The last value of `pieces` from end to end of `x`."""
        for xs, ys in reversed(self.fit(what, pieces, x.log, y_log)):
            index = bisect_right(xs, x.high) - 1
            if index >= 0 and xs[index] >= x.low:
                return ys[index]
        return None

    def next(self, place: float, step: int) -> float | None:
        """The next x after a value of the axis, or with -1 the one before it."""
        found: list[float] = []
        for xs in [*(xs for xs, _ in self.measured), self.gaps]:
            index = bisect_right(xs, place) if step > 0 else bisect_left(xs, place) - 1
            if 0 <= index < len(xs):
                found.append(xs[index])
        return min(found, default=None) if step > 0 else max(found, default=None)

    def once(self, key: Key, make: Callable[[], T]) -> T:
        """What `make` gives, made again only when it was forgotten."""
        if key in self._known:
            # Asked for again: the oldest are forgotten, not the most used.
            self._known[key] = self._known.pop(key)
        else:
            self._known[key] = make()
            while len(self._known) > _KEPT:
                del self._known[next(iter(self._known))]
        return self._known[key]  # type: ignore[return-value]


class Curves:
    """The curves of the series that were asked for last; those asked for again are not made anew. For one thread."""

    def __init__(self) -> None:
        self.last: list[Curve] = []
        """Those curves."""
        self.painting: tuple[Key, Canvas] | None = None
        """The curves as they were inked last, and what that followed from; `painter.painted` keeps it."""

    def copy(self) -> Curves:
        """The same again, for another thread."""
        other = Curves()
        other.last, other.painting = [curve.copy() for curve in self.last], None
        return other

    def of(self, series: Sequence[Series]) -> list[Curve]:
        known = {id(curve.series.measured): curve for curve in self.last}
        named = {curve.series.name: curve for curve in self.last}
        self.last = [
            curve
            if (curve := known.get(id(one.measured))) and curve.series == one and curve.size == len(one.ys)
            else Curve(one, named.get(one.name))
            for one in series
        ]
        return self.last


def _gaps(xs: Sequence[float | None], ys: Sequence[float | None]) -> Iterator[float]:
    for x, y in zip(xs, ys, strict=True):
        if x is not None and math.isfinite(x) and (y is None or not math.isfinite(y)):
            yield x


def _smoothed(pieces: list[Piece], weight: float, span: float) -> list[Piece]:
    """Smoothed over gaps: what came before one still counts after it."""
    if not pieces:
        return []
    all_xs = [x for xs, _ in pieces for x in xs] if len(pieces) > 1 else pieces[0][0]
    all_ys = [y for _, ys in pieces for y in ys] if len(pieces) > 1 else pieces[0][1]
    smoothed = smooth(all_xs, all_ys, weight, span)
    done: list[Piece] = []
    start = 0
    for xs, _ in pieces:
        done.append((xs, smoothed[start : start + len(xs)]))
        start += len(xs)
    return done


def _positive(pieces: list[Piece], x_log: bool, y_log: bool) -> Iterator[Piece]:
    for xs, ys in pieces:
        start = bisect_right(xs, 0.0) if x_log else 0
        if start:
            xs, ys = xs[start:], ys[start:]
        if not xs:
            continue
        if not y_log or min(ys) > 0:
            yield xs, ys
        else:
            yield from segments(xs, [y if y > 0 else None for y in ys])


def _window(xs: Sequence[float], ys: Sequence[float], x: Scale, columns: int) -> Segment:
    start, stop = bisect_left(xs, x.low), bisect_right(xs, x.high)
    kept = decimate(xs, ys, x.low, x.high, columns, start=start, stop=stop, place=x.place, value=x.value)
    if start > 0 and start < len(xs):
        kept.insert(0, (xs[start - 1], ys[start - 1]))
    if 0 < stop < len(xs):
        kept.append((xs[stop], ys[stop]))
    return kept


def _value_at(pieces: list[Piece], place: float) -> float:
    for xs, ys in pieces:
        index = bisect_left(xs, place)
        if index < len(xs) and xs[index] == place:
            return ys[index]
    return math.nan
