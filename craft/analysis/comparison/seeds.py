"""Runs that differ in nothing but their seed, as one: their mean, and the band from the least to the greatest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from craft.analysis.comparison.runs import Axis, ComparedRun
from craft.config.fields import NOT_INHERITED


@dataclass(frozen=True)
class Band:
    """Several seeds of one definition: at each place the mean, least and greatest of the runs that were there."""

    name: str
    runs: list[ComparedRun]
    xs: list[float]
    mean: list[float]
    low: list[float]
    high: list[float]

    @property
    def best(self) -> tuple[float, float] | None:
        """Mean and standard deviation (of a sample) of the runs' best values; None when none was measured."""
        values = [point.value for run in self.runs if (point := run.best)]
        if not values:
            return None
        mean = math.fsum(values) / len(values)
        spread = math.fsum((value - mean) ** 2 for value in values)
        return mean, math.sqrt(spread / (len(values) - 1)) if len(values) > 1 else 0.0


def by_seed(runs: Sequence[ComparedRun]) -> list[list[ComparedRun]]:
    """The runs in groups that differ in nothing but the seed, in the order of their first."""
    groups: dict[object, list[ComparedRun]] = {}
    for run in runs:
        settings = {
            path: repr(value)
            for path, value in run.definition.items()
            if path != "seed" and path.partition(".")[0] not in NOT_INHERITED
        }
        key = (run.identity.experiment, *sorted(settings.items())) if settings else run.folder.path
        groups.setdefault(key, []).append(run)
    return list(groups.values())


def band(runs: Sequence[ComparedRun], axis: Axis) -> Band:
    """One line of several seeds. Values are joined by step, at which seeds are measured alike; over time or tokens a
    step lies at the mean of the runs' places."""
    at: dict[float, list[tuple[float, float]]] = {}
    for run in runs:
        for point in run.points:
            at.setdefault(point.step, []).append((point.at(axis), point.value))
    rows = []
    for _, found in sorted(at.items()):
        values = [value for _, value in found]
        rows.append(
            (math.fsum(x for x, _ in found) / len(found), math.fsum(values) / len(values), min(values), max(values))
        )
    xs, mean, low, high = ([row[column] for row in rows] for column in range(4))
    first = runs[0]
    axes = {path: value for path, value in first.identity.axes.items() if path != "seed"}
    said = "".join(f" {path.rpartition('.')[2]}={value}" for path, value in axes.items())
    return Band(f"{first.identity.experiment}{said} x{len(runs)}", list(runs), xs, mean, low, high)
