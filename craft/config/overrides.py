"""`path=value` on the command line: the last layer of every experiment that is planned."""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Sequence
from typing import Any

from craft.config import fields
from craft.config.check import Problems, dotted
from craft.config.document import beyond_limits, is_unicode
from craft.config.tree import Source, Tree, branch, merge

Path = tuple[str, ...]


def read_overrides(overrides: Sequence[str], problems: Problems) -> tuple[Tree, list[Path]]:
    """The settings that `path=value` texts make, left to right, and their paths; problems are added.

    A value is read as TOML; what is not TOML, or would be a date, is a text.
    """
    tree: Tree = {}
    paths: list[Path] = []
    for text in overrides:
        key, equals, written = text.partition("=")
        path = _read_key(key)
        source = Source("command line", None, path)
        if not equals or not path:
            shown = text if len(text) <= 80 else text[:80] + "..."
            problems.at(source, f"'{shown}' is not path=value", hint="such as optimizer.lr=3e-4")
        elif path[0] in fields.INSTRUCTIONS:
            problems.at(source, "belongs in the file", path=dotted(path), hint="an override gives a setting a value")
        elif not fields.exists(path):
            problems.at(source, "unknown key", path=dotted(path), hint=fields.hint_for(path))
        elif not is_unicode(written):
            problems.at(source, "the value is not Unicode text", path=dotted(path))
        else:
            tree = merge(tree, branch(path, read_value(written), source))
            paths.append(path)
    return tree, paths


def _read_key(key: str) -> Path:
    """The parts of a TOML key; empty when it is none. Commas and line ends would smuggle in other keys."""
    try:
        document: Any = tomllib.loads(f"{key.strip()} = 0") if len(key) <= 200 else {}
    except (tomllib.TOMLDecodeError, ValueError):
        return ()
    path: Path = ()
    while isinstance(document, dict) and len(document) == 1:
        ((name, document),) = document.items()
        path = (*path, name)
    return path if document == 0 else ()


def read_value(written: str) -> Any:
    """A value as a person types it into a shell: TOML, else a text."""
    try:
        document = tomllib.loads(f"value = {written}")
    except (ValueError, RecursionError):
        return written
    value = document["value"]
    # A line end could begin another key; a date fits no setting, but a name such as 2026-11-21 may be meant.
    is_date = isinstance(value, datetime.date | datetime.time)
    if len(document) > 1 or is_date or any(beyond_limits(document)):
        return written
    return value
