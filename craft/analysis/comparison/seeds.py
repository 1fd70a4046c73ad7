"""Runs that differ in nothing but their seed, as one: their mean, and the band around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from craft.analysis.comparison.points import Axis, Mode, Point, Points
from craft.analysis.comparison.runs import ComparedRun
from craft.config.fields import NOT_INHERITED

Spread = Literal["range", "std"]
"""What a band spans: from the least to the greatest, or a standard deviation to both sides of the mean."""
SAID: dict[Spread, str] = {
    "range": "seeds: the line is their mean, the band least to greatest",
    "std": "seeds: the line is their mean, the band a standard deviation to both sides",
}


@dataclass(frozen=True)
class Band:
    """Several seeds of one definition: at each step the mean, and the band's edges, of the runs that were there."""

    name: str
    runs: list[ComparedRun]
    points: Points
    """The mean, at the mean of the runs' places."""
    low: list[float]
    high: list[float]
    mode: Mode

    @cached_property
    def best(self) -> Point | None:
        """The best of the mean."""
        return self.points.best(self.mode)

    def edges(self, axis: Axis) -> tuple[list[float], list[float]]:
        """The band for the places that `points.curve` gives."""
        known = [x == x for x in self.points.places(axis)]
        return (
            [value for value, there in zip(self.low, known, strict=True) if there],
            [value for value, there in zip(self.high, known, strict=True) if there],
        )


def mean_and_std(values: Sequence[float]) -> tuple[float, float] | None:
    """Mean and standard deviation, that of a sample (0 for a single one); None without values."""
    if not values:
        return None
    mean = math.fsum(values) / len(values)
    spread = math.fsum((value - mean) ** 2 for value in values)
    return mean, math.sqrt(spread / (len(values) - 1)) if len(values) > 1 else 0.0


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


def band(runs: Sequence[ComparedRun], spread: Spread = "range") -> Band:
    """One line of several seeds. Values are joined by step, at which seeds are measured alike; on another axis a step
    lies at the mean of the runs' places. Of logs that were thinned out, only steps count that all those runs have which
    came so far: the extremes lie at steps of each run's own."""
    at: dict[float, list[tuple[float, float, float]]] = {}
    for run in runs:
        for step, *rest in zip(run.points.steps, run.points.times, run.points.tokens, run.points.values, strict=True):
            at.setdefault(step, []).append((rest[0], rest[1], rest[2]))
    thinned = any(run.points.thinned for run in runs)
    ends = [run.points.steps[-1] for run in runs if run.points]
    columns: list[list[float]] = [[] for _ in range(6)]
    for step, found in sorted(at.items()):
        if thinned and len(found) < sum(step <= end for end in ends):
            continue
        count = len(found)
        values = [value for _, _, value in found]
        mean = math.fsum(values) / count
        if spread == "range":
            edges = min(values), max(values)
        else:
            std = (mean_and_std(values) or (0.0, 0.0))[1]
            edges = mean - std, mean + std
        row = (step, sum(time for time, _, _ in found) / count, sum(more for _, more, _ in found) / count, mean, *edges)
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    steps, times, tokens, means, low, high = columns
    points = Points(steps, times, tokens, means, flops_per_token=runs[0].identity.flops_per_token)
    return Band(name_of(runs), list(runs), points, low, high, runs[0].mode)
