"""What a person's own class takes, as far as its signature says: found out by a process that imports it, read here.

The arguments are a JSON Schema of one object for each section, for Craft gives other things in each: `properties` by
name, with `type`, `enum`, `items`, `default` and `description` where they are known, `required`, and
`additionalProperties` where the class takes any.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import craft
from craft import platform
from craft.config import fields
from craft.config.faults import Fault, found
from craft.config.plugins import binary_of, code_hash
from craft.config.positions import Path as KeyPath
from craft.config.token_cache import cache_dir

FORMAT = 2
_WORDS = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "string": "a string",
    "array": "an array",
}
Json = dict[str, Any]


@dataclass(frozen=True)
class OwnType:
    """A class, or what is wrong with it."""

    reference: str
    """`module:Class`."""
    sections: tuple[str, ...] = ()
    """Where it can be named as a type; none where nothing says so."""
    about: str = ""
    arguments: Mapping[str, Json] = field(default_factory=dict)
    """By every section that may name it: a function stands in no `sections`."""
    fault: str = ""
    """Why it could not be looked at, in one line."""

    def schema(self, section: str) -> Json:
        """What it takes in a section; an empty one, which refuses nothing, where that is not known."""
        return self.arguments.get(section, {})

    def properties(self, section: str) -> Mapping[str, Json]:
        """The schema of each argument in a section, in their order."""
        found: Mapping[str, Json] = self.schema(section).get("properties", {})
        return found


def argument_faults(own: OwnType, arguments: Mapping[str, Any], at: KeyPath) -> Iterator[Fault]:
    """What is wrong with the `arguments` that stand at a path, which begins with their section."""
    schema, properties = own.schema(str(at[0])), own.properties(str(at[0]))
    for name, value in arguments.items():
        if name not in properties:
            if not schema.get("additionalProperties", True):
                hint = fields.suggestion(name, properties) or f"{own.reference} takes no arguments"
                yield Fault((*at, name), "unknown key", hint, "key")
        elif words := value_fault(properties[name], value):
            yield Fault((*at, name), words, f"as {own.reference} says")
    for name in schema.get("required", ()):
        if name not in arguments:
            yield Fault((*at, name), "missing", f"{own.reference} needs it", "missing")


def value_fault(schema: Json, value: Any) -> str:
    """What is wrong with one argument; empty when nothing is known against it."""
    if "enum" in schema:
        legal = " or ".join(json.dumps(one, ensure_ascii=False) for one in schema["enum"])
        return "" if value in schema["enum"] else f"must be {legal}, found {found(value)}"
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if not kinds or any(_is(value, kind) for kind in kinds):
        return ""
    return f"must be {words_on(schema)}, found {found(value)}"


def words_on(schema: Json) -> str:
    """What an argument may be."""
    if "enum" in schema:
        return " or ".join(str(one) for one in schema["enum"])
    kinds = schema.get("type", [])
    return " or ".join(_WORDS[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds)) or "a value"


def _is(value: Any, kind: str) -> bool:
    match kind:
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "string":
            return isinstance(value, str)
    return isinstance(value, list)


def module_key(module: str, folder: Path) -> str:
    """Changes with the code of a module and of what it imports from beside itself; empty when no file holds it."""
    code, binary = code_hash(module, folder), binary_of(module, folder)
    with contextlib.suppress(OSError):
        if binary is not None:
            found = binary.stat()
            code += f" {binary} {found.st_size} {found.st_mtime_ns}"
    return hashlib.sha256(json.dumps([FORMAT, craft.__version__, module, code]).encode()).hexdigest() if code else ""


def remembered(key: str) -> dict[str, OwnType]:
    """What was found in a module's code before, by reference; nothing under an empty key."""
    if not key:
        return {}
    try:
        stored = json.loads(_place(key).read_bytes())
        return {name: own_type_from(one) for name, one in stored.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def remember(key: str, types: Mapping[str, OwnType]) -> None:
    """Keep it for the next time, besides what is kept; where the cache cannot be written, that costs time only."""
    if not key or not types:
        return
    place, kept = _place(key), {**remembered(key), **types}
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        platform.write_file_atomic(place, json.dumps({name: asdict(one) for name, one in kept.items()}).encode())


def own_type_from(stored: Json) -> OwnType:
    """The same from JSON. Raises KeyError or TypeError."""
    return OwnType(
        str(stored["reference"]),
        tuple(map(str, stored["sections"])),
        str(stored["about"]),
        dict(stored["arguments"]),
        str(stored["fault"]),
    )


def _place(key: str) -> Path:
    return cache_dir() / "own_types" / f"{key}.json"
