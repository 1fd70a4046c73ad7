"""Runs that differ in nothing but their seed, as one: their mean, and the band around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from craft.analysis.axes import format_step
from craft.analysis.comparison.points import Axis, Mode, Point, Points
from craft.analysis.comparison.runs import ComparedRun
from craft.config.fields import NOT_INHERITED
from craft.runs.liveness import LIVE

Spread = Literal["range", "std"]
"""What a band spans: from the least to the greatest, or a standard deviation to both sides of the mean."""
SAID: dict[Spread, str] = {
    "range": "seeds: the line is their mean, as far as all came, the band least to greatest",
    "std": "seeds: the line is their mean, as far as all came, the band a standard deviation to both sides",
}


@dataclass(frozen=True)
class Band:
    """Several seeds of one definition over one axis: the mean, and the band's edges, where all of them have a value."""

    name: str
    runs: list[ComparedRun]
    points: Points
    """The mean; its places on other axes are not known."""
    low: list[float]
    """An edge for each of the places that `points.drawn` gives."""
    high: list[float]
    mode: Mode
    shorter: str
    """How many seeds came less far than the others; empty where none did that is over, or no line is drawn."""

    @property
    def called(self) -> str:
        """The line in words."""
        return f"{self.name}'s mean"

    @property
    def best_called(self) -> str:
        """The best of the line in words: the mean of the runs' own bests, as a table has it, is another figure."""
        return f"the best of {self.called}"

    @cached_property
    def best(self) -> Point | None:
        """The best of the mean."""
        return self.points.best(self.mode)


def mean_and_std(values: Sequence[float]) -> tuple[float, float] | None:
    """Mean and standard deviation, that of a sample (0 for a single one); None without values. Nothing is squared, as
    the perplexity of a run that diverged may well be 1e200."""
    if not values:
        return None
    mean, root = mean_of(values), math.sqrt(max(1, len(values) - 1))
    return mean, math.hypot(*((value - mean) / root for value in values)) if len(values) > 1 else 0.0


def mean_of(values: Sequence[float]) -> float:
    """The mean, even where the sum is too large for a number."""
    try:
        return math.fsum(values) / len(values)
    except OverflowError:
        return 2 * math.fsum(value / 2 / len(values) for value in values)


def by_seed(runs: Sequence[ComparedRun]) -> list[list[ComparedRun]]:
    """The runs in groups that differ in nothing but the seed, in the order of their first.

    One that repeats a seed of its group tells nothing about how seeds scatter: it begins a group of its own. Forks are
    alike only where they began at the same place.
    """
    groups: dict[object, list[ComparedRun]] = {}
    repeats: dict[object, int] = {}
    for run in runs:
        settings = {
            path: repr(value)
            for path, value in run.definition.items()
            if path != "seed" and path.partition(".")[0] not in NOT_INHERITED
        }
        identity = run.identity
        began = identity.experiment, identity.parent_run, identity.parent_step
        key = (*began, *sorted(settings.items())) if settings else run.folder.path
        seeded = (key, repr(run.definition.get("seed")))
        repeats[seeded] = repeats.get(seeded, -1) + 1
        groups.setdefault((key, repeats[seeded]), []).append(run)
    return list(groups.values())


def name_of(runs: Sequence[ComparedRun]) -> str:
    """What runs of one definition are called together: the experiment, the swept settings, and how many there are."""
    first = runs[0]
    if len(runs) == 1:
        return first.name
    axes = {path: value for path, value in first.identity.axes.items() if path != "seed"}
    said = "".join(f" {path.rpartition('.')[2]}={value}" for path, value in axes.items())
    return f"{first.identity.experiment}{said} x{len(runs)}"


def band(runs: Sequence[ComparedRun], spread: Spread = "range", axis: Axis = "step") -> Band:
    """One line of several seeds: their mean at each place of the axis where one of them was measured, as far as all of
    them reach. A seed that was not measured just there counts with its place on the straight line between its two
    neighbours; next to a value that is no number there is no mean. Seeds that measured nothing do not count.

    Of logs that were thinned out, only steps count that all seeds have: the extremes lie at steps of each one's own.
    """
    along: Axis = "tokens" if axis == "flops" else axis  # so many FLOPs a token, for all of them
    placed = [run for run in runs if run.curve(along)[0]]
    measured = [run.points for run in placed]
    thinned = any(points.thinned for points in measured)
    shared = set.intersection(*(set(points.steps) for points in measured)) if thinned else None
    curves = [_curve(points, along, shared) for points in measured]
    places = _common_places(curves)
    means, low, high = list[float](), list[float](), list[float]()
    for values in zip(*(_values_at(places, curve) for curve in curves), strict=True):
        mean = mean_of(values)
        if spread == "range":
            edges = (min(values), max(values)) if mean == mean else (mean, mean)
        else:
            std = (mean_and_std(values) or (0.0, 0.0))[1]
            edges = mean - std, mean + std
        means.append(mean)
        low.append(edges[0])
        high.append(edges[1])
    unknown = [math.nan] * len(places)
    steps, times, tokens = (places if name == along else unknown for name in ("step", "time", "tokens"))
    flops = next(filter(None, (points.flops_per_token for points in measured)), None)
    points = Points(steps, times, tokens, means, flops_per_token=flops)
    return Band(name_of(runs), list(runs), points, low, high, runs[0].mode, _shorter(placed) if places else "")


def _shorter(runs: Sequence[ComparedRun]) -> str:
    furthest = max(run.points.steps[-1] for run in runs)
    ends = [run.points.steps[-1] for run in runs if run.phase not in LIVE]  # one that trains comes further yet
    behind = sum(end < furthest for end in ends)
    if not behind:
        return ""
    to = f"{'the first ' if behind > 1 else ''}to step {format_step(min(ends))}"
    return (
        f"{behind} of {len(runs)} seeds came less far than the rest, {to}: "
        "the mean reaches no further, and the table's figures are of unequal lengths"
    )


_Curve = list[tuple[float, float]]
"""Places on an axis, each further than the one before, and values; NaN where one was no number."""


def _curve(points: Points, axis: Axis, shared: set[float] | None) -> _Curve:
    """The values over an axis, or those alone at `shared` steps."""
    if shared is None:
        return sorted(dict(zip(*points.drawn(axis), strict=True)).items())
    rows = zip(points.steps, points.places(axis), points.values, strict=True)
    return sorted({x: value for step, x, value in rows if step in shared and x == x}.items())


def _common_places(curves: Sequence[_Curve]) -> list[float]:
    """Every place of the curves, as far as all of them reach."""
    if not curves or not all(curves):
        return []
    begin, end = max(curve[0][0] for curve in curves), min(curve[-1][0] for curve in curves)
    return sorted({x for curve in curves for x, _ in curve if begin <= x <= end})


def _values_at(places: Sequence[float], curve: _Curve) -> list[float]:
    """The values of a curve at places within its reach: its own where it has one, else on the line between two."""
    found, ahead = [], 0
    for x in places:
        while curve[ahead][0] < x:
            ahead += 1
        right, value = curve[ahead]
        if right != x:
            left, before = curve[ahead - 1]
            value = before + (value - before) * (x - left) / (right - left)
        found.append(value)
    return found
