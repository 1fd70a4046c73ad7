"""A run's definition as it was resolved, with what was changed while it trained; or in what it differs from another's.

The other is the run's parent for a fork, else the newest earlier run of the same experiment, else that of the nearest
experiment that this one extends.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.content import Content

from craft.config.toml_values import dotted, leaves
from craft.errors import RunError
from craft.runs.changes import read_changes
from craft.runs.folder import RunFolder, load_identity
from workbench.actions import bindings_of
from workbench.screens.runs.details.about import plain_value
from workbench.screens.runs.details.text_pane import TextTab
from workbench.widgets.text_lines import Lines, Part, plain

if TYPE_CHECKING:
    from craft.runs.store import RunSummary

Row = list[Part]
_MOST = 1 << 20  # bytes of a definition that are shown
_NOT_THERE = "not there"
_OWN = ("description", "why")
_TOKENS = re.compile(
    r"""(?P<comment>\#.*$)|(?P<string>"(?:[^"\\]|\\.)*"|'[^']*')|(?P<number>\b[-+]?\d[\d_.eE+-]*\b|\btrue\b|\bfalse\b)"""
)
_KEY = re.compile(r"""^(\s*)((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)(\s*=)""")


def toml_line(line: str, *, ascii_only: bool = False) -> Row:
    """A line of TOML with light colours. Wrong ones are shown as they are."""

    def part(text: str, look: str) -> Part:
        return plain(text, look, ascii_only=ascii_only)

    if re.match(r"\s*\[", line):
        return [part(line, "bold")]
    parts: Row = []
    rest = line
    if key := _KEY.match(line):
        parts = [part(key[1], "plain"), part(key[2], "good"), part(key[3], "quiet")]
        rest = line[key.end() :]
    at = 0
    for token in _TOKENS.finditer(rest):
        look = {"comment": "quiet", "string": "name", "number": "number"}[str(token.lastgroup)]
        parts += [part(rest[at : token.start()], "plain"), part(token[0], look)]
        at = token.end()
    return [*parts, part(rest[at:], "plain")]


@dataclass(frozen=True)
class Definition:
    """What was read of a run's definition."""

    rows: list[Row]
    difference: list[Row]
    other: str
    """The run that it is compared with; empty where there is none."""


class DefinitionTab(TextTab):
    """`experiment.toml` of the run, or its difference."""

    BINDINGS = bindings_of("run definition")
    WHAT = "definition line"

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(ascii_only=ascii_only, id=id)
        self._stamp: object = None
        self._definition: Definition | None = None
        self.differs = False

    def begin(self) -> None:
        super().begin()
        self._stamp, self._definition = None, None
        self.differs = self.app.session.get("runs.definition.differs", False)
        self.view.show(Lines(), keep=False)

    def what_to_read(self) -> Any:
        return self._stamp, tuple(self.app.runs), self.app.project.parents

    def read(self, run: RunSummary, wanted: Any) -> Any:
        stamp, runs, parents = wanted
        other, kind = _other_of(run, runs, parents)
        now = [_stamp_of(path) for path in (run.folder.definition, run.folder.changes)], other and other.path
        return None if now == stamp else (now, read_definition(run, other, kind, self.ascii_only))

    def take(self, found: Any) -> None:
        first = self._definition is None
        self._stamp, self._definition = found
        self._list(keep=not first)

    def _list(self, *, keep: bool) -> None:
        if self._definition is None:
            return
        rows = self._definition.difference if self.differs else self._definition.rows
        self.view.empty = "there is no definition here: the folder's experiment.toml is missing"
        self.view.show(Lines(rows), keep=keep)
        self.show_head()

    def head(self) -> Content:
        if self._definition is None:
            return Content("")
        if not self.differs:
            said = (
                f"d shows what differs from {self._definition.other}"
                if self._definition.other
                else "as it was resolved"
            )
            return Content(plain(said, ascii_only=self.ascii_only)[0])
        return Content("what differs; d shows the whole definition")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        return action != "difference" or self._definition is not None

    def action_difference(self) -> None:
        self.differs = not self.differs
        self.app.session.set("runs.definition.differs", self.differs)
        self._list(keep=False)


def _other_of(run: RunSummary, runs: Sequence[RunSummary], parents: Mapping[str, str]) -> tuple[RunFolder | None, str]:
    """The run to compare with, and what it is to this one."""
    if run.parent_run:
        identity, _ = load_identity(run.folder)
        known = identity.fork.get("path") if identity else None
        beside = RunFolder(run.path.with_name(Path(run.parent_run).name))
        is_known = isinstance(known, str) and not beside.path.is_dir()
        return (RunFolder(Path(str(known))) if is_known else beside), "its parent"
    earlier = [one for one in runs if one.experiment == run.experiment and one.created < run.created]
    if earlier:
        return max(earlier, key=lambda one: one.created).folder, "the run of this experiment before it"
    seen, above = {run.experiment}, parents.get(run.experiment)
    while above is not None and above not in seen:
        seen.add(above)
        if found := [one for one in runs if one.experiment == above]:
            newest = max(found, key=lambda one: one.created)
            return newest.folder, f"the newest run of {above}, which {run.experiment} extends"
        above = parents.get(above)
    return None, ""


def read_definition(run: RunSummary, other: RunFolder | None, kind: str, ascii_only: bool) -> Definition:
    """All that the tab shows."""
    text = _text_of(run.folder)
    rows = [toml_line(line, ascii_only=ascii_only) for line in text.splitlines()]
    changes = _change_rows(run.folder, ascii_only)
    if changes:
        rows = [*changes, [], *rows]
    return Definition(rows, _difference_rows(run, other, kind, ascii_only), other.name if other else "")


def _text_of(folder: RunFolder) -> str:
    """What the definition says, as far as it is shown; nothing where there is none."""
    try:
        if not folder.definition.is_file():  # a pipe would never open
            return ""
        with folder.definition.open("rb") as file:
            return file.read(_MOST).decode(errors="replace")
    except OSError:
        return ""


def _change_rows(folder: RunFolder, ascii_only: bool) -> list[Row]:
    try:
        changes = read_changes(folder)
    except RunError as error:
        return [[plain(str(error), "bad", ascii_only=ascii_only)]]
    rows: list[Row] = []
    for change in changes:
        for path, value in change.values.items():
            before = plain_value(change.before[path]) if path in change.before else "?"
            said = f"{path}: {before} -> {plain_value(value)}"
            rows.append([(f"from step {change.step + 1:,} on  ", "quiet"), plain(said, "warn", ascii_only=ascii_only)])
    return [[("changed while it trained", "bold")], *rows] if rows else []


def _difference_rows(run: RunSummary, other: RunFolder | None, kind: str, ascii_only: bool) -> list[Row]:
    if other is None:
        said = "it is the first run of its experiment, and what that extends has none: nothing is before it"
        return [[(said, "quiet")]]
    ours, theirs = settings_of(run.folder), settings_of(other)
    title: Row = [plain(f"against {other.name}, {kind}", "bold", ascii_only=ascii_only)]
    missing = [folder.name for folder, found in ((run.folder, ours), (other, theirs)) if found is None]
    if ours is None or theirs is None:
        said = f"the definition of {' and '.join(missing)} cannot be read"
        return [title, [plain(said, "bad", ascii_only=ascii_only)]]
    paths = [path for path in {**theirs, **ours} if theirs.get(path, _NOT_THERE) != ours.get(path, _NOT_THERE)]
    paths = [path for path in paths if path.partition(".")[0] not in _OWN]
    if not paths:
        return [title, [("no setting differs", "quiet")]]
    width = max(map(len, paths))
    rows = [title, []]
    for path in paths:
        before, now = (found.get(path, _NOT_THERE) for found in (theirs, ours))
        rows.append(
            [
                plain(path.ljust(width) + "  ", "good", ascii_only=ascii_only),
                plain(plain_value(before), "quiet", ascii_only=ascii_only),
                ("  ->  ", "quiet"),
                plain(plain_value(now), "number", ascii_only=ascii_only),
            ]
        )
    return rows


def settings_of(folder: RunFolder) -> dict[str, Any] | None:
    """Every setting of a resolved definition by its path, as the file has it; None when it cannot be read."""
    try:
        document = tomllib.loads(_text_of(folder))
        (table,) = document["experiment"].values()
        return {dotted(path): value for path, value in leaves(table).items()}
    except (OSError, ValueError, KeyError, AttributeError, RecursionError, OverflowError):
        return None


def _stamp_of(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
