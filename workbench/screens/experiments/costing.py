"""What a text costs, found out in threads: nothing here touches a widget.

A definition that was looked at before is known by its hash, so that typing in one experiment costs one estimate.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from craft.analysis.numbers import format_count, format_duration
from craft.analysis.past_speed import PastSpeed, past_speeds
from craft.config.check import Problems
from craft.config.definition import definition_hash
from craft.config.experiments import ExperimentsFile, Inspection, PlannedRun, inspect_experiments
from craft.config.own_settings import OwnType
from craft.config.plugins import named_code, needs_import
from craft.config.tree import Source
from craft.errors import CraftError, NotMeasuredError
from craft.launch.costs import Costs, Totals, costs_of, costs_of_all
from craft.launch.dry_run import code_hash_of
from craft.launch.own_code import CodeAsker
from workbench.screens.experiments.editing.own import OwnTypes
from workbench.screens.experiments.rows import Brief, Kind, about_of, concerns

if TYPE_CHECKING:
    from craft.config.resolve import Entry
    from craft.errors import Problem
    from craft.runs.store import RunSummary

_KEPT = 400  # definitions; the figures of one take a few kilobytes
_SERVES = 3.0  # seconds until memory that is free now is asked for anew
_PACE_SERVES = 30.0  # seconds until the pace of runs that train is looked at anew
_MOST_POINTS = 64
"""Runs of a sweep whose costs are added up while somebody types; of larger ones only when they are to be launched."""


@dataclass(frozen=True)
class Weighed:
    """What the costs panel shows of the chosen experiment or template."""

    name: str
    kind: Kind
    version: int
    about: str = ""
    costs: Costs | None = None
    runs: int = 1
    totals: Totals | None = None
    """Of a sweep that is not too large to add up while somebody types."""
    problems: tuple[Problem, ...] = ()
    note: str = ""
    """Why there are no figures."""
    needs_measuring: bool = False
    """Whether a process has to build the model before there are figures."""
    before: Costs | None = None
    """What the figures are compared with."""
    before_name: str = ""


class CostsReader:
    """Inspects texts and finds out costs. Used from several threads."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._known: OrderedDict[str, tuple[float, Costs]] = OrderedDict()
        self._saved: tuple[str, Inspection] | None = None
        self._past: list[PastSpeed] = []
        self._generation = 0  # of what is known about speed
        self._checked: dict[str, list[Problem]] = {}
        self._gave_up: set[str] = set()  # code that could not be imported by a process that lived to tell
        self._unbuildable: dict[str, str] = {}
        self._asker = CodeAsker()
        self._learnt: tuple[float, object] = (0.0, None)
        self._totals: tuple[tuple[str, int], float, Totals] | None = None
        self._lock = threading.Lock()

    @property
    def past(self) -> list[PastSpeed]:
        """What past runs here say about speed."""
        return self._past

    def learn(self, runs: Sequence[RunSummary]) -> bool:
        """Take what these runs say about speed; whether anything new was among it."""
        seen = [(run.name, run.observed.is_live or run.phase) for run in runs]
        # The pace of runs that train moves all the time; it need not be followed step by step.
        if seen == self._learnt[1] and time.monotonic() - self._learnt[0] < _PACE_SERVES:
            return False
        self._learnt = time.monotonic(), seen
        past = past_speeds(runs)
        if past == self._past:
            return False
        with self._lock:
            self._past = past
            self._known.clear()
            self._generation += 1
        return True

    def forget(self) -> None:
        """A dry run measured something, or a file is another: ask anew."""
        with self._lock:
            self._known.clear()
            self._saved = None
            self._generation += 1

    def inspect(self, text: str | None) -> Inspection:
        """What stands in a text, or in the file, and what is wrong with it."""
        found = inspect_experiments(self.file, text)
        return self._with_code_problems(found, self.known_own(found)[0])

    # --- one ---

    def weigh(self, inspection: Inspection, saved: str, name: str, kind: Kind, version: int) -> Weighed:
        """All about one experiment or template. `saved`: the text on disk, to compare with."""
        entry = next((one for one in inspection.entries if one.name == name and one.kind == kind), None)
        problems = tuple(problem for problem in inspection.problems if concerns(problem, name, kind))
        found = Weighed(name, kind, version, problems=problems)
        if inspection.file is None:
            return replace(found, problems=tuple(inspection.problems[:1]))
        if entry is None:
            return replace(found, note="it is not in the text any more")
        found = replace(found, about=about_of(entry.body))
        if kind == "template":
            children = [one.name for one in inspection.entries if any(parent == name for parent, _ in one.extends)]
            by = f"extended by {', '.join(children)}" if children else "nothing extends it yet"
            return replace(found, note=f"a template never runs; {by}")
        if name not in inspection.file.names or name in inspection.broken:
            return replace(found, note="no figures until it is valid")
        file, first = inspection.file, inspection.file.one(name)
        found = replace(
            found,
            about=" - ".join(filter(None, (first.config.description, first.config.why))),
            runs=file.count(name),
        )
        try:
            costs, totals = self._figures(file, name)
        except NotMeasuredError as error:
            words = self._unbuildable.get(_code_key(first), "")
            return replace(found, note=words or str(error), needs_measuring=not words)
        except CraftError as error:
            return replace(found, note=str(error))
        with contextlib.suppress(CraftError):  # what it is compared with may have no figures
            before, before_name = self._before(inspection, saved, entry, first)
            found = replace(found, before=before, before_name=before_name)
        return replace(found, costs=costs, totals=totals)

    def build(self, inspection: Inspection, name: str) -> None:
        """Let a process build the model of an experiment that only its code describes. Takes seconds, once.

        What is wrong with it is remembered, and said by `weigh` from then on.
        """
        if inspection.file is None or name not in inspection.file.names:
            return
        for run in inspection.file.plan([name])[:_MOST_POINTS]:
            try:
                costs_of(run, measure=True)
            except CraftError as error:
                self._unbuildable[_code_key(run)] = str(error)
                return

    def _figures(self, file: ExperimentsFile, name: str) -> tuple[Costs, Totals | None]:
        if not 1 < file.count(name) <= _MOST_POINTS:
            return self.costs(file.one(name)), None
        runs = file.plan([name])
        key = " ".join(definition_hash(run.config) for run in runs)
        with self._lock:
            known, past, generation = self._totals, self._past, self._generation
        if known is None or known[0] != (key, generation) or time.monotonic() - known[1] > 10 * _SERVES:
            known = (key, generation), time.monotonic(), costs_of_all(runs, past)
            with self._lock:
                self._totals = known
        return known[2].largest, known[2]

    def costs(self, run: PlannedRun) -> Costs:
        """The costs of one run, from before where its definition is the same."""
        key = f"{definition_hash(run.config)} {run.source}"
        with self._lock:
            known = self._known.get(key)
            if known is not None and time.monotonic() - known[0] < _SERVES:
                self._known.move_to_end(key)
                return replace(known[1], run=run)
            past, generation = self._past, self._generation
        costs = costs_of(run, past)
        with self._lock:
            if generation != self._generation:
                return costs  # while this was found out, more became known
            self._known[key] = time.monotonic(), costs
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return costs

    def _before(self, inspection: Inspection, saved: str, entry: Entry, run: PlannedRun) -> tuple[Costs | None, str]:
        """The same experiment as it is saved, where that is another definition; else what it extends."""
        hashed = definition_hash(run.config)
        old = self._saved_inspection(saved)
        parents = [name for name, _ in entry.extends]
        parent = parents[-1] if parents else ""
        for file, name, called in ((old.file, entry.name, "saved"), (inspection.file, parent, parent)):
            if file is not None and name in file.names:
                before = file.one(name)
                if definition_hash(before.config) != hashed:
                    return self.costs(before), called
        return None, ""

    def _saved_inspection(self, saved: str) -> Inspection:
        with self._lock:
            if self._saved is not None and self._saved[0] == saved:
                return self._saved[1]
        found = inspect_experiments(self.file, saved)
        with self._lock:
            self._saved = saved, found
        return found

    # --- all ---

    def briefs(self, inspection: Inspection, wanted: Callable[[], bool]) -> Iterator[tuple[str, Brief]]:
        """The few words of each sound experiment; stops when they are no longer `wanted`."""
        for name in inspection.file.names if inspection.file else ():
            if not wanted():
                return
            assert inspection.file is not None
            try:
                yield name, self._brief(inspection.file, name)
            except CraftError:
                yield name, Brief()

    def _brief(self, file: ExperimentsFile, name: str) -> Brief:
        # Of a sweep the first and the last point: its totals are for whoever chooses it.
        count = file.count(name)
        ends = [self.costs(file.one(name, place)) for place in ((0, -1) if count > 1 else (0,))]
        costs = max(ends, key=lambda one: one.fit.needs.high)
        return Brief(short_parameters(costs), costs.fit.word, short_time(costs, count))

    # --- code of a person's own ---

    def known_own(self, inspection: Inspection) -> tuple[dict[str, OwnType], frozenset[str]]:
        """What is known of the classes that a text can name, by "module:Class", and those that nothing is known of."""
        named = _own_references(inspection)
        known = self._asker.known(self._folder, named)
        return known, named - known.keys()

    def describe(self, references: Iterable[str]) -> None:
        """Have processes import these classes to say what they take. Takes seconds; `known_own` knows them then."""
        self._asker.describe(self._folder, references)

    def end(self) -> None:
        """End the process that imports code, if one does; no other is begun."""
        self._asker.end()

    @property
    def _folder(self) -> Path:
        return self.file.absolute().parent

    def unchecked(self, inspection: Inspection) -> frozenset[str]:
        """Experiments that name code which nobody has imported yet to see whether it is right."""
        file = inspection.file
        names = file.names if file is not None else ()
        assert file is not None or not names
        return frozenset(
            name
            for name in names
            if file and needs_import(file.one(name).config) and _code_key(file.one(name)) not in self._checked
        )

    def worth_checking(self, inspection: Inspection, unchecked: frozenset[str]) -> frozenset[str]:
        """Those of them that nobody tried in vain."""
        file = inspection.file
        open_ = unchecked - inspection.broken
        return frozenset(name for name in open_ if file and _code_key(file.one(name)) not in self._gave_up)

    def check_code(self, inspection: Inspection, text: str, names: frozenset[str]) -> None:
        """Have a process import the code that these experiments name. Takes seconds. Raises CraftError."""
        assert inspection.file is not None
        keys = {name: _code_key(inspection.file.one(name)) for name in names}
        try:
            found = self._asker.check(self.file, text, sorted(names))
        except CraftError:
            self._gave_up.update(keys.values())
            raise
        for name, key in keys.items():
            self._checked[key] = [one for one in found if one.experiment == name]

    def _with_code_problems(self, inspection: Inspection, known: Mapping[str, OwnType]) -> Inspection:
        """The inspection with what was found wrong with a person's own code, as far as that is known."""
        file = inspection.file
        found: list[Problem] = []
        for name in file.names if file is not None and (self._checked or known) else ():
            assert file is not None
            run = file.one(name)
            checked = self._checked.get(_code_key(run)) if needs_import(run.config) else []
            found += _problems_of_arguments(run, known) if checked is None else checked
        if not found:
            return inspection
        broken = inspection.broken | {problem.experiment for problem in found}
        return replace(inspection, problems=[*inspection.problems, *found], broken=broken)


def _own_references(inspection: Inspection) -> frozenset[str]:
    """All classes that plugins bring, and that types name."""
    file = inspection.file
    if file is None:
        return frozenset()
    named = (named_code(file.one(name).config).items() for name in file.names)
    return frozenset((*file.own_types.values(), *(own for all_ in named for path, own in all_ if path[-1] == "type")))


def _problems_of_arguments(run: PlannedRun, known: Mapping[str, OwnType]) -> list[Problem]:
    """What is wrong with the arguments of a person's own classes, before a process looked at this definition."""
    problems = Problems()
    own = OwnTypes(known=known)
    for path, reference in named_code(run.config).items():
        if path[-1] == "type":
            table = tuple(str(part) for part in path[:-1])
            faults = list(own.faults(run.tree, table, reference, whole=True))
            problems.add_faults(run.tree, faults, Source("default", None, ()), run.experiment)
    return problems.all()


def _code_key(run: PlannedRun) -> str:
    return f"{definition_hash(run.config)} {code_hash_of(run)}"


def short_parameters(costs: Costs) -> str:
    """The parameters in a few columns; of a range its end."""
    low, high = map(format_count, costs.figures.total_parameters)
    return high if low == high else f"<={high}"


def short_time(costs: Costs, runs: int) -> str:
    """The expected time of so many runs in a few columns; empty where it is unknown."""
    if costs.expected is None:
        return ""
    low, high = costs.expected.seconds
    middle = format_duration(runs * (low + high) / 2).split(" ")[0]
    is_rough = costs.expected.is_about or high > 1.2 * low or runs > 1
    return f"~{middle}" if is_rough else middle
