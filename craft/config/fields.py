"""Which keys and types the schema knows, read from the schema itself."""

from __future__ import annotations

import typing
from collections.abc import Iterable
from functools import cache
from typing import Any

from craft.config.schema import ExperimentConfig
from craft.config.schema.base import Section

OWN_TYPE = "module:Class"
"""Stands for every type that names a person's own class."""
INSTRUCTIONS = ("extends", "unset", "sweep")
"""Keys of an experiment's table that say how to make its definition and are not part of it."""
NAMED = ("callbacks", "metrics")
"""Sections that hold tables by name, each with a type of its own."""
NOT_INHERITED = ("description", "why")
"""Settings that are each experiment's own."""


@cache
def types_of(section: str) -> dict[str, type[Section]]:
    """The classes of a section by their type's name; one that has no types is there as ""."""
    found: dict[str, type[Section]] = {}
    for cls in _classes(ExperimentConfig.model_fields[section].annotation):
        kind = cls.model_fields.get("type")
        names = typing.get_args(kind.annotation) if kind else ("",)
        found[str(names[0]) if names else OWN_TYPE] = cls
    return found


@cache
def default_type(section: str) -> str | None:
    """The type of a section that names none; None when it must name one, or has no types."""
    default = ExperimentConfig.model_fields[section].default
    return getattr(default, "type", None)


@cache
def sections() -> tuple[str, ...]:
    """The settings of an experiment that are tables."""
    return tuple(name for name in ExperimentConfig.model_fields if types_of(name))


def is_union(section: str) -> bool:
    """Whether Pydantic names the type in the path of an error inside this section."""
    return len(types_of(section)) > 1


def class_of(section: str, kind: object) -> type[Section] | None:
    """The class of a section with this type; None for an unknown one."""
    types = types_of(section)
    if "" in types:
        return types[""]
    if not isinstance(kind, str):
        return None
    return types.get(kind) or (types.get(OWN_TYPE) if ":" in kind else None)


def legal_keys(path: tuple[str, ...], kind: object) -> Iterable[str]:
    """Keys that the table at `path` may hold; `kind` is its section's type. Empty when any, or unknown."""
    if not path:
        return (*ExperimentConfig.model_fields, *INSTRUCTIONS)
    inside = 2 if path[0] in NAMED else 1
    cls = class_of(path[0], kind) if path[0] in sections() and len(path) == inside else None
    return cls.model_fields if cls else ()


def exists(path: tuple[str, ...]) -> bool:
    """Whether some type of its section knows the setting at `path`."""
    head, *rest = path
    if head not in ExperimentConfig.model_fields:
        return False
    if head in NAMED:
        rest = rest[1:]
    if not rest:
        return True
    for cls in types_of(head).values():
        field = cls.model_fields.get(rest[0])
        if field and (len(rest) == 1 or (len(rest) == 2 and typing.get_origin(field.annotation) is dict)):
            return True
    return False


def hint_for(path: tuple[str, ...], *, instructions: bool = False) -> str:
    """What was probably meant by a path that does not exist; the type of its section need not be known.

    `instructions`: whether `extends` and the like could have been meant.
    """
    if path[0] not in ExperimentConfig.model_fields:
        inside = [name for name in sections() if name not in NAMED and exists((name, path[0]))]
        if 0 < len(inside) <= 2 and len(path) == 1:
            meant = " or ".join(f"'{name}.{path[0]}'" for name in inside)
            return f"did you mean {meant}?"
        return suggestion(path[0], (*ExperimentConfig.model_fields, *(INSTRUCTIONS if instructions else ())))
    known = dict.fromkeys(key for cls in types_of(path[0]).values() for key in cls.model_fields)
    at = 2 if path[0] in NAMED else 1
    return suggestion(path[at], known) if known and len(path) > at else ""


def help_of(path: tuple[str, ...], kind: object) -> str:
    """The docstring of a setting; empty when it has none."""
    if len(path) == 1:
        field = ExperimentConfig.model_fields.get(path[0])
    else:
        cls = class_of(path[0], kind) if path[0] in sections() else None
        field = cls.model_fields.get(path[-1]) if cls else None
    return (field.description if field else None) or ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be."""
    known = list(known)
    if len(word) > 64 or len(known) > 1_000:  # the comparison takes a while for each, and the square of the length
        return None
    from difflib import get_close_matches

    found = get_close_matches(word, known, n=1)
    return found[0] if found else None


def suggestion(word: str, known: Iterable[str], *, list_them: bool = False) -> str:
    """What to write in place of `word`, for the end of a message."""
    known = list(known)
    near = nearest(word, known)
    parts = [f"did you mean '{near}'?"] if near else []
    if list_them or not near:
        parts += [f"known: {', '.join(known[:12])}{', ...' if len(known) > 12 else ''}"] if known else []
    return " ".join(parts)


def _classes(annotation: Any) -> Iterable[type[Section]]:
    """The section classes in an annotation, however deep in unions, annotations and dicts."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _classes(argument)
