"""What is wrong with a setting, in words, before it is known where that setting was written."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from craft.config import fields
from craft.config.positions import Path as KeyPath

_SHOWN = 80  # characters of a value that a message shows; a longer one may be a secret, or a whole text
_MOST = 200  # faults of one definition that are put into words


class Fault(NamedTuple):
    """One thing that is wrong with an experiment's settings."""

    path: KeyPath
    message: str
    hint: str = ""
    at: Literal["value", "key", "missing", "section"] = "value"
    """What is at fault: the value, its key, a value that is not there, or several of a section together."""


def faults_of(error: ValidationError, values: dict[str, Any], unchecked: set[KeyPath]) -> list[Fault]:
    """Pydantic's errors in our words; none of sections in `unchecked`, whose type is not known."""
    grouped: dict[KeyPath, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False, include_input=False)[:_MOST]:
        path = _path_in(values, details)
        if not any(path[: len(section)] == section for section in unchecked):
            grouped.setdefault(path, []).append(details)
    faults = []
    for path, alternatives in grouped.items():
        # Of "a text or a list of texts", the list's own faults say more once it is a list.
        if not any(other[: len(path)] == path and other != path for other in grouped):
            faults.append(_fault(path, alternatives, values))
    return faults


def _path_in(values: dict[str, Any], details: ErrorDetails) -> KeyPath:
    """The setting's own path, without the names of types that Pydantic puts into it."""
    loc = list(details["loc"])
    head = loc[0] if loc else ""
    if isinstance(head, str) and head in fields.sections() and fields.is_union(head):
        at = 2 if head in fields.NAMED else 1
        if len(loc) > at:
            del loc[at]
    path: KeyPath = ()
    value: Any = values
    for i, key in enumerate(loc):
        is_last = i == len(loc) - 1
        if isinstance(value, dict) and (key in value or (is_last and details["type"] == "missing")):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            continue  # the name of one alternative, as in ("path", "list[str]", 0)
        path = (*path, key)
    return path


def _fault(path: KeyPath, alternatives: list[ErrorDetails], values: dict[str, Any]) -> Fault:
    first = alternatives[0]
    kind, context = first["type"], first.get("ctx", {})
    value = value_at(values, path)
    table = tuple(str(key) for key in path[:-1])
    section_type = type_in(values, path)
    if kind == "extra_forbidden":
        legal = fields.legal_keys(table, section_type)
        hint = fields.suggestion(str(path[-1]), legal)
        if not table:
            hint = fields.hint_for((str(path[0]),), instructions=True)
        if section_type and fields.exists(tuple(map(str, path))):
            hint = f'type "{section_type}" has no such setting' + (f"; {hint}" if hint else "")
        return Fault(path, "unknown key", hint, "key")
    if kind == "missing":
        needed = f'type "{section_type}" needs it' if len(path) > 1 and section_type else ""
        if len(path) == 1:
            kind = next(iter(fields.types_of(str(path[0]))))
            needed = f'such as {path[0]}.type = "{kind}", or extend a template that has it'
        return Fault(path, "missing", needed, "missing")
    if kind == "value_error":
        is_table = isinstance(value, dict)
        return Fault(path, str(context.get("error", first["msg"])), at="section" if is_table else "value")
    if kind == "string_pattern_mismatch":
        meaning = fields.help_of(tuple(map(str, path)), section_type).rstrip(".")
        return Fault(path, f"{found(value)} does not fit here", meaning)
    wanted = list(dict.fromkeys(_wanted(details) for details in alternatives))
    message = f"must be {' or '.join(wanted)}, found {found(value)}"
    hint = ""
    if kind == "literal_error" and isinstance(value, str):
        near = fields.nearest(value, re.findall(r"'([^']*)'", str(context.get("expected", ""))))
        hint = f"did you mean '{near}'?" if near else ""
    if not hint and isinstance(value, str) and value.lower() in ("true", "false") and "true or false" in message:
        hint = f"TOML writes {value.lower()}, without quotes"
    return Fault(path, message, hint)


_WANTED = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "a string",
    "list_type": "an array",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    # A tag that is there but unknown was said before: here, there is no table that could hold one.
    "union_tag_invalid": "a table",
}


def _wanted(details: ErrorDetails) -> str:
    """What would have been right, to follow "must be"."""
    kind, context = details["type"], details.get("ctx", {})
    if kind in _WANTED:
        return _WANTED[kind]
    match kind:
        case "literal_error":
            return str(context["expected"]).replace("'", '"')
        case "greater_than_equal":
            return f"at least {_bound(context['ge'])}"
        case "greater_than":
            return f"more than {_bound(context['gt'])}"
        case "less_than_equal":
            return f"at most {_bound(context['le'])}"
        case "less_than":
            return f"less than {_bound(context['lt'])}"
        case "too_short":
            return f"an array of at least {context['min_length']}"
        case "too_long":
            return f"an array of at most {context['max_length']}"
    return re.sub(r"^Input should be ", "", details["msg"])


def _bound(bound: int | float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"


def found(value: Any) -> str:
    """A value as a message shows it: as TOML writes it, with what it is; never more than a line's worth."""
    match value:
        case bool():
            return f"{str(value).lower()} (a boolean)"
        case str():
            written = json.dumps(value, ensure_ascii=False)
            if len(written) > _SHOWN:
                return f"a string of {len(value):,} characters"
            return f"{written} (a string)"
        case int():
            return f"{value} (an integer)"
        case float():
            return f"{value:g} (a number)"
        case list():
            return f"an array of {len(value)}"
        case dict():
            return "a table"
        case datetime.date() | datetime.time():
            return f"{value.isoformat()} (a date or time)"
        case None:
            return "nothing"
    return type(value).__name__


def value_at(values: Any, path: KeyPath) -> Any:
    """The value at a path; None where there is none."""
    for key in path:
        try:
            values = values[key]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def type_in(values: dict[str, Any], path: KeyPath) -> str:
    """The type of the section that `path` goes into; empty when it has none."""
    if not path:
        return ""
    section = value_at(values, path[:2] if path[0] in fields.NAMED else path[:1])
    kind = section.get("type") if isinstance(section, dict) else None
    return kind if isinstance(kind, str) else ""


def sections_of_unknown_type(faults: Iterable[Fault]) -> set[KeyPath]:
    """The sections that `type_faults` found fault with: nothing else about them can be said."""
    return {fault.path[:-1] if fault.path[-1] == "type" else fault.path for fault in faults}


def type_faults(values: dict[str, Any], own_types: Mapping[str, str], *, is_template: bool) -> Iterable[Fault]:
    """Sections whose type is missing or unknown. Fills the types that need not be written into `values`, and writes
    types of the person's own, "module:Class" by short name, out. Where Craft has a type of that name, it is Craft's.
    """
    for name in fields.sections():
        table = values.get(name)
        if not isinstance(table, dict):
            continue
        if name in fields.NAMED:
            for key, inner in table.items():
                if isinstance(inner, dict) and "type" in inner:
                    yield from _check_type((name, key), inner, own_types)
                elif isinstance(inner, dict):
                    inner["type"] = key if fields.class_of(name, key) else own_types.get(key, key)
                    if not fields.class_of(name, inner["type"]):
                        known = (*own_types, *fields.types_of(name))
                        hint = fields.suggestion(key, known, list_them=True)
                        hint += "; under another name it needs a type"
                        yield Fault((name, key), f"unknown {name.removesuffix('s')}", hint, "key")
            continue
        if "" in fields.types_of(name):
            continue
        if default := fields.default_type(name):
            table.setdefault("type", default)
        if "type" in table:
            yield from _check_type((name,), table, own_types)
        elif not is_template:
            legal = ", ".join(f'"{kind}"' for kind in fields.types_of(name))
            yield Fault((name, "type"), "missing", f"known: {legal}", "missing")


def _check_type(path: tuple[str, ...], table: dict[str, Any], own_types: Mapping[str, str]) -> Iterable[Fault]:
    kind = table["type"]
    if fields.class_of(path[0], kind):
        return
    if isinstance(kind, str) and kind in own_types and fields.class_of(path[0], own_types[kind]):
        table["type"] = own_types[kind]
        return
    where = (*path, "type")
    if not isinstance(kind, str):
        yield Fault(where, f"must be a string, found {found(kind)}")
    else:
        hint = fields.suggestion(kind, (*own_types, *fields.types_of(path[0])), list_them=True)
        shown = json.dumps(kind, ensure_ascii=False) if len(kind) <= _SHOWN else found(kind)
        yield Fault(where, f"unknown type {shown}", hint)
