"""An experiments file: reading it whole, and planning runs of what it holds.

document.py   bytes to a TOML document           structure.py   what stands at the top, and includes
tree.py       tables that know their places       resolve.py     the order of the layers
sweep.py      one experiment to many runs         overrides.py   path=value
check.py      settings to a definition, faults to their places (faults.py: faults in words)
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from craft.config import fields
from craft.config.check import Problems, check, check_template, dotted
from craft.config.document import Document, read_document
from craft.config.overrides import read_overrides
from craft.config.resolve import Entry, Resolver
from craft.config.schema import ExperimentConfig
from craft.config.schema.model import PRESETS
from craft.config.structure import Structure, read_structure
from craft.config.sweep import Point, read_sweep
from craft.config.toml_values import write_value
from craft.config.tree import Leaf, Origin, Source, Tree, find, leaves, merge
from craft.errors import ConfigError, Problem
from craft.text import shorten


@dataclass(frozen=True)
class PlannedRun:
    """One run that a file asks for: an experiment, or a point of its sweep."""

    experiment: str
    config: ExperimentConfig
    """The resolved definition; names of files are absolute."""
    group: str | None
    """The sweep that the run belongs to; None for a run by itself."""
    axes: dict[str, Any]
    """What distinguishes the run from the others of its group, by dotted path."""
    source: Path
    """The experiments file, as it was given."""
    tree: Tree = field(repr=False, compare=False)
    """Its settings as they were written, each with its place."""

    @cached_property
    def origins(self) -> dict[str, Origin]:
        """Where each setting of the definition comes from, by dotted path."""
        origins: dict[str, Origin] = {}
        _origins(self.config.model_dump(), (), self.tree, origins)
        return origins


def _origins(values: dict[str, Any], path: tuple[str, ...], tree: Tree, origins: dict[str, Origin]) -> None:
    for key, value in values.items():
        inside = (*path, key)
        if isinstance(value, dict) and value:
            _origins(value, inside, tree, origins)
        else:
            node = find(tree, inside)
            preset = find(tree, ("model", "preset"))
            if node is None and path == ("model",) and key in PRESETS.get(values.get("preset", ""), {}):
                assert isinstance(preset, Leaf), "only a preset that is written says anything"
                origins[dotted(inside)] = _origin(preset.source)._replace(kind="preset")
            else:
                origins[dotted(inside)] = _origin(node.source if isinstance(node, Leaf) else None)


def _origin(source: Source | None) -> Origin:
    if source is None:
        return Origin(None, 0, 0, "default")
    if source.document is None:
        return Origin(None, 0, 0, source.kind)
    line, column = source.document.locate(source.path)
    return Origin(source.document.path, line, column, source.kind)


@dataclass(frozen=True)
class Experiment:
    """A sound experiment of a file, with the points of its sweep; without one, `points` is None."""

    entry: Entry
    tree: Tree
    points: list[Point] | None
    configs: list[ExperimentConfig]
    """One for each point, or the one."""


class ExperimentsFile:
    """A file without faults. `load_experiments` makes it."""

    def __init__(self, structure: Structure, experiments: dict[str, Experiment]) -> None:
        self.path = structure.document.path
        """As it was given."""
        self.text = structure.document.text
        self.runs_dir = structure.runs_dir
        """Absolute."""
        self.names = tuple(experiments)
        """The experiments, in the order of the file."""
        self.templates = tuple(name for name, e in structure.entries.items() if e.kind == "template")
        self._experiments = experiments
        self.own_types = structure.own_types
        """The types that its plugins bring: "module:Class" by their short names."""

    def count(self, name: str) -> int:
        """How many runs an experiment makes; 0 for a name that is none of these."""
        experiment = self._experiments.get(name)
        return 0 if experiment is None else len(experiment.points or (None,))

    def one(self, name: str, place: int = 0) -> PlannedRun:
        """One run of an experiment of the file: itself, or the point of its sweep at this place."""
        experiment = self._experiments[name]
        point = experiment.points[place] if experiment.points else None
        group, axes = (name, point.axes) if point else (None, {})
        return PlannedRun(name, experiment.configs[place], group, axes, self.path, _tree_of(experiment.tree, point))

    def plan(self, selectors: Sequence[str] = (), overrides: Sequence[str] = ()) -> list[PlannedRun]:
        """The runs of the experiments that `selectors` (names and globs; none: all) name, sweeps expanded.

        `overrides` are `path=value` texts. Raises ConfigError, with all problems, for an unknown experiment,
        an override that fits no setting or a swept one, and for definitions that the overrides break.
        """
        problems = Problems()
        names = self._select(selectors, problems)
        settings, paths = read_overrides(overrides, problems)
        planned: list[PlannedRun] = []
        for name in names:
            experiment = self._experiments[name]
            _refuse_swept(experiment, paths, problems)
            for i, point in enumerate(experiment.points or (None,)):
                tree = _tree_of(experiment.tree, point, settings)
                config: ExperimentConfig | None = experiment.configs[i]
                if settings:
                    config, faults = check(tree, self.own_types)
                    problems.add_faults(tree, faults, experiment.entry.source, name)
                if config is not None:
                    group, axes = (name, point.axes) if point else (None, {})
                    planned.append(PlannedRun(name, config, group, axes, self.path, tree))
        problems.raise_if_any()
        return planned

    def _select(self, selectors: Sequence[str], problems: Problems) -> list[str]:
        """The names that the selectors mean, each once, in the order of the file."""
        chosen: set[str] = set()
        for selector in selectors:
            matching = [n for n in self.names if n == selector or fnmatch.fnmatchcase(n, selector)]
            chosen.update(matching)
            if selector in self.templates and not matching:
                hint = "an experiment that extends it does"
                problems.at(_COMMAND_LINE, f"'{selector}' is a template, and a template never runs", hint=hint)
            elif not matching:
                hint = fields.suggestion(selector, self.names, list_them=True)
                problems.at(_COMMAND_LINE, f"no experiment '{selector[:80]}' in {self.path}", hint=hint)
        return [name for name in self.names if name in chosen] if selectors else list(self.names)


_COMMAND_LINE = Source("command line", None, ())


def load_experiments(path: Path) -> ExperimentsFile:
    """Read, resolve and check the experiments file at `path`, sweeps and all.

    Raises ConfigError with every problem that is in it.
    """
    problems = Problems()
    structure, experiments = _read(read_document(path), problems)
    problems.raise_if_any()
    return ExperimentsFile(structure, experiments)


@dataclass(frozen=True)
class Inspection:
    """A text as far as it is sound, for an editor: what stands in it, what is wrong, and what could still run."""

    problems: list[Problem]
    file: ExperimentsFile | None
    """The experiments without a problem; None where the text is not TOML."""
    entries: list[Entry]
    """Templates and experiments, sound or not, in the order of the file and those it includes."""
    broken: frozenset[str]
    """Names of experiments that have a problem; all of them where one is the file's own, and nobody's."""


def inspect_experiments(path: Path, text: str | None = None) -> Inspection:
    """What `load_experiments` would find in the file at `path`, or in `text` as that file's; nothing is raised."""
    problems = Problems()
    try:
        structure, experiments = _read(read_document(path, text), problems)
    except ConfigError as error:
        return Inspection(error.problems, None, [], frozenset())
    broken = problems.broken() | (structure.entries.keys() - experiments.keys())
    if any(is_of_file(problem) for problem in problems.all()):
        broken |= experiments.keys()
    sound = {name: experiment for name, experiment in experiments.items() if name not in broken}
    entries = list(structure.entries.values())
    return Inspection(
        problems.all(),
        ExperimentsFile(structure, sound),
        entries,
        frozenset(entry.name for entry in entries if entry.kind == "experiment" and entry.name in broken),
    )


def is_of_file(problem: Problem) -> bool:
    """Whether a problem is that of no template or experiment: as long as it stands, nothing of the file can be run."""
    return not problem.experiment and not problem.where


def load_sound(path: Path, names: Sequence[str]) -> ExperimentsFile:
    """The sound experiments of the file at `path`, whatever is wrong with others than these names.

    Raises ConfigError with the problems that keep one of them from running.
    """
    found = inspect_experiments(path)
    wrong = found.broken.intersection(names)
    if found.file is None or wrong:
        whose = {f"experiment '{name}'" for name in wrong}
        own = (one for one in found.problems if one.experiment in wrong or one.where in whose or is_of_file(one))
        raise ConfigError(problems=list(own) or found.problems)
    return found.file


def _read(document: Document, problems: Problems) -> tuple[Structure, dict[str, Experiment]]:
    """The structure of a document and its experiments; what is wrong is added to `problems`."""
    structure = read_structure(document, problems)
    resolver = Resolver(structure.defaults, structure.entries, problems)
    defaults = Source("file", document, ("defaults",))
    problems.add_faults(structure.defaults, check_template(structure.defaults, structure.own_types), defaults, "")
    experiments: dict[str, Experiment] = {}
    has_experiments = False
    for name, entry in structure.entries.items():
        has_experiments |= entry.kind == "experiment"
        tree = resolver.resolve(entry)
        if tree is None:
            _check_own_part(entry, structure.own_types, problems)
            continue
        if entry.kind == "template":
            problems.add_faults(tree, check_template(tree, structure.own_types), entry.source, "")
            if entry.sweep is not None:
                sweep, hint = _sweep_of(entry), "it belongs in an experiment"
                problems.at(sweep, "a template never runs, and a sweep is not inherited", hint=hint, key=True)
        elif experiment := _check_experiment(entry, tree, structure.own_types, problems):
            experiments[name] = experiment
    if not has_experiments and not document.data.get("experiment"):
        hint = "it needs an [experiment.NAME] table; 'craft init' writes one"
        problems.at(Source("file", document, ()), "the file has no experiment", hint=hint)
    return structure, experiments


def _check_own_part(entry: Entry, own_types: Mapping[str, str], problems: Problems) -> None:
    """What can be said of a table whose parents cannot be followed: what it writes itself is wrong in any case."""
    experiment = entry.name if entry.kind == "experiment" else ""
    problems.add_faults(entry.body, check_template(entry.body, own_types), entry.source, experiment)
    if entry.sweep is not None:
        read_sweep(entry.sweep, _sweep_of(entry), problems)


def _check_experiment(entry: Entry, tree: Tree, own_types: Mapping[str, str], problems: Problems) -> Experiment | None:
    """The experiment at every point of its sweep; None, and problems added, when one of them is wrong."""
    points: list[Point] | None = None
    if entry.sweep is not None:
        points = read_sweep(entry.sweep, _sweep_of(entry), problems)
        if points is None:  # the experiment itself may be wrong as well
            problems.add_faults(tree, check(tree, own_types)[1], entry.source, entry.name)
            return None
    configs: list[ExperimentConfig] = []
    known: dict[str, Point] = {}
    for point in points or (None,):
        at_point = _tree_of(tree, point)
        config, faults = check(at_point, own_types)
        problems.add_faults(at_point, faults, entry.source, entry.name)
        if config is None:
            continue
        configs.append(config)
        if point and (other := known.setdefault(config.model_dump_json(), point)) is not point:
            _add_repeated(point, other, entry, problems)
    return Experiment(entry, tree, points, configs)


def _sweep_of(entry: Entry) -> Source:
    return entry.source._replace(path=(*entry.source.path, "sweep"))


def _add_repeated(point: Point, other: Point, entry: Entry, problems: Problems) -> None:
    """Add the problem of two points that make the same run, at what the later one says differently."""
    before = {path: leaf.source for path, leaf in leaves(other.settings)}
    own = (leaf.source for path, leaf in leaves(point.settings) if before.get(path) != leaf.source)
    settings = ", ".join(f"{path} = {write_value(value)}" for path, value in point.axes.items())
    message = f"two runs of the sweep are the same: {shorten(settings, 200)}"
    problems.at(next(own, _sweep_of(entry)), message, path="sweep")


def _tree_of(tree: Tree, point: Point | None, overrides: Tree | None = None) -> Tree:
    """The settings at a point of a sweep.

    A point and the overrides touch different settings and are one layer: a type that one of them changes
    does not take the other's settings away.
    """
    return merge(tree, merge(point.settings if point else {}, overrides or {}))


def _refuse_swept(experiment: Experiment, paths: Sequence[tuple[str, ...]], problems: Problems) -> None:
    """Add a problem for each override of a setting that the experiment's sweep decides."""
    if not experiment.points or not paths:
        return
    swept = {path for point in experiment.points for path in point.axes}
    name = experiment.entry.name
    for path in paths:
        shown = dotted(path)
        clash = [axis for axis in swept if f"{axis}.".startswith(f"{shown}.") or f"{shown}.".startswith(f"{axis}.")]
        if clash:
            hint = f"leave the override out, or take {clash[0]} out of the sweep"
            message = f"experiment '{name}' sweeps {clash[0]}, so it cannot be overridden"
            problems.at(_COMMAND_LINE, message, path=shown, hint=hint)
