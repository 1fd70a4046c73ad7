"""The columns of the list: which there are, which fit, and what stands in them. Pure text, nothing drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from craft.analysis.numbers import (
    NOTHING,
    format_age,
    format_count,
    format_duration,
    format_loss,
    format_number,
)
from craft.text import width_of

if TYPE_CHECKING:
    from craft.analysis.filters import Value
    from craft.runs.store import RunSummary

BAR_CELLS, STEP_CELLS = 12, 11
NAME_LEAST, NAME_MOST = 16, 40
_FACT_CELLS = 9


@dataclass(frozen=True)
class Column:
    """`drop` says which columns go first where the terminal is narrow: the highest.

    `key` is what the list is sorted by with it, a name that filters know; empty where it cannot be sorted by.
    """

    key: str
    title: str
    width: int
    drop: int
    write: Callable[[RunSummary, float], str] | None = None
    """None: what stands in it is read from the run's files."""
    align: Literal["left", "right"] = "right"


def phase_word(run: RunSummary) -> str:
    """The phase as shown; a folder that cannot be read has one of its own."""
    return run.shown_phase


def number(value: Any) -> float | None:
    """`value` where it is one; files can hold anything."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e300:
        return None
    return float(value)


def progress(run: RunSummary) -> float | None:
    """The fraction of its steps that a run has done."""
    step, most = number(run.status.step), number(run.status.max_steps)
    if step is None or not most or not math.isfinite(step / most):
        return None
    return min(max(step / most, 0.0), 1.0)


def _steps(run: RunSummary, now: float) -> str:
    step, most = number(run.status.step), number(run.status.max_steps)
    if not step and not most:
        return NOTHING
    if not most:
        return format_count(step)
    exact = f"{step or 0:.0f}/{most:.0f}"
    return exact if len(exact) <= STEP_CELLS else f"{format_count(step)}/{format_count(most)}"


def _progress(run: RunSummary, now: float) -> str:
    done = progress(run)
    return "" if done is None else f"{math.floor(100 * done)}%"


def _eta(run: RunSummary, now: float) -> str:
    """Time left means something only while a worker is at it."""
    return format_duration(number(run.status.eta_seconds) if run.observed.is_live else None)


def age(run: RunSummary, now: float) -> float | None:
    """Seconds since it was made."""
    created = number(run.created)
    return now - created if created else None


def tags_of(run: RunSummary) -> tuple[str, ...]:
    """The tags that a person gave it."""
    notes = getattr(run, "notes", None)
    return notes.tags if notes is not None else ()


def is_starred(run: RunSummary) -> bool:
    """Whether a person gave it a star."""
    notes = getattr(run, "notes", None)
    return notes is not None and notes.star


COLUMNS = (
    Column("phase", "phase", 13, 0, lambda run, now: phase_word(run), "left"),
    Column("step", "step", STEP_CELLS, 1, _steps),
    Column("progress", "", BAR_CELLS + 5, 9, _progress, "left"),
    Column("train/loss", "loss", 7, 2, lambda run, now: format_loss(number(run.status.train_loss))),
    Column("val/loss", "val", 7, 3, lambda run, now: format_loss(number(run.status.val_loss))),
    Column("speed", "tok/s", 5, 6, lambda run, now: format_count(number(run.status.tokens_per_second))),
    Column("eta", "ETA", 7, 5, _eta),
    Column("age", "age", 3, 7, lambda run, now: format_age(age(run, now))),
)
"""The columns that are there unless a person chose others, in the order they stand in."""

MORE_COLUMNS = (
    Column("best", "best", 7, 4, lambda run, now: format_loss(number(run.status.best))),
    Column("tokens", "tokens", 6, 8, lambda run, now: format_count(number(run.status.tokens))),
    Column("group", "group", 12, 10, lambda run, now: run.group or "", "left"),
    Column("tag", "tags", 14, 11, lambda run, now: " ".join(tags_of(run)), "left"),
    Column("experiment", "experiment", 14, 12, lambda run, now: run.experiment, "left"),
    Column("parent", "from", 16, 13, lambda run, now: run.parent_run or "", "left"),
)
"""Others that need no file to be read."""

_BY_KEY = {column.key: column for column in (*COLUMNS, *MORE_COLUMNS)}
DEFAULT_KEYS = [*(column.key for column in COLUMNS), "tag", "group"]


def columns_of(keys: Sequence[str]) -> list[Column]:
    """The columns of these names: known ones, and any setting or metric as one of its own."""
    return [_BY_KEY.get(key) or fact_column(key) for key in dict.fromkeys(keys)]


def fact_column(key: str) -> Column:
    """A column of a setting or a metric; its title is the part of the name that tells."""
    title = key if "/" in key else key.rpartition(".")[2]
    return Column(key, title, max(_FACT_CELLS, min(width_of(title) + 1, 16)), 4)  # one for the arrow


def write_value(value: Value) -> str:
    """A setting or a metric as it stands in a column."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "true" if value else "false"
    return format_number(value) if isinstance(value, float) else str(value)


def columns_for(width: int, longest_name: int, columns: Sequence[Column] = COLUMNS) -> tuple[int, list[Column]]:
    """The width of the name, and those of `columns` that fit beside it in `width` cells."""
    wanted = max(NAME_LEAST, min(longest_name, NAME_MOST))
    gap = gap_for(width)
    shown = list(columns)
    while shown and NAME_LEAST + sum(column.width + gap for column in shown) > width:
        shown.remove(max(shown, key=lambda column: column.drop))
    room = width - sum(column.width + gap for column in shown)
    return max(min(wanted, room), 1), shown


def gap_for(width: int) -> int:
    """Blanks between two columns: one makes all but the bar fit into 80 columns."""
    return 2 if width >= 100 else 1
