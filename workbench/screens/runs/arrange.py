"""From all runs to the rows that are shown: filtered, sorted, groups folded. Pure; made in a worker thread.

What a filter found of a run is kept for as long as the run is the same: of ten thousand runs a look asks only those
with news.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from craft.text import width_of
from workbench.screens.runs.columns import number, phase_word

if TYPE_CHECKING:
    from craft.analysis.facts import RunFacts
    from craft.analysis.filters import Facts, Filter, Value
    from craft.runs.store import RunSummary

T = TypeVar("T")

TIMED = {"age", "eta", "time"}
"""What changes without any news of a run."""
_BROKEN = ("failed", "interrupted", "damaged", "silent")
_BEGUN = "no run has these words; a figure or a setting goes on with < > = or ~, as val/loss < 1.9"
_NUMBERED = re.compile(r"(\d+)")


@dataclass(frozen=True)
class View:
    """What a person asked to see."""

    words: str = ""
    """A filter as it was typed."""
    typing: bool = field(default=False, kw_only=True)
    """Whether more may come: words that nothing has are then the beginning of an expression."""
    sort: str = ""
    """The figure or setting to sort by; empty: what trains, what waits, then the newest."""
    turned: bool = False
    """The largest first."""
    fold: bool = False
    """The runs of a group as one line."""
    open_groups: frozenset[str] = frozenset()
    """Groups whose runs are shown although groups are folded."""


@dataclass(frozen=True)
class Fold:
    """The line of a group: all runs of it that are let through."""

    name: str
    runs: tuple[RunSummary, ...]
    folded: bool
    best_run: RunSummary
    """The run with the best figure; without any, the first."""

    @property
    def live(self) -> int:
        """How many train."""
        return sum(run.observed.is_live for run in self.runs)

    @property
    def best(self) -> float | None:
        """Its best figure."""
        return number(self.best_run.status.best)

    @property
    def progress(self) -> float | None:
        """The part of all steps that is done."""
        done = [number(run.status.step) or 0.0 for run in self.runs]
        most = [number(run.status.max_steps) or 0.0 for run in self.runs]
        return min(sum(done) / sum(most), 1.0) if sum(most) else None

    @property
    def state(self) -> str:
        """The two phases that matter most, counted."""
        phases = [phase_word(run) for run in self.runs]
        if self.live:
            return f"{self.live} live"
        broken = sum(phase in _BROKEN for phase in phases)
        queued = phases.count("queued")
        if broken:
            return f"{broken} broken"
        return f"{queued} queued" if queued else f"{phases.count('finished')} finished"


@dataclass(frozen=True)
class Row:
    """A line of the list: a run, or a group."""

    run: RunSummary
    """Of a group the best one, whose details are shown."""
    group: Fold | None = None
    inside: bool = False
    """It stands below the line of its group."""

    @property
    def key(self) -> str:
        """What tells it from all others."""
        return f"group {self.group.name}" if self.group else self.run.name

    @property
    def runs(self) -> tuple[RunSummary, ...]:
        """What is acted on."""
        return self.group.runs if self.group else (self.run,)


@dataclass(frozen=True)
class Arranged:
    """The rows, and all that costs time to know of them."""

    view: View
    rows: list[Row]
    keys: list[str]
    shown: int
    """How many runs are let through."""
    longest: int
    """Columns of the longest name."""
    counts: dict[str, int]
    """Of all runs: how many by experiment."""
    fault: str = ""
    """What is wrong with the filter."""
    place: dict[str, int] = field(default_factory=dict)
    """Which row a run or a group is."""


class Arranger:
    """Arranges the runs again and again. Used by one thread at a time."""

    def __init__(self) -> None:
        self._words = ""
        self._filter: Filter | None = None
        self._refused: tuple[str, bool, str, Sequence[RunSummary]] = ("", False, "", ())
        self._lacking: dict[Path, tuple[RunSummary, set[str]]] = {}
        """Names in the refused filter of which a run says nothing."""
        self._through: dict[Path, tuple[RunSummary, bool]] = {}
        self._sort = ""
        self._values: dict[Path, tuple[RunSummary, Value]] = {}
        self._widths: dict[str, int] = {}
        self._runs: Sequence[RunSummary] = ()
        self._arranged: Arranged | None = None

    def arrange(self, runs: Sequence[RunSummary], view: View) -> Arranged:
        """The rows of `runs`; those of before where the filter is at fault, which is said. Never raises."""
        if self._arranged is not None and self._arranged.view == view and self._is_as_before(runs):
            return self._arranged
        fault = self._take_filter(runs, view)
        through = self._let_through(runs) if self._filter is not None and self._words.strip() else list(runs)
        ordered = self._sorted(through, view) if view.sort else through
        rows = self._folded(ordered, view) if view.fold else [Row(run) for run in ordered]
        keys = [row.key for row in rows]
        counts: dict[str, int] = {}
        for run in runs:
            counts[run.experiment] = counts.get(run.experiment, 0) + 1
        longest = max((self._width(row) for row in rows), default=0)
        place = {key: index for index, key in enumerate(keys)}
        arranged = Arranged(view, rows, keys, len(through), longest, counts, fault, place)
        self._runs, self._arranged = runs, arranged
        return arranged

    def _take_filter(self, runs: Sequence[RunSummary], view: View) -> str:
        """Take another filter; the one before stays where the new one is at fault, which is said."""
        if view.words == self._words and self._filter is not None:
            return ""
        words, typing, fault, refused_of = self._refused
        if (words, typing) != (view.words, view.typing):
            self._lacking = {}
        elif fault and _are_same(runs, refused_of):  # others may have what none of those had
            return fault
        from craft.analysis.filters import parse_filter
        from craft.analysis.names import check_names
        from craft.errors import UsageError

        before = self._filter, self._words, self._through
        fault = ""
        try:
            wanted = parse_filter(view.words)
            check_names(view.words, wanted, runs, self._facts_of)
            self._filter, self._words, self._through = wanted, view.words, {}
        except UsageError as error:
            fault = str(error)
        else:
            if view.typing and runs and not self._let_through(runs):
                fault = _BEGUN if self._filter.words() else ""
        if fault:
            self._filter, self._words, self._through = before
        self._refused = view.words, view.typing, fault, runs
        return fault

    def _facts_of(self, run: RunSummary) -> Facts:
        """`facts_of`, but what a run has nothing of is not asked again before there is news of it."""
        known = self._lacking.get(run.path)
        if known is None or known[0] is not run:
            known = self._lacking[run.path] = run, set()
        lacking = known[1]

        def ask(name: str) -> Value:
            value = None if name in lacking else facts_of(run)(name)
            if value is None:
                lacking.add(name)
            return value

        return ask

    def _is_as_before(self, runs: Sequence[RunSummary]) -> bool:
        """Whether no run has news, and nothing that is asked of them changes with time."""
        return not (self._filter is not None and self._filter.names() & TIMED) and _are_same(runs, self._runs)

    def _width(self, row: Row) -> int:
        name = row.group.name if row.group else row.run.name
        found = self._widths.get(name)
        if found is None:
            found = self._widths[name] = width_of(name)
        return found + 2 * (row.group is not None or row.inside)

    def _let_through(self, runs: Sequence[RunSummary]) -> list[RunSummary]:
        assert self._filter is not None
        keeps = not self._filter.names() & TIMED
        before, self._through = self._through, {}
        found = []
        for run in runs:
            known = before.get(run.path)
            if keeps and known is not None and known[0] is run:
                holds = known[1]
            else:
                holds = self._filter.holds(facts_of(run))
            self._through[run.path] = run, holds
            if holds:
                found.append(run)
        return found

    def _sorted(self, runs: Sequence[RunSummary], view: View) -> list[RunSummary]:
        """By a figure or a setting, numbers before texts; those that have none last, whichever way round."""
        if view.sort != self._sort:
            self._sort, self._values = view.sort, {}
        before, self._values = self._values, {}
        for run in runs:
            known = before.get(run.path)
            if known is not None and known[0] is run and view.sort not in TIMED:
                self._values[run.path] = known
            else:
                self._values[run.path] = run, sort_value(run, view.sort)
        return _in_order(runs, lambda run: self._values[run.path][1], view.turned)

    def _folded(self, runs: Sequence[RunSummary], view: View) -> list[Row]:
        """The runs of each group as one line, which stands where the figure that it shows belongs."""
        blocks = _blocks(runs, view.open_groups)
        if view.sort:
            blocks = _in_order(blocks, lambda block: self._value_of(block[0], view.sort), view.turned)
        return [row for block in blocks for row in block]

    def _value_of(self, row: Row, sort: str) -> Value:
        """What a line is sorted by: a group by what stands in its line, or else by the first of its runs."""
        group = row.group
        if group is None:
            return self._values[row.run.path][1]
        if sort in ("val/loss", "best"):
            return group.best
        if sort == "progress":
            return group.progress
        return _natural(group.name) if sort == "run" else self._values[group.runs[0].path][1]


def _are_same(runs: Sequence[RunSummary], others: Sequence[RunSummary]) -> bool:
    return len(runs) == len(others) and all(map(operator.is_, runs, others))


def sort_value(run: RunSummary, name: str) -> Value:
    """The figure or setting that a run is sorted by."""
    if name == "run":
        return _natural(run.name)
    value = facts_of(run)(name)
    return None if isinstance(value, float) and math.isnan(value) else value


def _natural(name: str) -> str:
    """Numbers in names by their value, so that lr-10 comes after lr-9."""
    return "".join(part.zfill(12) if part.isdecimal() else part for part in _NUMBERED.split(name))


def _in_order(items: Iterable[T], value_of: Callable[[T], Value], turned: bool) -> list[T]:
    """Numbers before texts; those that have no value last, whichever way round."""
    valued = [(value_of(item), item) for item in items]
    known = [one for one in valued if one[0] is not None]
    known.sort(key=lambda one: _order(one[0]), reverse=turned)
    return [item for _, item in known] + [item for value, item in valued if value is None]


def facts_of(run: RunSummary) -> RunFacts:
    """What filters and columns ask of a run, with the notes that were read with it."""
    from workbench.screens.runs.facts import ListedFacts

    return ListedFacts(run)


def _order(value: Value) -> tuple[bool, float, str]:
    if isinstance(value, int | float):
        return False, float(value), ""
    return True, 0.0, str(value)


def _blocks(runs: Sequence[RunSummary], opened: frozenset[str]) -> list[list[Row]]:
    """A line for each run or group, with those that stand below it; a group of one is no group."""
    from craft.analysis.facts import best_of

    members: dict[str, list[RunSummary]] = {}
    for run in runs:
        if run.group:
            members.setdefault(run.group, []).append(run)
    blocks: list[list[Row]] = []
    for run in runs:
        group = members.get(run.group or "", [])
        if len(group) < 2:
            blocks.append([Row(run)])
        elif run is group[0] and run.group:
            fold = Fold(run.group, tuple(group), run.group not in opened, best_of(group) or group[0])
            blocks.append([Row(fold.best_run, fold), *(Row(one, inside=True) for one in group if not fold.folded)])
    return blocks
