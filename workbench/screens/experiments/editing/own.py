"""What a file's plugins bring to the form and to completion: their types, and what these take.

Imports pydantic: first from a thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from craft.config import fields
from craft.config.faults import Fault
from craft.config.own_settings import Json, OwnType, argument_faults, words_on
from craft.config.tree import Tree, find, plain
from workbench.screens.experiments.editing.facts import Facts, Shape, class_help, facts_of

KeyPath = tuple[str, ...]
_SHAPES: dict[object, Shape] = {"boolean": "switch", "integer": "number", "number": "number", "string": "text"}
NOT_YET = "not checked: a process is to import it first"


@dataclass(frozen=True)
class OwnTypes:
    """Classes of a person's own, by the names of a file."""

    short: Mapping[str, str] = field(default_factory=dict)
    """What its plugins bring: "module:Class" by short name."""
    known: Mapping[str, OwnType] = field(default_factory=dict)
    """What was found out about them, by "module:Class"."""

    def of(self, kind: str | None) -> OwnType | None:
        """What is known of a type, by its short name or its reference."""
        return self.known.get(self.short.get(kind, kind)) if kind else None

    def names(self, section: str) -> tuple[str, ...]:
        """The short names that fit a section, or may do so as far as is known."""
        if fields.OWN_TYPE not in fields.types_of(section):
            return ()
        free = (name for name in self.short if not fields.class_of(section, name))
        return tuple(name for name in free if (own := self.of(name)) is None or section in own.sections)

    def about(self, section: str, kind: str) -> str:
        """The first words on a type, Craft's or one's own."""
        if ":" not in kind and (kind not in self.short or fields.class_of(section, kind)):
            return class_help(section, kind)
        own = self.of(kind)
        if own is None:
            return NOT_YET
        return own.fault or own.about or f"{own.reference}, which says nothing of itself"

    def facts(self, path: KeyPath, kind: str | None) -> Facts | None:
        """The setting at a path in a section of this type, arguments of one's own included."""
        found = facts_of(path, kind)
        inside = path[2:] if path[0] in fields.NAMED else path[1:]
        if found and inside == ("type",) and (names := self.names(path[0])):
            what = ", ".join((*names, found.what))
            about = self.about(path[0], kind) if kind else found.about
            return replace(found, choices=(*found.choices, *names), what=what, about=about)
        if inside[:1] == ("arguments",) and len(inside) == 2 and (own := self.of(kind)):
            schema = own.properties(path[0]).get(inside[1])
            return found if schema is None else _facts_of_argument(path, schema)
        return found

    def faults(self, tree: Tree, table: KeyPath, kind: str | None, *, whole: bool) -> Iterator[Fault]:
        """What is wrong with a class or its arguments in a table. Unless it is `whole`, more may stand elsewhere."""
        own, node = self.of(kind), find(tree, (*table, "arguments"))
        if own is not None and own.fault:
            yield Fault((*table, "type") if find(tree, (*table, "type")) else table, own.fault)
        elif own is not None and (node is None or isinstance(node, dict)):
            written = plain(node) if isinstance(node, dict) else {}
            found = argument_faults(own, written, (*table, "arguments"))
            yield from (fault for fault in found if whole or fault.at != "missing")


def _facts_of_argument(path: KeyPath, schema: Json) -> Facts:
    default, about = schema.get("default"), str(schema.get("description", ""))
    what = words_on(schema) if schema.keys() & {"enum", "type"} else "a value"
    texts = tuple(one for one in schema.get("enum", ()) if isinstance(one, str))
    if texts and len(texts) == len(schema["enum"]):
        return Facts(path, "choice", what, about, texts, default)
    kind = schema.get("type")
    if kind is None and default is not None:  # nothing is said of it, but it is mostly of its default's kind
        kind = {bool: "boolean", str: "string"}.get(type(default))
    shape = _SHAPES.get(kind, "toml") if isinstance(kind, str) else "toml"
    choices = ("true", "false") if shape == "switch" else ()
    return Facts(path, shape, what, about, choices, default, kind == "integer")
