"""Who reached whose best first: "wide-001 reached small-001's best 1.4 times sooner"."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from craft.analysis.axes import AXES
from craft.analysis.comparison.points import Axis, Mode, Point, Points
from craft.analysis.numbers import format_loss


class Contender(Protocol):
    """A run, or the mean of several."""

    @property
    def name(self) -> str: ...
    @property
    def called(self) -> str: ...
    @property
    def best_called(self) -> str: ...
    @property
    def points(self) -> Points: ...
    @property
    def mode(self) -> Mode: ...
    @property
    def best(self) -> Point | None: ...


@dataclass(frozen=True)
class Sooner:
    """What `other` needed to be as good as `one` at its best."""

    one: Contender
    other: Contender
    axis: Axis
    target: Point
    """The best of `one`."""
    reached: Point | None
    """The first point of `other` that is as good; None when it never was."""

    @property
    def ratio(self) -> float | None:
        """How many times sooner `other` was there; below 1 it was later. None when it never was, when both began so,
        and when a place is not known."""
        if self.reached is None:
            return None
        theirs, ours = self.target.at(self.axis), self.reached.at(self.axis)
        return theirs / ours if theirs > 0 and ours > 0 else None

    @property
    def sentence(self) -> str:
        """Who reached whose best, in words."""
        one, other = self.one, self.other
        best, called = f"{one.best_called}, {format_loss(self.target.value)}", other.called
        if self.reached is None:
            nearest = f": its own is {format_loss(other.best.value)}" if other.best else ": it was not measured"
            return f"{called} did not reach {best}{nearest}"
        ours, theirs = self.reached.at(self.axis), self.target.at(self.axis)
        if math.isnan(ours) or math.isnan(theirs):
            without = one if math.isnan(theirs) else other
            return f"{called} reached {best}; how many {AXES[self.axis].label} {without.called} took is not known"
        places = " instead of ".join(_amounts(ours, theirs, self.axis))
        ratio = self.ratio
        if ratio is None:
            return f"{called} was at {best}, from its beginning"
        if ratio >= 1.005:
            return f"{called} reached {best}, {ratio:.2f} times sooner: {places}"
        if ratio <= 0.995:
            return f"{called} reached {best}, {1 / ratio:.2f} times later: {places}"
        if ours == theirs:
            places = places.split(" instead of ")[0]
        return f"{called} reached {best}, as soon: {places}"


def sooner(one: Contender, other: Contender, axis: Axis) -> Sooner | None:
    """How long `other` took to the best of `one`; None when `one` was never measured. Both by the mode of `one`."""
    target = one.best
    if target is None:
        return None
    return Sooner(one, other, axis, target, other.points.first_as_good(target.value, one.mode))


def _amounts(ours: float, theirs: float, axis: Axis) -> tuple[str, str]:
    """Both places in words, with more digits where they would read alike."""
    unit = {"step": " steps", "time": "", "tokens": " tokens", "flops": " FLOPs"}[axis]
    one, other = (f"{AXES[axis].write(value)}{unit}" for value in (ours, theirs))
    if one == other and ours != theirs:
        one, other = (f"{value:,.4g}{unit or ' s'}" for value in (ours, theirs))
    return one, other
