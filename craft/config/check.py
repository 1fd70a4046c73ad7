"""From merged settings to a checked definition, and from faults to the places where they were written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice

from pydantic import ValidationError

from craft.config import fields
from craft.config.document import problem_at
from craft.config.faults import Fault, faults_of, sections_of_unknown_type, type_faults
from craft.config.positions import Path as KeyPath
from craft.config.schema import ExperimentConfig
from craft.config.toml_values import write_key
from craft.config.tree import Leaf, Source, Tree, find, leaves, plain
from craft.errors import ConfigError, Problem

_MOST = 200  # sections of one definition that are found to have no type we know
_SHOWN = 120  # characters of a dotted path that a message shows


def check(tree: Tree, own_types: Mapping[str, str]) -> tuple[ExperimentConfig | None, list[Fault]]:
    """The definition that these settings make, or what is wrong with them.

    `own_types` are those of the file's plugins, "module:Class" by short name.
    """
    values = plain(tree)
    faults = list(islice(type_faults(values, own_types, is_template=False), _MOST))
    try:
        config = ExperimentConfig.model_validate(values)
    except ValidationError as error:
        return None, faults + faults_of(error, values, sections_of_unknown_type(faults))
    return (None, faults) if faults else (config, [])


def check_template(tree: Tree, own_types: Mapping[str, str]) -> list[Fault]:
    """What is wrong with settings that others build on: nothing need be complete, or fit together, yet."""
    untyped = {
        (name,)
        for name, table in tree.items()
        if name in fields.sections()
        and name not in fields.NAMED
        and fields.is_union(name)
        and isinstance(table, dict)
        and not isinstance(table.get("type"), Leaf)
    }
    values = plain(tree)
    faults = list(islice(type_faults(values, own_types, is_template=True), _MOST))
    try:
        ExperimentConfig.model_validate(values)
    except ValidationError as error:
        faults += faults_of(error, values, sections_of_unknown_type(faults) | untyped)
    for (name,) in sorted(untyped):
        section = tree[name]
        assert isinstance(section, dict)
        unknown = [(name, key) for key in section if not fields.exists((name, key))]
        faults += [Fault(path, "unknown key", fields.hint_for(path), "key") for path in unknown]
    return [fault for fault in faults if fault.at in ("key", "value") and not _depends_on_type(tree, fault)]


def _depends_on_type(tree: Tree, fault: Fault) -> bool:
    """Whether a key is unknown only because of a type that stands in another table, so that a third may change it."""
    if fault.at != "key" or not fields.exists(tuple(map(str, fault.path))):
        return False
    node, section = find(tree, fault.path), find(tree, fault.path[:-1])
    kind = section.get("type") if isinstance(section, dict) else None
    stands_beside = isinstance(node, Leaf) and isinstance(kind, Leaf) and _home(node.source) == _home(kind.source)
    return not stands_beside


def _home(source: Source) -> tuple[object, ...]:
    """Which template's, experiment's or other table a value was written in."""
    return (source.kind, source.document and source.document.path, _owner(source.path))


class Problems:
    """All that was found wrong so far, each place once."""

    LIMIT = 500
    """With this many the search ends: nobody is helped by more."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], Problem] = {}
        self._shared: dict[tuple[object, ...], list[str]] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, problem: Problem) -> None:
        """Add a problem, or its experiment to one that stands there already.

        Raises ConfigError when LIMIT is reached.
        """
        key = (str(problem.file), problem.line, problem.column, problem.path, problem.message)
        self._found.setdefault(key, problem)
        names = self._shared.setdefault(key, [])
        if problem.experiment and problem.experiment not in names:
            names.append(problem.experiment)
        if len(self._found) >= self.LIMIT:
            self.raise_if_any()

    def at(
        self,
        source: Source,
        message: str,
        *,
        path: str = "",
        hint: str = "",
        key: bool = False,
        where: str | None = None,
        experiment: str = "",
    ) -> None:
        """Add a problem of what is written at `source`; `where` follows from it unless given."""
        path = path if len(path) <= _SHOWN else f"{path[:_SHOWN]}..."
        if source.document is None:
            problem = Problem(None, 0, 0, experiment, path, message, hint=hint, where=where or "")
        else:
            where = _owner(source.path) if where is None else where
            more = {"experiment": experiment, "path": path, "hint": hint, "where": where}
            problem = problem_at(source.document, source.path, message, key=key, **more)
        self.add(problem)

    def add_faults(self, tree: Tree, faults: Iterable[Fault], home: Source, experiment: str) -> None:
        """Add the faults of an experiment's settings; `home` is its own table."""
        for fault in faults:
            source, key = _place(tree, fault, home)
            # Settings that do not fit together need not stand in the table of the experiment that they break;
            # one that is wrong by itself is the fault of the table that it stands in.
            where, broken = None, experiment
            if fault.at in ("section", "missing") or (experiment and _depends_on_type(tree, fault)):
                where = f"experiment '{experiment}'"
            elif source.path[:1] == ("experiment",):
                broken = str(source.path[1])
            path = dotted(fault.path)
            self.at(
                source,
                fault.message,
                path=path,
                hint=fault.hint,
                key=key,
                where=where,
                experiment=broken,
            )

    def all(self) -> list[Problem]:
        """All of them, those of the command line first, then by place."""
        return sorted(map(self._named, self._found), key=_order)

    def broken(self) -> set[str]:
        """The experiments that have a problem, or share one."""
        return {name for names in self._shared.values() for name in names}

    def raise_if_any(self) -> None:
        """Raise ConfigError with all of them."""
        if self._found:
            raise ConfigError(problems=self.all())

    def _named(self, key: tuple[object, ...]) -> Problem:
        """The problem, naming all of several experiments that it breaks."""
        problem, names = self._found[key], self._shared[key]
        if len(names) < 2 or problem.where != f"experiment '{problem.experiment}'":
            return problem
        shown = ", ".join(f"'{name}'" for name in names[:3])
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return replace(problem, where=f"experiments {shown}{more}")


def dotted(path: KeyPath) -> str:
    """A path as a person writes it, elements of arrays as `[2]`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{write_key(part)}" for part in path]
    return "".join(parts).removeprefix(".")


def _order(problem: Problem) -> tuple[str, int, int, str]:
    return (str(problem.file or ""), problem.line, problem.column, problem.path)


def _owner(path: KeyPath) -> str:
    """Whose table a place of a document lies in."""
    if path[:1] in (("template",), ("experiment",)) and len(path) > 1:
        return f"{path[0]} '{path[1]}'"
    return str(path[0]) if path[:1] == ("defaults",) else ""


def _place(tree: Tree, fault: Fault, home: Source) -> tuple[Source, bool]:
    """Where the fault was written, and whether its key is meant and not its value."""
    path = fault.path
    if fault.at == "section":
        return _deciding(tree, fault, home), False
    if fault.at == "missing":
        table = find(tree, path[:-1])
        if isinstance(table, dict) and isinstance(kind := table.get("type"), Leaf):
            return kind.source, False
        path = path[:-1]
    return _source(tree, path, home), fault.at != "value"


def _source(tree: Tree, path: KeyPath, home: Source) -> Source:
    """Where the value or table at `path` was written; for one written nowhere, the experiment's own table."""
    if not path:
        return home
    node = find(tree, path)
    if isinstance(node, dict):
        below = next(leaves(node), None)
        if below is not None:
            rest, leaf = below
            return leaf.source._replace(path=leaf.source.path[: -len(rest)])
    elif node is not None:
        inside = next(i for i in range(len(path), 0, -1) if find(tree, path[: i - 1]) is not node)
        return node.source._replace(path=node.source.path + path[inside:])
    return home._replace(path=home.path + path)


def _deciding(tree: Tree, fault: Fault, home: Source) -> Source:
    """Of several settings that do not fit together, the one that this experiment decided.

    The command line comes before a sweep, a sweep before the experiment's own table, that before what it
    inherits; among equals, the one that the message names first.
    """
    table = find(tree, fault.path)
    words = dict.fromkeys(re.findall(r"\w+", fault.message)) if isinstance(table, dict) else ()
    named = [leaf.source for word in words if isinstance(leaf := find(tree, (*fault.path, word)), Leaf)]
    if not named:
        return _source(tree, fault.path, home)

    def inherited(source: Source) -> int:
        if source.kind != "file":
            return {"command line": 0, "sweep": 1}.get(source.kind, 2)
        return 2 if source.path[: len(home.path)] == home.path else 3

    return min(named, key=inherited)
