"""What there is to see of some curves, and how much of it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from craft.analysis.curves import Curve, Key, Piece, Point
from craft.analysis.ranges import robust_range
from craft.analysis.scales import Scale, around
from craft.analysis.smoothing import LIGHT, STRONG

Range = tuple[float, float]
_AHEAD_X, _AHEAD_Y = 16, 32
"""Steps that an axis to which points are still to come has at least."""
_LEAST = 1e-4
"""Of a value, what a range around it shows at least: four digits of it, which is all that a loss is good for."""


@dataclass(frozen=True)
class View:
    """How curves are looked at."""

    log_x: bool = False
    log_y: bool = False
    x_range: Range | None = None
    """The part of the x axis that is shown; None for all."""
    y_range: Range | None = None
    live: bool = False
    """Whether points are still to come: the axes then reach a little beyond those there are, in steps, so that a new
    point seldom moves all the others."""
    robust: bool = False
    """Whether a few stray points are left out of the range of y, and said so."""
    smoothing: float = 0.0
    """The weight of `smoothing.smooth`; what was measured is then drawn faintly behind."""
    cross: float | None = None
    """Where the crosshair stands on the x axis."""
    chosen: Range | None = None
    """A part of the x axis that is being chosen."""
    focused: bool = False
    top: int | None = None
    """The look of the curve that is drawn above the others."""


class Sight:
    """Curves and the part of the axes that a view shows."""

    def __init__(self, curves: Sequence[Curve], view: View) -> None:
        self.curves, self.view = curves, view
        looks = [one.series.look for one in curves]
        self.looks = [place if look is None else look for place, look in enumerate(looks)]
        """The number of each curve's colour and mark."""
        log_x, log_y = self.view.log_x, self.view.log_y
        pieces = [
            (xs, ys) for curve in self.curves for xs, ys in curve.fit(("measured",), curve.measured, log_x, log_y)
        ]
        self.blank = not pieces
        """Whether there is nothing."""
        self.outside = 0
        """Points beyond the range of y."""
        ends = [x for xs, _ in pieces for x in (xs[0], xs[-1])]
        ends += [x for curve in self.curves for x in curve.gaps if not log_x or x > 0] if pieces else []
        low, high = (min(ends), max(ends)) if ends else (1.0, 1.0)
        self.span = 2 * (high / 2 - low / 2)
        """What smoothing goes by: all of the axis, so that a zoom changes no value."""
        self.whole_x = Scale(low, high, log_x).ahead(_AHEAD_X) if self.view.live else Scale(low, high, log_x)
        """All of the x axis; `x` is what is shown of it."""
        low, high = self.whole_x.low, self.whole_x.high
        if self.view.x_range and not self.blank:
            first, last = self.view.x_range
            low, high = (first if first > 0 or not log_x else low), (last if last > 0 or not log_x else high)
        if not low < high:
            low, high = around(low, log=log_x)
            if low < 0 <= self.whole_x.low:  # no step and no time is less
                low, high = 0.0, high - low
        self.x = Scale(low, high, log_x)
        self.y = self._y_scale()

    def _y_scale(self) -> Scale:
        log = self.view.log_y
        found = [extent for curve in self.curves if (extent := curve.extent(self.x, log))]
        low, high = (min(first for first, _ in found), max(last for _, last in found)) if found else (1.0, 1.0)
        first, last = low, high
        self.whole_y = Scale(low, high, log)
        if self.view.y_range and (self.view.y_range[0] > 0 or not log):
            low, high = self.view.y_range
        elif self.view.robust:
            ends = Scale(low, high, log).ends
            kept = robust_range((one for curve in self.curves for one in curve.stretches(self.x, log)), *ends)
            # There and back again a logarithm is off by a bit, and a point on the edge would count as outside.
            low = low if kept[0] == ends[0] else _power(kept[0], log) * (1 - 1e-9 * log)
            high = high if kept[1] == ends[1] else _power(kept[1], log) * (1 + 1e-9 * log)
        if not self.view.y_range:
            low, high = _wide_enough(low, high)
            if self.view.live and low < high:
                wider = Scale(low, high, log).ahead(_AHEAD_Y, below=True)
                low, high = wider.low, wider.high
        if low > first or high < last:
            self.outside = sum(curve.outside(self.x, log, low, high) for curve in self.curves)
        low, high = (low, high) if low < high else around(low, log=log)
        return Scale(low, high, log)

    @property
    def ranked(self) -> list[tuple[int, Curve]]:
        """Looks and curves, as they are laid over each other: what is to be on top comes last."""
        pairs = zip(self.looks, self.curves, strict=True)
        return sorted(pairs, key=lambda pair: pair[0] == self.view.top)

    def lines(self, curve: Curve) -> tuple[Key, list[Piece]]:
        """A curve as it is to be drawn, and what `Curve.reduced` shall call it."""
        pieces = curve.lines(self.view.smoothing, self.span)
        same = pieces is curve.measured
        return ("measured",) if same else ("lines", self.view.smoothing, self.span), pieces

    def at(self, curve: Curve, place: float) -> Point | None:
        """The point of a curve that is nearest to a place."""
        return curve.at(place, self.x, self.view.smoothing, self.span)

    def notes(self, separator: str) -> str:
        """What a reader must know to believe the picture; the gravest first."""
        if self.blank:
            return ""
        view = self.view
        left_out = sum(curve.left_out(view.log_x, view.log_y) for curve in self.curves)
        broken = sum(len(curve.gaps) for curve in self.curves)
        levels = {LIGHT: "lightly smoothed", STRONG: "strongly smoothed"}
        smoothed = view.smoothing and any(not curve.series.raw for curve in self.curves)
        axes = [name for name, log in (("x", view.log_x), ("y", view.log_y)) if log]
        notes = (
            f"{self.outside:,} point{'s' * (self.outside != 1)} outside" if self.outside else "",
            f"{left_out:,} not positive, left out" if left_out else "",
            f"{broken:,} not finite" if broken else "",
            levels.get(view.smoothing, f"smoothed {view.smoothing:g}") if smoothed else "",
            f"log {', '.join(axes)}" if axes else "",
            "zoomed" if view.x_range or view.y_range else "",
        )
        return separator.join(filter(None, notes))

    def why_blank(self) -> str:
        """Why nothing can be drawn although there are points; empty where there are none."""
        if any(curve.measured for curve in self.curves):
            return "no point is positive: a logarithmic axis has no place for them"
        return "no value is finite" if any(curve.gaps for curve in self.curves) else ""


def _wide_enough(low: float, high: float) -> tuple[float, float]:
    """A range that is more than the last digits of one value; a lone value stays alone."""
    least = _LEAST * max(abs(low), abs(high))
    lacking = least / 2 - (high / 2 - low / 2)
    if not low < high or not lacking > 0:
        return low, high
    return low - lacking, high + lacking


def _power(value: float, log: bool) -> float:
    return 10.0 ** min(value, 308.25) if log else value
