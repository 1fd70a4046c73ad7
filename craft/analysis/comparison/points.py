"""The measured values of one metric of a run: where each lies on every axis, eight bytes a number."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Axis = Literal["step", "tokens", "time", "flops"]
AXES: tuple[Axis, ...] = get_args(Axis)
Mode = Literal["min", "max"]


@dataclass(frozen=True, slots=True)
class Point:
    """A value of a metric, and where it was measured."""

    step: float
    time: float
    """Seconds of training."""
    tokens: float
    value: float
    flops: float = math.nan
    """Spent on training so far; NaN where a run does not know what a token costs."""

    def at(self, axis: Axis) -> float:
        """Its place on an axis."""
        return float(getattr(self, axis))


Row = tuple[float, float, float, float]
"""Step, time, tokens and value."""


class Points:
    """Values that are numbers, in order of step.

    `exact` is given where long logs were thinned out for drawing: it reads the records around a step. The extremes are
    among those kept, so that the best, and who was there first, are found exactly with one look at the log.
    """

    def __init__(
        self,
        steps: Sequence[float],
        times: Sequence[float],
        tokens: Sequence[float],
        values: Sequence[float],
        *,
        flops_per_token: float | None = None,
        exact: Callable[[float], Sequence[Row]] | None = None,
    ) -> None:
        self.nonfinite = sum(map(math.isnan, values))
        columns: Sequence[Sequence[float]] = (steps, times, tokens, values)
        self._recorded = columns
        if self.nonfinite:
            columns = [
                array("d", (x for x, value in zip(column, values, strict=True) if value == value)) for column in columns
            ]
        self.steps, self.times, self.tokens, self.values = columns
        self.flops_per_token = flops_per_token
        self._exact = exact

    @property
    def thinned(self) -> bool:
        """Whether these are not all points, but those that a drawing needs."""
        return self._exact is not None

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, place: int) -> Point:
        return self._point((self.steps[place], self.times[place], self.tokens[place], self.values[place]))

    def __iter__(self) -> Iterator[Point]:
        return map(self.__getitem__, range(len(self)))

    def _point(self, row: Row) -> Point:
        flops = row[2] * self.flops_per_token if self.flops_per_token else math.nan
        return Point(*row, flops)

    def places(self, axis: Axis) -> Sequence[float]:
        """Where the values lie on an axis; NaN where that is not known."""
        return self._places(axis, self.steps, self.times, self.tokens)

    def _places(
        self, axis: Axis, steps: Sequence[float], times: Sequence[float], tokens: Sequence[float]
    ) -> Sequence[float]:
        if axis == "flops":
            each = self.flops_per_token or math.nan
            return array("d", (one * each for one in tokens))
        return {"step": steps, "time": times, "tokens": tokens}[axis]

    def curve(self, axis: Axis) -> tuple[Sequence[float], Sequence[float]]:
        """The values over an axis, without those whose place is not known."""
        return _known(self.places(axis), self.values)

    def drawn(self, axis: Axis) -> tuple[Sequence[float], Sequence[float]]:
        """The same with NaN where a value was no number: a line that breaks off there."""
        *places, values = self._recorded
        return _known(self._places(axis, *places), values)

    def best(self, mode: Mode) -> Point | None:
        """The first of the best; None when nothing was measured."""
        if not self.values:
            return None
        best = (min if mode == "min" else max)(self.values)
        return self._first(lambda value: value == best, self.values.index(best))

    def first_as_good(self, target: float, mode: Mode) -> Point | None:
        """The first that is as good as `target`; None when none is."""

        def as_good(value: float) -> bool:
            return value <= target if mode == "min" else value >= target

        place = next((place for place, value in enumerate(self.values) if as_good(value)), None)
        return None if place is None else self._first(as_good, place)

    def _first(self, wanted: Callable[[float], bool], place: int) -> Point:
        """The first that is wanted among the records around the kept point at `place`."""
        kept = self[place]
        rows = self._exact(kept.step) if self._exact else ()
        # What lies before the kept point before this one was looked at already; its equals come later.
        return next((self._point(row) for row in rows if row[0] <= kept.step and wanted(row[3])), kept)


def _known(places: Sequence[float], values: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """Without those whose place is not known."""
    if not any(map(math.isnan, places)):
        return places, values
    known = [(x, value) for x, value in zip(places, values, strict=True) if x == x]
    return [x for x, _ in known], [value for _, value in known]
