"""A whole comparison, put together once and shown by the command line and the workbench."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from craft.analysis.comparison.differences import differing_settings
from craft.analysis.comparison.runs import Axis, ComparedRun, Mode, read_compared
from craft.analysis.comparison.seeds import band, by_seed
from craft.analysis.comparison.sooner import Sooner, sooner
from craft.analysis.comparison.table import Figure, figures_of, sort_runs
from craft.analysis.numbers import format_count, format_duration, format_loss
from craft.analysis.plots import Series
from craft.errors import RunError, UsageError
from craft.runs.folder import RunFolder

MANY = 12
"""More lines than this cannot be told apart in a plot."""


@dataclass(frozen=True)
class Comparison:
    """Runs beside each other, by one metric."""

    metric: str
    axis: Axis
    runs: list[ComparedRun]
    """In the order given; the first is what the others are measured against."""
    listed: list[ComparedRun]
    """In the order of the table."""
    figures: list[Figure]
    differing: dict[str, list[Any]]
    """Dotted path -> each listed run's value."""
    sooner: list[Sooner]

    def remarks(self) -> list[str]:
        """What follows, a sentence each."""
        said = [sentence(found) for found in self.sooner]
        said += [
            f"{run.name} was measured on another text than {self.runs[0].name}: their figures do not compare"
            for run in self.runs[1:]
            if not _of_one_text(self.runs[0], run)
        ]
        said += [f"{run.name}: {run.fault}" for run in self.runs if run.fault]
        said += [
            f"{run.name}: {run.nonfinite} values of {self.metric} are not finite" for run in self.runs if run.nonfinite
        ]
        return said

    def series(self, *, seeds: bool = False) -> list[Series]:
        """The curves: one a run, or one for all runs that differ in their seed alone."""
        if not seeds:
            return [Series(run.name, *run.curve(self.axis)) for run in self.runs]
        lines = []
        for alike in by_seed(self.runs):
            if len(alike) == 1:
                lines.append(Series(alike[0].name, *alike[0].curve(self.axis)))
            else:
                one = band(alike, self.axis)
                lines.append(Series(one.name, one.xs, one.mean))
        return lines


def compare_runs(
    folders: Sequence[RunFolder], *, metric: str, axis: Axis = "step", mode: Mode | None = None, sort: str | None = None
) -> Comparison:
    """Read runs and lay them beside each other. `sort` names a figure; else they are listed as given.

    Raises RunError when none of them has the metric, or one cannot be read at all, UsageError for another figure.
    """
    runs = [read_compared(folder, metric, mode) for folder in folders]
    if not any(run.points or run.nonfinite for run in runs):
        raise RunError(f"none of {', '.join(run.name for run in runs)} has measured {metric}{_others(runs)}")
    figures = figures_of(metric)
    listed = runs
    if sort is not None:
        chosen = next((one for one in figures if one.name == sort), None)
        if chosen is None:
            raise UsageError(f"no figure '{sort}' to sort by; there are {', '.join(one.name for one in figures)}")
        listed = sort_runs(runs, chosen)
    faster = [found for run in runs[1:] if _of_one_text(runs[0], run) and (found := sooner(runs[0], run, axis))]
    return Comparison(metric, axis, runs, listed, figures, differing_settings(listed), faster)


def _of_one_text(one: ComparedRun, other: ComparedRun) -> bool:
    """Whether two runs read the same text, as far as that is known: it is once they have begun."""
    hashes = one.identity.data_hash, other.identity.data_hash
    return None in hashes or hashes[0] == hashes[1]


def _others(runs: Sequence[ComparedRun]) -> str:
    from craft.runs.metrics import MetricsReader

    reader = MetricsReader(runs[0].folder.metrics)
    reader.poll()
    names = reader.names()
    return f"; {runs[0].name} has {', '.join(names)}" if names else ""


def sentence(found: Sooner) -> str:
    """Who reached whose best, in words."""
    one, other = found.one, found.other
    best = f"{one.name}'s best, {format_loss(found.target.value)}"
    if found.reached is None:
        nearest = f": its own is {format_loss(other.best.value)}" if other.best else ": it was not measured"
        return f"{other.name} did not reach {best}{nearest}"
    needed, theirs = (_amount(point.at(found.axis), found.axis) for point in (found.reached, found.target))
    places = f"{needed} instead of {theirs}"
    ratio = found.ratio
    if ratio is None:
        return f"{other.name} was at {best}, from its beginning"
    if ratio >= 1.005:
        return f"{other.name} reached {best}, {ratio:.2f} times sooner: {places}"
    if ratio <= 0.995:
        return f"{other.name} reached {best}, {1 / ratio:.2f} times later: {places}"
    return f"{other.name} reached {best}, as soon: {places}"


def _amount(value: float, axis: Axis) -> str:
    if axis == "time":
        return format_duration(value)
    return f"{value:,.0f} steps" if axis == "step" else f"{format_count(value)} tokens"
