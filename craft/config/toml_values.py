"""Values and keys as TOML writes them, for what goes into a person's file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from craft.config.positions import Path


def dotted(path: Path) -> str:
    """A path as a person writes it."""
    return ".".join(write_key(part) if isinstance(part, str) else str(part) for part in path)


def write_key(name: str) -> str:
    """One part of a key, quoted where it must be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else write_value(name)


def write_value(value: Any) -> str:
    """A TOML literal on one line; a dict becomes an inline table."""
    if isinstance(value, dict):
        inside = ", ".join(f"{write_key(key)} = {write_value(inner)}" for key, inner in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(write_value, value))}]"
    import tomli_w

    return tomli_w.dumps({"value": value}).removeprefix("value = ").rstrip("\n")


def same(a: Any, b: Any) -> bool:
    """Whether two values are written alike: 1, 1.0 and true differ, and NaN equals NaN."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and (repr(a) == repr(b) if isinstance(a, float) else bool(a == b))


def leaves(tree: Mapping[str, Any], inside: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every value in a tree of settings by its path. A table without keys is a value, `{}`."""
    found: dict[tuple[str, ...], Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            found |= leaves(value, (*inside, key))
        else:
            found[(*inside, key)] = value
    return found


def header(path: Path) -> str:
    """What stands between the brackets of a table's header; places in arrays of tables are not written."""
    return dotted(tuple(part for part in path if isinstance(part, str)))


def table_lines(path: Path, table: dict[str, Any]) -> list[str]:
    """A new table and its sub-tables, a header each, with a blank line between them."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    inner = {key: value for key, value in table.items() if isinstance(value, dict)}
    lines = [f"{write_key(key)} = {write_value(value)}" for key, value in plain.items()]
    if lines or not inner:
        lines = [f"[{header(path)}]", *lines]
    for key, value in inner.items():
        lines += [*([""] if lines else []), *table_lines((*path, key), value)]
    return lines
