"""A comparison as rows: a run each, or the seeds of one definition, with figures to sort by and to measure against."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from craft.analysis.axes import format_step
from craft.analysis.comparison.differences import NOT_THERE, differing_settings, other_measure
from craft.analysis.comparison.runs import ComparedRun
from craft.analysis.comparison.seeds import mean_and_std, name_of
from craft.analysis.numbers import NOTHING, format_count, format_duration, format_loss, format_number, format_rate


@dataclass(frozen=True)
class Figure:
    """A column of the table: how it is asked for, headed and written."""

    name: str
    heading: str
    value: Callable[[ComparedRun], float | None]
    write: Callable[[float | None], str]
    best_is: str = ""
    """"min" or "max" where one of two is better; the mode of the metric for the metric's own."""
    metric: str = ""
    """What was measured on a text; such figures compare only where that was done alike."""

    def mode(self, rows: Sequence[Row]) -> str:
        """Which is better; empty where none is."""
        return rows[0].runs[0].mode if rows and self.best_is == "mode" else self.best_is


@dataclass(frozen=True)
class Row:
    """One run, or several that differ in their seed alone."""

    runs: tuple[ComparedRun, ...]

    @property
    def name(self) -> str:
        """The run's name, or what the runs are called together."""
        return name_of(self.runs)

    @property
    def phase(self) -> str:
        """The run's phase; of several the one they have in common, or how many are in each."""
        counts: dict[str, int] = {}
        for run in self.runs:
            counts[run.phase] = counts.get(run.phase, 0) + 1
        return next(iter(counts)) if len(counts) == 1 else ", ".join(f"{n} {phase}" for phase, n in counts.items())

    def compares(self, other: Row, figure: Figure) -> bool:
        """Whether both figures are of the same text, read by the same vocabulary, as far as that matters to them."""
        return not figure.metric or not other_measure(self.runs[0], other.runs[0], figure.metric)

    def values(self, figure: Figure) -> list[float]:
        """Those that its runs have."""
        return [value for run in self.runs if (value := figure.value(run)) is not None and math.isfinite(value)]

    def mean(self, figure: Figure) -> float | None:
        """The figure; of several runs the mean of those that have it."""
        found = mean_and_std(self.values(figure))
        return found[0] if found else None

    def std(self, figure: Figure) -> float | None:
        """The standard deviation of several runs; None of fewer than two."""
        values = self.values(figure)
        found = mean_and_std(values)
        return found[1] if found and len(values) > 1 else None

    def write(self, figure: Figure, *, ascii_only: bool = False) -> str:
        """The figure as it is written: 1.708, or 1.708 ± 0.012."""
        if len(self.runs) == 1:
            return figure.write(figure.value(self.runs[0]))
        mean, std = self.mean(figure), self.std(figure)
        if mean is None or std is None or std == 0:
            return figure.write(mean)
        return with_std(mean, std, figure.write, ascii_only=ascii_only)


def with_std(mean: float, std: float, write: Callable[[float | None], str], *, ascii_only: bool = False) -> str:
    """A mean and its deviation in as many decimals: 1.679 ± 0.006; in two digits where those would be none."""
    text = write(mean)
    _, dot, decimals = text.partition(".")
    digits = f"{std:.{len(decimals)}f}" if decimals.isdecimal() else ""
    if not digits or not float(digits):
        digits = write(std) if not dot and std >= 1 else format_number(float(f"{std:.2g}"))
    return f"{text} {'+-' if ascii_only else chr(0xB1)} {digits}"


def rows_of(groups: Sequence[Sequence[ComparedRun]]) -> list[Row]:
    """A row for each group of runs."""
    return [Row(tuple(group)) for group in groups]


def used_figures(figures: Sequence[Figure], rows: Sequence[Row]) -> list[Figure]:
    """Those that a row has."""
    return [one for one in figures if any(row.values(one) for row in rows)]


def _of(name: str) -> Callable[[ComparedRun], float | None]:
    return lambda run: run.figures.get(name)


def writer_of(metric: str) -> Callable[[float | None], str]:
    """How values of a metric are written."""
    if "per_second" in metric:
        return format_count
    return format_number if metric.rpartition("/")[2] in ("lr", "grad_norm") else format_loss


def figures_of(metric: str) -> list[Figure]:
    """The columns of a comparison by `metric`."""

    def best(run: ComparedRun) -> float | None:
        return run.best.value if run.best else None

    def best_step(run: ComparedRun) -> float | None:
        return run.best.step if run.best else None

    return [
        Figure("best", f"best {metric}", best, writer_of(metric), "mode", metric),
        Figure("best_step", "at step", best_step, format_step),
        Figure("train/loss", "train/loss", _of("train/loss"), format_loss, "min", "train/loss"),
        Figure("val/loss", "val/loss", _of("val/loss"), format_loss, "min", "val/loss"),
        Figure("steps", "steps", _of("steps"), format_step),
        Figure("tokens", "tokens", _of("tokens"), format_count),
        Figure("seconds", "time", _of("seconds"), format_duration, "min"),
        Figure("tokens_per_second", "speed", _of("tokens_per_second"), lambda rate: format_rate(rate, "tok/s"), "max"),
        Figure("parameters", "parameters", _of("parameters"), format_count),
    ]


def sort_rows(rows: Sequence[Row], figure: Figure, *, descending: bool | None = None) -> list[Row]:
    """The rows by a figure, the better ones first where one can say so, else the smaller; those without it last."""
    if descending is None:
        descending = figure.mode(rows) == "max"
    known = [(mean, row) for row in rows if (mean := row.mean(figure)) is not None]
    known.sort(key=lambda pair: pair[0], reverse=descending)
    return [*(row for _, row in known), *(row for row in rows if row.mean(figure) is None)]


def best_rows(rows: Sequence[Row], figure: Figure) -> set[int]:
    """The places of the best rows by a figure; none where none is better, all are alike, or not all compare. Of times
    only those for the same steps do: who stopped first was not the fastest."""
    if figure.name == "seconds" and len({run.figures.get("steps") for row in rows for run in row.runs}) > 1:
        return set()
    mode = figure.mode(rows)
    means = [row.mean(figure) for row in rows]
    known = [mean for mean in means if mean is not None]
    if not mode or len(known) < 2 or min(known) == max(known):
        return set()
    measured = [row for row, mean in zip(rows, means, strict=True) if mean is not None]
    if not all(row.compares(measured[0], figure) for row in measured):
        return set()
    best = min(known) if mode == "min" else max(known)
    return {place for place, mean in enumerate(means) if mean == best}


def difference(figure: Figure, row: Row, reference: Row) -> str:
    """How far a row's figure is from the reference's, in per cent of that: +3.2%; empty where that says nothing."""
    ours, theirs = row.mean(figure), reference.mean(figure)
    if row is reference or ours is None or not theirs or not row.compares(reference, figure):
        return ""
    percent = 100 * (ours - theirs) / abs(theirs)
    if not math.isfinite(percent):
        return ""
    if abs(percent) < 0.05:
        return "" if ours == theirs else "+0.0%" if percent > 0 else "-0.0%"
    if abs(percent) >= 999.5:
        times = ours / theirs
        return "" if times <= 0 else f"x{times:,.0f}" if times < 1e6 else f"x{format_number(times)}"
    return f"{percent:+.1f}%" if abs(percent) < 99.95 else f"{percent:+.0f}%"


def settings_of_rows(rows: Sequence[Row], *, every: bool = False) -> dict[str, list[str]]:
    """Dotted path -> each row's setting as it is written; the different ones of its runs, where they differ."""
    runs = [run for row in rows for run in row.runs]
    found = {}
    for path, values in differing_settings(runs, every=every).items():
        ahead = iter(values)
        cells = [", ".join(dict.fromkeys(shown_setting(next(ahead)) for _ in row.runs)) for row in rows]
        found[path] = cells
    return found


def shown_setting(value: Any) -> str:
    """A setting in a table: as TOML has it, a dash where there is none."""
    if value is NOT_THERE:
        return NOTHING
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
