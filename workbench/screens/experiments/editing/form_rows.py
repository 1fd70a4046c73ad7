"""What the form shows of one template or experiment: each setting with its value, where that comes from, and what it
would be without the table's own line.

Imports pydantic, and reads the whole text: for threads. A `Form` never changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from craft.config import fields
from craft.config.check import Problems
from craft.config.document import Document, read_document
from craft.config.editable import ABSENT
from craft.config.faults import value_at
from craft.config.own_settings import OwnType
from craft.config.resolve import Resolver
from craft.config.schema import ExperimentConfig
from craft.config.schema.model import PRESETS
from craft.config.structure import Structure, read_structure
from craft.config.toml_values import dotted
from craft.config.tree import Leaf, Source, Tree, branch, find, merge
from craft.errors import ConfigError, Problem
from workbench.screens.experiments.editing.facts import facts_of
from workbench.screens.experiments.editing.form_model import Form, KeyPath, Row, faults_by_path, words_on
from workbench.screens.experiments.editing.form_sweep import label_of, overridden, place_in_file, sweep_rows
from workbench.screens.experiments.editing.own import OwnTypes

_NONE: Mapping[str, OwnType] = {}


def read_form(
    path: Path, text: str, kind: str, name: str, problems: Sequence[Problem] = (), known: Mapping[str, OwnType] = _NONE
) -> Form:
    """The form of a template, an experiment or the defaults in `text`. Nothing is raised: see `fault`.

    `problems` are those of the whole text, for what the schema does not see of one table alone; `known` is what was
    found out about classes of the person's own.
    """
    try:
        document = read_document(path, text)
        structure = read_structure(document, Problems())
    except ConfigError as error:
        first = error.problems[0] if error.problems else None
        said = f"line {first.line}: {first.message}" if first and first.line else first.message if first else str(error)
        return Form(kind, name, text, fault=said, fault_line=first.line if first else 0)
    form = Form(kind, name, text, entries=tuple(structure.entries), own=OwnTypes(structure.own_types, known))
    stands = document  # what the table stands in
    if kind != "defaults":
        entry = structure.entries.get(name)
        if entry is None or entry.kind != kind:
            return replace(form, fault=f"there is no {kind} '{name}' in the file")
        assert entry.source.document is not None
        stands = entry.source.document
    tree, parents = _trees(structure, kind, name)
    reader = _Reader(form, stands, tree, parents, problems)
    form = replace(form, rows=tuple(reader.rows()), tree=tree, types=reader.types)
    return form if stands is document else _only_to_look_at(form, stands)


def _only_to_look_at(form: Form, stands: Document) -> Form:
    """The form of a table that stands in an included file: nothing here changes that."""
    line, other = stands.locate(form.home, key=True)[0], stands.path.name
    rows = (replace(row, line=0, origin=re.sub("^here,", f"{other},", row.origin)) for row in form.rows)
    fault = f"stands in {other}, line {line}, which this file includes"
    return replace(form, rows=tuple(rows), fault=fault)


def _trees(structure: Structure, kind: str, name: str) -> tuple[Tree, Tree]:
    """All settings of a table, and those that it would have without its own."""
    if kind == "defaults":
        return structure.defaults, {}
    entry = structure.entries[name]
    resolver = Resolver(structure.defaults, structure.entries, Problems())
    tree = resolver.resolve(entry)
    if tree is None:  # its parents cannot be followed, which the file's problems say
        return merge(structure.defaults, entry.body), structure.defaults
    return tree, resolver.resolve(replace(entry, body={})) or structure.defaults


class _Reader:
    """Makes the rows of one table."""

    def __init__(self, form: Form, document: Document, tree: Tree, parents: Tree, problems: Sequence[Problem]) -> None:
        self.form, self.document, self.tree, self.parents = form, document, tree, parents
        self.own = form.own
        self.faults = faults_by_path(tree, form.kind, form.own.short)
        self.types: dict[str, str] = {}
        self.overridden = overridden(value_at(document.data, (*form.home, "sweep")))
        where = "defaults" if form.kind == "defaults" else f"{form.kind} '{form.name}'"
        self.said = {
            problem.path: problem.message + (f" ({problem.hint})" if problem.hint else "")
            for problem in problems
            if problem.where == where
        }

    def rows(self) -> Iterator[Row]:
        plain = [name for name in ExperimentConfig.model_fields if name not in fields.sections()]
        if self.form.kind != "defaults":
            yield self.heading("about", "what it builds on and what it is for")
            yield from (self.instruction((name,)) for name in ("extends", "unset"))
            yield from (self.setting((name,), None) for name in plain if name in fields.NOT_INHERITED)
        yield self.heading("general", "what belongs to no section")
        yield from (self.setting((name,), None) for name in plain if name not in fields.NOT_INHERITED)
        for section in fields.sections():
            yield from self.named(section) if section in fields.NAMED else self.section(section)
        if self.form.kind == "experiment":
            yield from self.sweep()

    def heading(self, label: str, note: str, path: KeyPath = ()) -> Row:
        return Row("section", path or (label,), label, note=note, fault=words_on(self.faults.get(path)) if path else "")

    def section(self, section: str) -> Iterator[Row]:
        kind = self.type_of((section,))
        before = self.type_of((section,), self.parents)
        note = self.about((section,), kind)
        if kind and before and kind != before and find(self.parents, (section,)) is not None:
            note = f'replaces the inherited "{before}": nothing of that holds here'
        yield replace(self.heading(section, note, (section,)), value=kind if kind else ABSENT)
        yield from self.keys((section,), kind)

    def named(self, section: str) -> Iterator[Row]:
        about = ExperimentConfig.model_fields[section].description or ""
        yield self.heading(section, about, (section,))
        node = find(self.tree, (section,))
        for name in node if isinstance(node, dict) else ():
            path = (section, name)
            kind = self.type_of(path)
            own, origin = self.origin(path)
            help_text = self.about(path, kind)
            is_on = self.value((*path, "enabled"), kind)[0]
            row = Row("named", path, name, value=is_on, is_own=own, origin=origin, note=help_text)
            row = replace(row, line=self.line_of(find(self.tree, path)))
            yield replace(row, fault=words_on(self.faults.get(path)))
            yield from self.keys(path, kind)
        yield Row("add", (section,), f"add to {section}")

    def about(self, table: KeyPath, kind: str | None) -> str:
        """The first words on a table's type. What is wrong with one's own is known from here on."""
        for fault in self.own.faults(self.tree, table, kind, whole=self.form.kind == "experiment"):
            self.faults.setdefault(tuple(map(str, fault.path)), fault)
        return self.own.about(table[0], kind) if kind else ""

    def keys(self, path: KeyPath, kind: str | None) -> Iterator[Row]:
        cls = fields.class_of(path[0], kind)
        keys = list(cls.model_fields) if cls else []
        if "type" in keys or (not cls and "" not in fields.types_of(path[0])):
            keys = ["type", *(key for key in keys if key != "type")]
        node = find(self.tree, path)
        unknown = [key for key in node if key not in keys] if isinstance(node, dict) else []
        for key in [*keys, *unknown]:
            if key == "arguments" and (own := self.own.of(kind)) is not None and not own.fault:
                yield from self.arguments((*path, key), own, kind)
            else:
                yield self.setting((*path, key), kind)

    def arguments(self, path: KeyPath, own: OwnType, kind: str | None) -> Iterator[Row]:
        """What a class of one's own takes, a row each."""
        node = find(self.tree, path)
        if not isinstance(node, dict | None):
            yield self.setting(path, kind)  # no table: that is said there
            return
        for name in dict.fromkeys((*own.properties(path[0]), *(node or ()))):
            yield self.setting((*path, name), kind)

    def setting(self, path: KeyPath, kind: str | None) -> Row:
        facts = self.own.facts(path, kind)
        value, origin, is_own = self.value(path, kind)
        inherited, source = self.inherited(path, kind)
        if path[-1] == "type" and len(path) > 1 and value is ABSENT and kind:
            value, origin = kind, "default"
        fault = words_on(self.faults.get(path))
        line = self.line_of(find(self.tree, path))
        swept = self.overridden.get(path, "")
        return Row("setting", path, path[-1], facts, value, is_own, origin, line, inherited, source, fault, "", swept)

    def value(self, path: KeyPath, kind: str | None) -> tuple[Any, str, bool]:
        """What holds, where it comes from, and whether that is here."""
        node = find(self.tree, path)
        if node is None:
            return (*self.unset(path, kind, self.tree), False)
        own, origin = self.origin(path)
        return _plain(node), origin, own

    def unset(self, path: KeyPath, kind: str | None, tree: Tree) -> tuple[Any, str]:
        preset = find(tree, ("model", "preset"))
        if path[0] == "model" and len(path) == 2 and isinstance(preset, Leaf) and isinstance(preset.value, str):
            says = PRESETS.get(preset.value, {})
            if path[1] in says:
                return says[path[1]], f"preset {preset.value}"
        facts = self.own.facts(path, kind)
        if facts is None or facts.default is None:
            return ABSENT, ""
        return facts.default, "default"

    def inherited(self, path: KeyPath, kind: str | None) -> tuple[Any, str]:
        """What would hold without the own line, and where that comes from."""
        table = path[:2] if path[0] in fields.NAMED else path[:1]
        other_type = len(path) > 1 and path[-1] != "type" and self.type_of(table, self.parents) not in (None, kind)
        parents: Tree = {} if other_type else self.parents
        node = find(parents, path)
        if path[0] in fields.NOT_INHERITED or node is None:
            return self.unset(path, kind, parents)
        return _plain(node), self.words_on(_first(node))

    def origin(self, path: KeyPath) -> tuple[bool, str]:
        node = find(self.tree, path)
        source = _first(node) if node is not None else None
        if source is None:
            return False, "default"
        home = self.form.home
        own = isinstance(node, Leaf) and source.document is self.document and source.path[: len(home)] == home
        if isinstance(node, dict):
            own = any(s.document is self.document and s.path[: len(home)] == home for s in _sources(node))
        return own, self.words_on(source)

    def line_of(self, node: Leaf | Tree | None) -> int:
        """The line of this file that a node is written in; 0 for none."""
        source = _first(node) if node is not None else None
        return self.document.locate(source.path)[0] if source and source.document is self.document else 0

    def words_on(self, source: Source) -> str:
        """Where something was written: whose table, and the line."""
        if source.document is None:
            return ""
        line = source.document.locate(source.path)[0]
        home = self.form.home
        whose = (
            "here" if source.path[: len(home)] == home else str(source.path[1 if source.path[0] != "defaults" else 0])
        )
        elsewhere = "" if source.document is self.document else f" of {source.document.path.name}"
        return f"{whose}{elsewhere}, line {line}"

    def type_of(self, table: KeyPath, tree: Tree | None = None) -> str | None:
        """The type of a section, or of a named table in one, as it was found."""
        node = find(self.tree if tree is None else tree, (*table, "type"))
        if isinstance(node, Leaf):
            kind = node.value if isinstance(node.value, str) else None
            kind = self.own.short.get(kind, kind) if kind and not fields.class_of(table[0], kind) else kind
        elif table[0] in fields.NAMED:
            kind = table[1] if fields.class_of(table[0], table[1]) else self.own.short.get(table[1])
        elif "" in fields.types_of(table[0]):
            kind = ""
        else:
            kind = fields.default_type(table[0])
        if tree is None and kind is not None:
            self.types[".".join(table)] = kind
        return kind

    # --- instructions ---

    def instruction(self, path: KeyPath) -> Row:
        """A key that is no setting: it stands in the own table or nowhere."""
        place = (*self.form.home, *place_in_file(path))
        written = value_at(self.document.data, place)
        facts = facts_of(path)
        fault = next((words for where, words in self.said.items() if _is_at(where, path)), "")
        label = label_of(path)
        if written is None:
            default = facts.default if facts and facts.default is not None else ABSENT
            return Row("setting", path, label, facts, default, origin="default" * (default is not ABSENT), fault=fault)
        line = self.document.locate(place)[0]
        return Row("setting", path, label, facts, written, True, f"here, line {line}", line, fault=fault)

    def sweep(self) -> Iterator[Row]:
        table = value_at(self.document.data, (*self.form.home, "sweep"))
        note = "one experiment, run at several points" if table is None else ""
        whole = next((words for where, words in self.said.items() if where == "sweep"), "")
        yield Row("section", ("sweep",), "sweep", note=note, fault=whole)
        yield from sweep_rows(table, self.instruction, self.types, self.fault_in_run)

    def fault_in_run(self, path: KeyPath, value: Any) -> str:
        """What the schema has against a value of a listed run; asked where something is wrong with it somewhere."""
        if dotted(path) not in self.said:
            return ""
        tree = merge(self.tree, branch(path, value, Source("command line", None, path)))
        return words_on(faults_by_path(tree, self.form.kind, self.own.short).get(path))


def _is_at(where: str, path: KeyPath) -> bool:
    """Whether a problem's dotted path is that of a row, or of something inside it."""
    shown = dotted(path)
    inner = dotted(path[2:]) if path[:2] == ("sweep", "axes") else shown
    return any(where == one or where.startswith((f"{one}.", f"{one}[")) for one in (shown, inner))


def _plain(node: Any) -> Any:
    return node.value if isinstance(node, Leaf) else {key: _plain(inner) for key, inner in node.items()}


def _sources(tree: Tree) -> Iterator[Source]:
    for node in tree.values():
        if isinstance(node, Leaf):
            yield node.source
        else:
            yield from _sources(node)


def _first(node: Leaf | Tree) -> Source:
    return node.source if isinstance(node, Leaf) else next(_sources(node))
