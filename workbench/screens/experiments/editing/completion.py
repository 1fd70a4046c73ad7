"""What could be written where the cursor is: tables, keys of this table and type, values of this key.

Imports pydantic: first from a thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from craft.config import fields
from craft.config.own_settings import OwnType
from craft.config.schema import ExperimentConfig
from craft.config.toml_values import write_key, write_value
from workbench.screens.experiments.editing.facts import PROJECT_KEYS, SWEEP_KEYS, Facts, facts_of
from workbench.screens.experiments.editing.own import OwnTypes
from workbench.screens.experiments.editing.popup import Completion
from workbench.screens.experiments.editing.scan import Path
from workbench.screens.experiments.editing.where import Where

TOP = ("craft", "plugins")
TABLES = ("project", "defaults", "template", "experiment")


@dataclass(frozen=True)
class Names:
    """What a file has of its own: names, and the types of sections where they are known."""

    entries: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    """Of the template or experiment that the cursor is in: the type of each section, "callbacks.NAME" included."""
    own: OwnTypes = field(default_factory=OwnTypes)
    """What the file's plugins bring."""


def completions(where: Where, names: Names, taken: Iterable[str] = ()) -> list[Completion]:
    """What fits here and begins with, or else holds, the word that is typed. `taken` are keys that the table has."""
    taken = set(taken)
    match where.kind:
        case "header":
            found = list(_headers(where.table, names))
        case "key":
            found = [one for one in _keys(where.table, names) if one.text not in taken or one.text == where.word]
        case "value":
            found = list(_values(where, names))
        case _:
            found = []
    word = where.word.lower()
    first = [one for one in found if _bare(one.text).startswith(word)]
    later = [one for one in found if one not in first and word and word in _bare(one.text)]
    first.sort(key=lambda one: _bare(one.text) != word)
    return first + later


def help_at(where: Where, names: Names) -> Facts | None:
    """What the schema says of the setting that the cursor is at."""
    path = where.key
    inside = setting_of(path)
    if inside is None:
        return facts_of(path) if path[:1] in (("project",), ("craft",), ("plugins",)) else None
    if not inside:
        return None
    facts = names.own.facts(_swept(inside), _type_of(_swept(inside), names))
    if facts and _swept(inside) != inside:
        return replace(
            facts, path=inside, what=f"a list of values, each {facts.what}; or {{ low, high, log }}", default=None
        )
    return facts


def setting_of(path: Path) -> Path | None:
    """A path of the file as a path of an experiment; None for one that is in no experiment's table."""
    if path[:1] == ("defaults",):
        return path[1:]
    if path[:1] in (("template",), ("experiment",)) and len(path) > 1:
        return path[2:]
    return None


def _type_of(inside: Path, names: Names) -> str | None:
    if not inside or inside[0] not in fields.sections():
        return None
    section = inside[0]
    if section in fields.NAMED:
        if len(inside) < 2:
            return None
        known = names.types.get(f"{section}.{inside[1]}")
        return known or (inside[1] if fields.class_of(section, inside[1]) else None)
    return names.types.get(section) or fields.default_type(section)


def _headers(table: Path, names: Names) -> Iterator[Completion]:
    if not table:
        yield from (Completion(name) for name in TABLES)
    elif table in (("template",), ("experiment",)):
        yield from (Completion(write_key(name)) for name in names.entries)
    elif (inside := setting_of(table)) is not None:
        if not inside:
            sections = fields.sections()
            yield from (Completion(name, _about((name,), names)) for name in sections)
            if table[0] == "experiment":
                yield Completion("sweep", _about(("sweep",), names))
        elif inside in (("callbacks",), ("metrics",)):
            yield from _kinds(inside[0], names)
        elif inside == ("sweep",):
            yield Completion("axes", _about(("sweep", "axes"), names))


def _kinds(section: str, names: Names) -> Iterator[Completion]:
    for kind in (*fields.types_of(section), *names.own.names(section)):
        if kind != fields.OWN_TYPE:
            yield Completion(kind, names.own.about(section, kind))


def _keys(table: Path, names: Names) -> Iterator[Completion]:
    if not table:
        yield from (Completion(name, _about((name,), names)) for name in TOP)
        return
    if table == ("project",):
        yield from (Completion(name, _about(("project", name), names)) for name in PROJECT_KEYS)
        return
    inside = setting_of(table)
    if inside is None:
        return
    is_experiment = table[0] == "experiment"
    if not inside:
        own = [name for name in ExperimentConfig.model_fields if table[0] != "defaults" or name not in _OWN]
        more = [] if table[0] == "defaults" else ["extends", "unset", *(["sweep"] if is_experiment else [])]
        yield from (Completion(name, _about((name,), names)) for name in [*more, *own])
    elif inside == ("sweep",):
        yield from (Completion(name, _about(("sweep", name), names)) for name in SWEEP_KEYS)
    elif inside[:2] in (("sweep", "axes"), ("sweep", "runs")):
        yield from _settings(inside[2:], names)
    elif inside in (("callbacks",), ("metrics",)):
        yield from _kinds(inside[0], names)
    elif inside[0] in fields.sections() and len(inside) == (2 if inside[0] in fields.NAMED else 1):
        kind = _type_of(inside, names)
        cls = fields.class_of(inside[0], kind)
        classes = [cls] if cls else list(fields.types_of(inside[0]).values())
        for key in dict.fromkeys(key for one in classes for key in one.model_fields):
            yield Completion(key, _about((*inside, key), names))
    elif takes := _takes(inside, names):
        yield from (Completion(key, _about((*inside, key), names)) for key in takes.properties(inside[0]))


def _takes(inside: Path, names: Names) -> OwnType | None:
    """The class whose arguments stand in a table."""
    at = 2 if inside[0] in fields.NAMED else 1
    return names.own.of(_type_of(inside, names)) if inside[at:] == ("arguments",) else None


_OWN = fields.NOT_INHERITED


def _settings(before: Path, names: Names) -> Iterator[Completion]:
    """Paths of settings, from `before` on: for axes of a sweep, and to unset."""
    if before:
        section = before[0]
        if section in fields.sections() and section not in fields.NAMED and len(before) == 1:
            cls = fields.class_of(section, _type_of(before, names))
            classes = [cls] if cls else fields.types_of(section).values()
            for key in dict.fromkeys(key for one in classes for key in one.model_fields):
                yield Completion(key, _about((section, key), names))
        return
    for name in ExperimentConfig.model_fields:
        if name in fields.sections() and name not in fields.NAMED:
            for inside in _settings((name,), names):
                yield Completion(f"{name}.{inside.text}", inside.about)
        elif name not in _OWN:
            yield Completion(name, _about((name,), names))


def _values(where: Where, names: Names) -> Iterator[Completion]:
    inside = setting_of(where.key)
    if inside is None:
        return
    if inside == ("extends",):
        own = where.key[1]
        yield from (Completion(write_value(name)) for name in names.entries if name != own)
    elif inside == ("unset",):
        sections = (Completion(name) for name in fields.sections())
        found = {one.text: one for one in (*_settings((), names), *sections)}
        yield from (Completion(write_value(one.text), one.about) for one in found.values())
    elif inside and (facts := names.own.facts(_swept(inside), _type_of(_swept(inside), names))):
        if facts.shape == "switch":
            yield from (Completion(word, "the default" * (facts.default is (word == "true"))) for word in facts.choices)
            return
        for choice in facts.choices:
            about = (
                names.own.about(inside[0], choice)
                if inside[-1] == "type"
                else "the default" * (choice == facts.default)
            )
            yield Completion(write_value(choice), about)


def _swept(inside: Path) -> Path:
    """The setting whose values stand in an axis of a sweep."""
    return tuple(inside[2:]) if inside[:2] == ("sweep", "axes") and len(inside) > 2 else inside


def _about(path: Path, names: Names) -> str:
    facts = names.own.facts(path, _type_of(path, names))
    return facts.about if facts else ""


def _bare(text: str) -> str:
    return text.strip('"').lower()
