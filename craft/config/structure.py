"""What stands at the top of an experiments file and of the files that it includes."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from craft.config import fields
from craft.config.check import Problems, dotted
from craft.config.document import Document, read_document
from craft.config.faults import found
from craft.config.plugins import own_types
from craft.config.positions import Path as KeyPath
from craft.config.resolve import Entry, read_entry
from craft.config.tree import Source, Tree, join, leaves_of, merge
from craft.errors import ConfigError

FORMAT = 1
"""The number that `craft = 1` at the top of a file must have."""
MAX_FILES = 100
_TOP = ("craft", "project", "plugins", "defaults", "template", "experiment")
_PROJECT = ("runs_dir", "include")
# A name becomes a folder's, is matched by globs, and stands before @STEP and beside path=value.
_NAME = re.compile(r"\w[\w.-]{0,63}")


def is_name(text: str) -> bool:
    """Whether an experiment can be called so."""
    return _NAME.fullmatch(text) is not None


@dataclass
class Structure:
    """The parts of a file, with those of the files it includes under them."""

    document: Document
    runs_dir: Path
    defaults: Tree = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    """Templates and experiments by name, in the order of the files."""
    own_types: dict[str, str] = field(default_factory=dict)
    """Types that the file's plugins bring: "module:Class" by their short names."""


def read_structure(document: Document, problems: Problems) -> Structure:
    """Read the top of `document` and of all it includes; what is wrong is added to `problems`."""
    structure = Structure(document, document.folder / "runs")
    if not document.data.keys() & {"craft", "defaults", "template", "experiment"}:
        message = "this is no experiments file: it has neither craft = 1 nor an [experiment.NAME] table"
        problems.at(Source("file", document, ()), message, hint="'craft init' writes one")
        problems.raise_if_any()  # what else it says is meant for somebody else
    for part in _with_includes(document, problems):
        is_main = part is document
        reader = _Reader(part, problems)
        reader.check_top()
        structure.defaults = merge(structure.defaults, reader.defaults())
        for name, table in reader.tables("template"):
            _add(structure, reader.entry("template", name, table), problems)
        if not is_main and "plugins" in part.data:
            reader.wrong(("plugins",), "plugins are named in the file that is run", "move the line there", key=True)
        if is_main:
            structure.runs_dir = reader.runs_dir()
            structure.own_types = reader.own_types()
            for name, table in reader.tables("experiment"):
                _add(structure, reader.entry("experiment", name, table), problems)
    return structure


def _add(structure: Structure, entry: Entry, problems: Problems) -> None:
    other = structure.entries.setdefault(entry.name, entry)
    if other is not entry:
        assert other.source.document
        line, _ = other.source.document.locate(other.source.path, key=True)
        message = f"there is a {other.kind} of this name already"
        problems.at(entry.source, message, hint=f"{other.source.document.path}, line {line}", key=True)


def _with_includes(document: Document, problems: Problems) -> list[Document]:
    """The document after all that it includes, each file once, in the order in which they are laid."""
    ordered: list[Document] = []
    known = {os.path.realpath(document.path)}

    def visit(including: Document) -> None:
        project = including.data.get("project")
        names = project.get("include", []) if isinstance(project, dict) else []
        for i, name in enumerate(names if isinstance(names, list) else []):
            if not isinstance(name, str):
                continue  # said when [project] is checked
            path = Path(os.path.normpath(including.path.parent / name))
            source = Source("file", including, ("project", "include", i))
            try:
                real = os.path.realpath(path)
                if real in known:
                    continue
                if len(known) >= MAX_FILES:
                    problems.at(source, f"leads to more than {MAX_FILES} files", path="project.include")
                    return
                known.add(real)
                included = read_document(path)
            except (ConfigError, ValueError) as error:
                _add_unreadable(error, name, source, problems)
            else:
                visit(included)
                ordered.append(included)

    visit(document)
    return [*ordered, document]


def _add_unreadable(error: Exception, name: str, source: Source, problems: Problems) -> None:
    """A file without a line to show is reported where it is included, any other fault where it stands."""
    for problem in error.problems if isinstance(error, ConfigError) else []:
        if problem.line:
            problems.add(problem)
        else:
            problems.at(source, f"'{name}': {problem.message}", path="project.include", hint=problem.hint)
    if not isinstance(error, ConfigError):
        problems.at(source, f"is not the name of a file: {error}", path="project.include")


class _Reader:
    def __init__(self, document: Document, problems: Problems) -> None:
        self.document, self.problems = document, problems

    def wrong(self, path: KeyPath, message: str, hint: str = "", *, key: bool = False) -> None:
        source = Source("file", self.document, path)
        self.problems.at(source, message, path=dotted(path), hint=hint, key=key, where="")

    def table(self, key: str) -> dict[str, Any]:
        """The table at the top of this name, empty when there is none or it is none."""
        value = self.document.data.get(key, {})
        if isinstance(value, dict):
            return value
        hint = f"write [{key}.NAME]" if key in ("template", "experiment") else ""
        self.wrong((key,), f"must be a table, found {found(value)}", hint)
        return {}

    def check_top(self) -> None:
        data = self.document.data
        for key in data:
            if key not in _TOP:
                self.wrong((key,), "unknown key", self._hint_for_top(key), key=True)
        number = data.get("craft")
        if number is None:
            hint = f"write craft = {FORMAT} in its first line"
            self.wrong((), "the file does not say which format it has", hint)
        elif number != FORMAT or isinstance(number, bool):
            message = f"unknown format: must be {FORMAT}, found {found(number)}"
            self.wrong(("craft",), message, "a newer Craft may know it" if isinstance(number, int) else "")
        project = self.table("project")
        for key in project:
            if key not in _PROJECT:
                self.wrong(("project", key), "unknown key", fields.suggestion(key, _PROJECT), key=True)
        include = project.get("include", [])
        if not isinstance(include, list):
            self.wrong(("project", "include"), f"must be an array of file names, found {found(include)}")
        for i, name in enumerate(include if isinstance(include, list) else []):
            if not isinstance(name, str):
                self.wrong(("project", "include", i), f"must be a string, found {found(name)}")

    def _hint_for_top(self, key: str) -> str:
        if key in fields.legal_keys((), None):
            return "settings of every experiment stand under [defaults], those of one under [experiment.NAME]"
        return fields.suggestion(key, _TOP)

    def runs_dir(self) -> Path:
        """The absolute folder of the runs."""
        name = self.table("project").get("runs_dir", "runs")
        if not isinstance(name, str) or not name or "\0" in name:
            self.wrong(("project", "runs_dir"), f"must be the name of a folder, found {found(name)}")
            name = "runs"
        return Path(join(self.document.folder, name))

    def own_types(self) -> dict[str, str]:
        """The types of the plugins; names that Craft has already are refused."""
        names = self.document.data.get("plugins", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            self.wrong(("plugins",), 'must be an array of file names, such as ["my_models.py"]')
            return {}
        types, faults = own_types(names, self.document.folder)
        for place, fault in faults:
            self.wrong(("plugins", place), fault)
        return types

    def defaults(self) -> Tree:
        table = self.table("defaults")
        for key in (*fields.INSTRUCTIONS, *fields.NOT_INHERITED):
            if key in table:
                hint = "it belongs in a template or an experiment"
                self.wrong(("defaults", key), "cannot be everybody's", hint, key=True)
        own = fields.INSTRUCTIONS + fields.NOT_INHERITED
        table = {key: value for key, value in table.items() if key not in own}
        return leaves_of(table, Source("file", self.document, ("defaults",)))

    def tables(self, kind: Literal["template", "experiment"]) -> list[tuple[str, Any]]:
        return list(self.table(kind).items())

    def entry(self, kind: Literal["template", "experiment"], name: str, table: Any) -> Entry:
        source = Source("file", self.document, (kind, name))
        if not is_name(name):
            hint = "up to 64 letters, digits and . _ -, the first no . or -"
            of = name if kind == "experiment" else ""
            self.problems.at(source, f"'{name[:80]}' cannot be a name", hint=hint, key=True, where=kind, experiment=of)
        return read_entry(name, kind, table, source, self.problems)
