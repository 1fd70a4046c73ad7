"""A run as a row of a table: which columns fit, and what stands in them. Pure text, nothing drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from craft.analysis.numbers import NOTHING, format_age, format_count, format_duration, format_loss
from craft.text import fit

if TYPE_CHECKING:
    from craft.runs.store import RunSummary

# A word beside each mark: no state is told by colour or by shape alone.
PHASE_MARKS = {
    "queued": "\u00b7",
    "starting": "\u25cb",
    "preparing": "\u25cb",
    "running": "\u25cf",
    "evaluating": "\u25cf",
    "paused": "=",
    "silent": "?",
    "stopping": "\u25cb",
    "stopped": "\u25a0",
    "finished": "\u2713",
    "failed": "\u2717",
    "interrupted": "!",
    "damaged": "\u2717",
}
ASCII_MARKS = {
    "\u00b7": ".",
    "\u25cb": "o",
    "\u25cf": "*",
    "\u25a0": "#",
    "\u2713": "+",
    "\u2717": "x",
}
TONES = {
    "queued": "quiet",
    "starting": "live",
    "preparing": "live",
    "running": "live",
    "evaluating": "live",
    "stopping": "live",
    "paused": "warn",
    "silent": "warn",
    "interrupted": "warn",
    "stopped": "quiet",
    "finished": "good",
    "failed": "bad",
    "damaged": "bad",
}

QUIET = "$foreground 55%"
"""The style of what matters less, for content that a widget renders."""

_BAR_CELLS, _STEP_CELLS = 12, 11


@dataclass(frozen=True)
class Column:
    """`drop` says which columns go first where the terminal is narrow: the highest."""

    title: str
    width: int
    drop: int
    write: Callable[[RunSummary, float], str]
    align: Literal["left", "right"] = "right"


def phase_word(run: RunSummary) -> str:
    """The phase as shown; a folder that cannot be read has one of its own."""
    return "damaged" if run.fault else run.phase


def phase_text(run: RunSummary, ascii_only: bool) -> str:
    mark = PHASE_MARKS.get(phase_word(run), "?")
    return f"{ASCII_MARKS.get(mark, mark) if ascii_only else mark} {phase_word(run)}"


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
    return exact if len(exact) <= _STEP_CELLS else f"{format_count(step)}/{format_count(most)}"


def _progress(run: RunSummary, now: float) -> str:
    done = progress(run)
    return "" if done is None else f"{math.floor(100 * done)}%"


def _live(value: Any, run: RunSummary) -> float | None:
    """Speed and time left mean something only while a worker is at it."""
    return number(value) if run.observed.is_live else None


COLUMNS = (
    Column("phase", 13, 0, lambda run, now: phase_word(run), "left"),
    Column("step", _STEP_CELLS, 1, _steps),
    Column("", _BAR_CELLS + 5, 9, _progress, "left"),
    Column("loss", 7, 2, lambda run, now: format_loss(number(run.status.train_loss))),
    Column("val", 7, 3, lambda run, now: format_loss(number(run.status.val_loss))),
    Column("tok/s", 5, 6, lambda run, now: format_count(_live(run.status.tokens_per_second, run))),
    Column("ETA", 7, 5, lambda run, now: format_duration(_live(run.status.eta_seconds, run))),
    Column("age", 3, 7, lambda run, now: format_age(_age(run, now))),
)
"""All columns but the name, in the order they stand in."""

NAME_LEAST, NAME_MOST = 16, 40


def _age(run: RunSummary, now: float) -> float | None:
    created = number(run.created)
    return now - created if created else None


def columns_for(width: int, longest_name: int) -> tuple[int, list[Column]]:
    """The width of the name, and the columns that fit beside it in `width` cells."""
    wanted = max(NAME_LEAST, min(longest_name, NAME_MOST))
    gap = gap_for(width)
    columns = list(COLUMNS)
    while columns and NAME_LEAST + sum(column.width + gap for column in columns) > width:
        columns.remove(max(columns, key=lambda column: column.drop))
    room = width - sum(column.width + gap for column in columns)
    return max(min(wanted, room), 1), columns


def gap_for(width: int) -> int:
    """Blanks between two columns: one makes all but the bar fit into 80 columns."""
    return 2 if width >= 100 else 1


def header(width: int, longest_name: int, ascii_only: bool) -> str:
    name_width, columns = columns_for(width, longest_name)
    parts = [fit("run", name_width, ascii_only=ascii_only)]
    parts += [fit(column.title, column.width, align=column.align) for column in columns]
    return (" " * gap_for(width)).join(parts)


@dataclass(frozen=True)
class Cell:
    """Text exactly as wide as its column, and its tone: name, quiet, live, warn, good, bad, plain or bar."""

    text: str
    tone: str


def cells_of(run: RunSummary, now: float, name_width: int, columns: Sequence[Column], ascii_only: bool) -> list[Cell]:
    """The row of one run."""
    word = phase_word(run)
    cells = [Cell(fit(run.name, name_width, ascii_only=ascii_only), "name")]
    for column in columns:
        if column.title == "phase":
            text = fit(phase_text(run, ascii_only), column.width, ascii_only=ascii_only)
            cells.append(Cell(text, TONES.get(word, "warn")))
        elif not column.title:
            cells.extend(_bar_cells(run, column.width, ascii_only))
            continue
        else:
            text = column.write(run, now)
            tone = "quiet" if text == NOTHING or column.title == "age" else "plain"
            cells.append(Cell(fit(text, column.width, align=column.align, ascii_only=ascii_only), tone))
    return cells


def _bar_cells(run: RunSummary, width: int, ascii_only: bool) -> list[Cell]:
    """A thin bar of what is done, and the figure."""
    done = progress(run)
    if done is None:
        return [Cell(" " * width, "quiet")]
    full = math.floor(done * _BAR_CELLS)
    on, off = ("=", ".") if ascii_only else ("\u2501", "\u2500")
    percent = f"{math.floor(100 * done)}%".rjust(width - _BAR_CELLS)
    return [Cell(on * full, "bar"), Cell(off * (_BAR_CELLS - full), "rest"), Cell(percent, "quiet")]
