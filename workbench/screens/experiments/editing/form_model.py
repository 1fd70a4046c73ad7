"""What the form shows, as data: a row for each setting, and all of them for one table. Neither ever changes.

Imports pydantic: first from a thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from craft.config import fields
from craft.config.check import check, check_template
from craft.config.editable import ABSENT
from craft.config.faults import Fault
from craft.config.toml_values import same
from craft.config.tree import Source, Tree, branch, merge
from workbench.screens.experiments.editing.facts import Facts
from workbench.screens.experiments.editing.own import OwnTypes

KeyPath = tuple[str, ...]
RowKind = Literal["section", "named", "setting", "add"]


@dataclass(frozen=True)
class Row:
    """One line of the form. `path` begins at the template's or experiment's own table."""

    kind: RowKind
    path: KeyPath
    label: str
    facts: Facts | None = None
    value: Any = ABSENT
    """What holds, from wherever; `ABSENT` where nothing does."""
    is_own: bool = False
    """Whether the table itself writes it."""
    origin: str = ""
    """Where the value comes from, in words."""
    line: int = 0
    """The line of this file that writes it; 0 for none."""
    inherited: Any = ABSENT
    """What would hold without the own line."""
    inherited_from: str = ""
    fault: str = ""
    note: str = ""
    overridden: str = ""
    """That the sweep has other values, in words; empty when it has none."""

    @property
    def differs(self) -> bool:
        """Whether the own value is another than the parent's."""
        inherits = self.path[0] not in (*fields.INSTRUCTIONS, *fields.NOT_INHERITED)
        return self.kind == "setting" and inherits and self.is_own and not same(self.value, self.inherited)

    @property
    def is_set(self) -> bool:
        """Whether any table writes it, own or inherited."""
        return self.is_own or (self.value is not ABSENT and self.origin not in ("default", ""))


@dataclass(frozen=True)
class Form:
    """All rows of one template or experiment, or of the defaults."""

    kind: str
    name: str
    text: str
    rows: Sequence[Row] = ()
    fault: str = ""
    """Why nothing can be edited here."""
    fault_line: int = 0
    types: Mapping[str, str] = field(default_factory=dict)
    """The type of each section, those of callbacks as "callbacks.NAME"."""
    entries: tuple[str, ...] = ()
    """All templates and experiments of the file."""
    tree: Tree = field(default_factory=dict, repr=False)
    own: OwnTypes = field(default_factory=OwnTypes, repr=False)

    @property
    def home(self) -> KeyPath:
        """The path of its table in the file."""
        return ("defaults",) if self.kind == "defaults" else (self.kind, self.name)

    def fault_of(self, path: KeyPath, value: Any) -> str:
        """What the schema would say of a setting with this value; empty when it is fine."""
        if path[0] in fields.INSTRUCTIONS:
            return ""
        tree = merge(self.tree, branch(path, value, Source("command line", None, path)))
        table = path[:2] if path[0] in fields.NAMED else path[:1]
        own = self.own.faults(tree, table, self.types.get(".".join(table)), whole=False)
        found = faults_by_path(tree, self.kind, self.own.short) | {fault.path: fault for fault in own}
        return words_on(found.get(path))


def faults_by_path(tree: Tree, kind: str, own_types: Mapping[str, str]) -> dict[KeyPath, Fault]:
    """What the schema has against the settings of a table, by path."""
    faults = check(tree, own_types)[1] if kind == "experiment" else check_template(tree, own_types)
    found: dict[KeyPath, Fault] = {}
    for fault in faults:
        found.setdefault(tuple(str(part) for part in fault.path if isinstance(part, str)), fault)
    return found


def words_on(fault: Fault | None) -> str:
    """A fault on one line; empty for none."""
    if fault is None:
        return ""
    return fault.message + (f" ({fault.hint})" if fault.hint else "")
