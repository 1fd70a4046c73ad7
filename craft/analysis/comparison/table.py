"""A comparison as rows: for the terminal, as Markdown for a page, and as CSV for other programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from craft.analysis.comparison.differences import NOT_THERE
from craft.analysis.comparison.runs import ComparedRun
from craft.analysis.numbers import NOTHING, format_count, format_duration, format_loss, format_rate
from craft.text import clean_line


@dataclass(frozen=True)
class Figure:
    """A column of the table: how it is asked for, headed and written."""

    name: str
    heading: str
    value: Callable[[ComparedRun], float | None]
    write: Callable[[float | None], str]
    best_is: str = ""
    """"min" or "max" where one of two is better; the mode of the metric for the metric's own."""


def _of(name: str) -> Callable[[ComparedRun], float | None]:
    return lambda run: run.figures.get(name)


def _step(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.0f}"


def figures_of(metric: str) -> list[Figure]:
    """The columns of a comparison by `metric`."""

    def best(run: ComparedRun) -> float | None:
        return run.best.value if run.best else None

    def best_step(run: ComparedRun) -> float | None:
        return run.best.step if run.best else None

    return [
        Figure("best", f"best {metric}", best, format_loss, "mode"),
        Figure("best_step", "at step", best_step, _step),
        Figure("train/loss", "train/loss", _of("train/loss"), format_loss, "min"),
        Figure("val/loss", "val/loss", _of("val/loss"), format_loss, "min"),
        Figure("steps", "steps", _of("steps"), _step),
        Figure("tokens", "tokens", _of("tokens"), format_count),
        Figure("seconds", "time", _of("seconds"), format_duration, "min"),
        Figure("tokens_per_second", "speed", _of("tokens_per_second"), lambda rate: format_rate(rate, "tok/s"), "max"),
        Figure("parameters", "parameters", _of("parameters"), format_count),
    ]


def sort_runs(runs: Sequence[ComparedRun], figure: Figure, *, descending: bool | None = None) -> list[ComparedRun]:
    """The runs by a figure, the better ones first where one can say so, else the smaller; those without it last."""
    if descending is None:
        mode = runs[0].mode if runs and figure.best_is == "mode" else figure.best_is
        descending = mode == "max"
    known = [run for run in runs if figure.value(run) is not None]
    ordered = sorted(known, key=lambda run: figure.value(run) or 0.0, reverse=descending)
    return [*ordered, *(run for run in runs if figure.value(run) is None)]


def shown_setting(value: Any) -> str:
    """A setting in a table: as TOML has it, a dash where there is none."""
    if value is NOT_THERE:
        return NOTHING
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def markdown(
    runs: Sequence[ComparedRun], figures: Sequence[Figure], differing: dict[str, list[Any]], remarks: Sequence[str]
) -> str:
    """The comparison as a piece of Markdown: figures, differing settings, and what follows from them."""
    used = [one for one in figures if any(one.value(run) is not None for run in runs)]
    head = ["run", "phase", *(one.heading for one in used)]
    rows = [[run.name, run.phase, *(one.write(one.value(run)) for one in used)] for run in runs]
    text = _markdown_table(head, rows, right_from=2)
    if differing:
        settings = [[path, *map(shown_setting, values)] for path, values in differing.items()]
        text += "\n" + _markdown_table(["setting", *(run.name for run in runs)], settings, right_from=99)
    if remarks:
        text += "\n" + "".join(f"- {_escaped(remark)}\n" for remark in remarks)
    return text


def _markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], right_from: int) -> str:
    rule = ["---:" if place >= right_from else "---" for place in range(len(head))]
    lines = [list(map(_escaped, head)), rule, *(list(map(_escaped, row)) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _escaped(text: str) -> str:
    return clean_line(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def comma_separated(runs: Sequence[ComparedRun], figures: Sequence[Figure], differing: dict[str, list[Any]]) -> str:
    """The same figures with every digit, and the differing settings, a line a run."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["run", "experiment", "phase", "seed", *(one.name for one in figures), *differing])
    for place, run in enumerate(runs):
        settings = [values[place] for values in differing.values()]
        cells = [
            "" if value is NOT_THERE else value if isinstance(value, str) else json.dumps(value) for value in settings
        ]
        numbers = ["" if (value := one.value(run)) is None else repr(value) for one in figures]
        writer.writerow([run.name, run.identity.experiment, run.phase, run.identity.seed, *numbers, *cells])
    return out.getvalue()
