"""A whole comparison, put together once and shown by the command line and the workbench."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from craft.analysis.axes import AXES
from craft.analysis.comparison.differences import differing_settings, other_measure
from craft.analysis.comparison.points import Axis, Mode
from craft.analysis.comparison.runs import ComparedRun, read_compared
from craft.analysis.comparison.scatter import scatter_remarks
from craft.analysis.comparison.seeds import Band, Spread, band, by_seed
from craft.analysis.comparison.sooner import Sooner, sooner
from craft.analysis.comparison.table import Figure, Row, figures_of, rows_of, sort_rows, writer_of
from craft.analysis.series import Series
from craft.errors import RunError, UsageError
from craft.runs.folder import RunFolder


@dataclass(frozen=True)
class Comparison:
    """Runs beside each other, by one metric, over one axis. With `seeds`, those of one definition count as one."""

    metric: str
    axis: Axis
    runs: list[ComparedRun]
    """In the order given; the first is the reference, what the others are measured against."""
    figures: list[Figure]
    sort: str | None = None
    """The figure that the table is sorted by; None as given."""
    descending: bool | None = None
    """The greatest first; None: the best first."""
    seeds: Spread | None = None

    @cached_property
    def groups(self) -> list[list[ComparedRun]]:
        """The runs of one definition together, in the order of their first."""
        return by_seed(self.runs)

    @cached_property
    def rows(self) -> list[Row]:
        """In the order of the table."""
        return self._sorted(rows_of(self.groups if self.seeds else [[run] for run in self.runs]))

    @cached_property
    def listed(self) -> list[ComparedRun]:
        """Every run, in the order of a table with a row each."""
        return [row.runs[0] for row in self._sorted(rows_of([[run] for run in self.runs]))]

    def _sorted(self, rows: list[Row]) -> list[Row]:
        chosen = next((one for one in self.figures if one.name == self.sort), None)
        return sort_rows(rows, chosen, descending=self.descending) if chosen else rows

    def reference_of(self, rows: Sequence[Row]) -> Row:
        """The row of the reference."""
        return next(row for row in rows if any(run is self.runs[0] for run in row.runs))

    @cached_property
    def differing(self) -> dict[str, list[Any]]:
        """Dotted path -> each listed run's value."""
        return differing_settings(self.listed)

    @cached_property
    def bands(self) -> list[Band | ComparedRun]:
        """The seeds of each definition as one, or each run."""
        if not self.seeds:
            return list(self.runs)
        return [band(group, self.seeds, self.axis) if len(group) > 1 else group[0] for group in self.groups]

    @cached_property
    def sooner(self) -> list[Sooner]:
        """Who reached the reference's best, where both were measured alike."""
        first, *others = self.bands
        alike = [one for one in others if not other_measure(_first(first), _first(one), self.metric)]
        alike = [one for one in alike if one.points or isinstance(one, ComparedRun)]  # of bands only those with a line
        return [found for one in alike if (found := sooner(first, one, self.axis))]

    def series(self) -> list[Series]:
        """The curves: one a run, or one for all runs that differ in their seed alone. Those are left out whose places
        on the axis are not known, or that were not measured. The look of each is its place in `bands`."""
        lines = []
        write = writer_of(self.metric)
        for look, one in enumerate(self.bands):
            xs, ys = one.points.drawn(self.axis)
            if not xs:
                continue
            low, high = (one.low, one.high) if isinstance(one, Band) else ([], [])
            lines.append(Series(one.name, xs, ys, write, low, high, look=look))
        return lines

    def remarks(self, *, ascii_only: bool = False) -> list[str]:
        """What follows, a sentence each."""
        return self.warnings() + [found.sentence for found in self.sooner] + self.notes(ascii_only=ascii_only)

    def notes(self, *, ascii_only: bool = False) -> list[str]:
        """Whether differences are more than scatter, and what is wrong with runs."""
        first = self.runs[0]
        alike = [group for group in self.groups if not other_measure(first, group[0], self.metric)]
        said = scatter_remarks(rows_of(alike), self.figures[0], ascii_only=ascii_only)
        said += [f"{run.name}: {run.fault}" for run in self.runs if run.fault]
        said += [
            f"{run.name}: {run.nonfinite} values of {self.metric} are not finite" for run in self.runs if run.nonfinite
        ]
        return said

    def warnings(self) -> list[str]:
        """Why some figures do not compare, and which curves are not drawn."""
        first = self.runs[0]
        said = [
            f"{run.name} was measured {how} than {first.name}: their figures do not compare"
            for run in self.runs[1:]
            if (how := other_measure(first, run, self.metric))
        ]
        unmeasured = [run.name for run in self.runs if not run.points and not run.nonfinite]
        if unmeasured:
            said.append(f"{_listed(unmeasured)}: {self.metric} was not measured yet")
        nowhere = [run.name for run in self.runs if run.points and not run.curve(self.axis)[0]]
        if nowhere:
            said.append(f"{_listed(nowhere)}: not drawn, as {AXES[self.axis].label} are not known; choose another axis")
        bands = [one for one in self.bands if isinstance(one, Band)]
        said += [f"{one.name}: {one.shorter}" for one in bands if one.shorter]
        for one in bands:
            if len(one.points) < 2 <= min(len(run.points) for run in one.runs):
                thinned = any(run.points.thinned for run in one.runs)
                why = "what is kept of their long logs shares no steps" if thinned else "they share no part of the axis"
                where = "each run has its curve where seeds are drawn apart"
                said.append(f"{one.name}: no line with a band, as {why}; {where}")
        return said


def compare_runs(
    folders: Sequence[RunFolder],
    *,
    metric: str,
    axis: Axis = "step",
    mode: Mode | None = None,
    sort: str | None = None,
    seeds: Spread | None = None,
) -> Comparison:
    """Read runs, every record of them, and lay them beside each other. `sort` names a figure; else they are listed as
    given.

    Raises RunError when none of them has the metric, or one cannot be read at all, UsageError for another figure.
    """
    runs = [read_compared(folder, metric, mode) for folder in folders]
    if not any(run.points or run.nonfinite for run in runs):
        others = runs[0].metrics
        has = f"; {runs[0].name} has {', '.join(others)}" if others else ""
        raise RunError(f"none of {', '.join(run.name for run in runs)} has measured {metric}{has}")
    figures = figures_of(metric)
    if sort is not None and sort not in (one.name for one in figures):
        raise UsageError(f"no figure '{sort}' to sort by; there are {', '.join(one.name for one in figures)}")
    return Comparison(metric, axis, runs, figures, sort, seeds=seeds)


def _first(one: Band | ComparedRun) -> ComparedRun:
    return one.runs[0] if isinstance(one, Band) else one


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
