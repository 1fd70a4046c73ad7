"""A run as a row of the list: its cells, exactly as wide as their columns. Pure text, nothing drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from craft.analysis.numbers import NOTHING, fit_figure, format_loss
from craft.text import fit, shorten
from workbench.screens.runs.columns import (
    BAR_CELLS,
    COLUMNS,
    Column,
    columns_for,
    gap_for,
    is_starred,
    number,
    phase_word,
    progress,
)

if TYPE_CHECKING:
    from craft.runs.store import RunSummary
    from workbench.screens.runs.arrange import Fold

__all__ = ["QUIET", "TONES", "Cell", "cells_of", "header", "number", "phase_text", "phase_word"]

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

_QUIET_KEYS = ("age", "group", "tag", "experiment")
"""What is no news of a run. So is the last speed of one that is over."""

QUIET = "$foreground 55%"
"""The style of what matters less, for content that a widget renders."""


def phase_text(run: RunSummary, ascii_only: bool) -> str:
    """Mark and word."""
    mark = PHASE_MARKS.get(phase_word(run), "?")
    return f"{ASCII_MARKS.get(mark, mark) if ascii_only else mark} {phase_word(run)}"


def header(
    width: int,
    longest_name: int,
    ascii_only: bool,
    columns: Sequence[Column] = COLUMNS,
    sort: str = "",
    turned: bool = False,
) -> list[tuple[str, str]]:
    """The heading, a part a column: its text, and the key that it sorts by. The one that is sorted by has an arrow."""
    name_width, shown = columns_for(width, longest_name, columns)
    arrow = ("v" if turned else "^") if ascii_only else ("\u25be" if turned else "\u25b4")

    def titled(title: str, key: str, width: int) -> str:
        return f"{shorten(title, width - 1, ascii_only=ascii_only)}{arrow}" if sort and key == sort else title

    parts = [(fit(titled("run", "run", name_width), name_width, ascii_only=ascii_only), "run")]
    for column in shown:
        text = titled(column.title, column.key, column.width)
        parts.append((fit(text, column.width, align=column.align, ascii_only=ascii_only), column.key))
    return parts


@dataclass(frozen=True)
class Cell:
    """Text exactly as wide as its column, and its tone: name, quiet, live, warn, good, bad, plain or bar."""

    text: str
    tone: str


def cells_of(
    run: RunSummary,
    now: float,
    name_width: int,
    columns: Sequence[Column],
    ascii_only: bool,
    fact: Callable[[str], str] = lambda key: "",
    *,
    inside: bool = False,
) -> list[Cell]:
    """The row of one run. `fact` gives what files say; `inside`: it stands below the line of its group."""
    word = phase_word(run)
    star = ("* " if ascii_only else "\u2605 ") if is_starred(run) else ""
    name = f"{'  ' if inside else ''}{star}{run.name}"
    cells = [Cell(fit(name, name_width, ascii_only=ascii_only), "name")]
    for column in columns:
        if column.key == "phase":
            text = fit(phase_text(run, ascii_only), column.width, ascii_only=ascii_only)
            cells.append(Cell(text, TONES.get(word, "warn")))
        elif column.key == "progress":
            cells.extend(_bar_cells(progress(run), column.width, ascii_only))
        else:
            text = column.write(run, now) if column.write else fact(column.key)
            is_quiet = column.key in _QUIET_KEYS or (column.key == "speed" and not run.observed.is_live)
            tone = "quiet" if text == NOTHING or is_quiet else "plain"
            cells.append(Cell(_fitted(text, column, ascii_only), tone))
    return cells


def cells_of_group(group: Fold, now: float, name_width: int, columns: Sequence[Column], ascii_only: bool) -> list[Cell]:
    """The line of a group: how many runs, how far they are together, and the best of them."""
    count = len(group.runs)
    mark = ("+ " if group.folded else "- ") if ascii_only else ("\u25b8 " if group.folded else "\u25be ")
    cells = [Cell(fit(f"{mark}{group.name}", name_width, ascii_only=ascii_only), "name")]
    for column in columns:
        if column.key == "progress":
            cells.extend(_bar_cells(group.progress, column.width, ascii_only))
            continue
        text = {
            "phase": group.state,
            "step": f"{count} run{'s' * (count != 1)}",
            "val/loss": format_loss(group.best) if group.best is not None else "",
            "best": format_loss(group.best) if group.best is not None else "",
        }.get(column.key, "")
        tone = "live" if column.key == "phase" and group.live else "quiet" if column.key != "val/loss" else "plain"
        cells.append(Cell(_fitted(text, column, ascii_only), tone))
    return cells


def _fitted(text: str, column: Column, ascii_only: bool) -> str:
    text = fit_figure(text, column.width) if column.align == "right" else text
    return fit(text, column.width, align=column.align, ascii_only=ascii_only)


def _bar_cells(done: float | None, width: int, ascii_only: bool) -> list[Cell]:
    """A thin bar of what is done, and the figure."""
    if done is None:
        return [Cell(" " * width, "quiet")]
    full = math.floor(done * BAR_CELLS)
    on, off = ("=", ".") if ascii_only else ("\u2501", "\u2500")
    percent = f"{math.floor(100 * done)}%".rjust(width - BAR_CELLS)
    return [Cell(on * full, "bar"), Cell(off * (BAR_CELLS - full), "rest"), Cell(percent, "quiet")]


def gap_after(width: int, cell: Cell) -> int:
    """Blanks behind a cell: none inside the bar."""
    return 0 if cell.tone in ("bar", "rest") else gap_for(width)
