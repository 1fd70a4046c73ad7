"""Who reached whose best first: "wide-001 reached small-001's best 1.4 times sooner"."""

from __future__ import annotations

from dataclasses import dataclass

from craft.analysis.comparison.runs import Axis, ComparedRun, Point


@dataclass(frozen=True)
class Sooner:
    """What `other` needed to be as good as `one` at its best."""

    one: ComparedRun
    other: ComparedRun
    axis: Axis
    target: Point
    """The best of `one`."""
    reached: Point | None
    """The first point of `other` that is as good; None when it never was."""

    @property
    def ratio(self) -> float | None:
        """How many times sooner `other` was there; below 1 it was later. None when it never was, or both began so."""
        if self.reached is None:
            return None
        theirs, ours = self.target.at(self.axis), self.reached.at(self.axis)
        return theirs / ours if theirs > 0 and ours > 0 else None


def sooner(one: ComparedRun, other: ComparedRun, axis: Axis) -> Sooner | None:
    """How long `other` took to the best of `one`; None when `one` was never measured. Both by the mode of `one`."""
    target = one.best
    if target is None:
        return None
    sign = 1.0 if one.mode == "min" else -1.0
    reached = next((point for point in other.points if sign * point.value <= sign * target.value), None)
    return Sooner(one, other, axis, target, reached)
