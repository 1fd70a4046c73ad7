"""Edits of a person's file that leave everything else as it is: comments, order, spacing, line ends.

An edit replaces exactly the bytes it is about and is then read back: where the result is not the old document
with that one change, it is refused. A comment inside or behind a replaced or deleted value moves to a line of
its own; only a deleted `[table]` takes the comments between its own lines along.

Texts are the file's own, line ends included: `path.read_bytes().decode()`.
"""

from __future__ import annotations

import copy
from typing import Any

from craft.config.edit_arrays import appending, removing
from craft.config.editable import ABSENT, Change, Editable
from craft.config.positions import Path
from craft.config.toml_values import dotted, same, write_key
from craft.errors import ConfigError

_KINDS = ("experiment", "template")  # what has a name that others extend


def set_value(text: str, path: Path, value: Any) -> str:
    """The text with `value` at `path`, wherever that is written: dotted, inline, under a header, or nowhere.

    A new key goes to the end of its table, a new table after its siblings. A dict becomes a table with a
    header or is merged into one that is there. Raises ConfigError where other places would have to change
    too.
    """
    document = Editable(text)
    old = document.get(path)
    if same(old, value):
        return text
    if old is ABSENT:
        changes = document.insertion(path, value)
    elif document.is_written(path):
        changes = document.rewriting(path, old, value)
    elif isinstance(old, dict) and isinstance(value, dict):
        for key in value:
            text = set_value(text, (*path, key), value[key])
        for key in old.keys() - value.keys():
            text = delete(text, (*path, key))
        after = Editable(text)
        # An empty table that had no header of its own is gone with the last of its keys.
        changes = after.insertion(path, value) if after.get(path) is ABSENT else []
        return after.changed(changes, document.data_with(path, value), path)
    elif isinstance(path[-1], int):
        raise ConfigError(f"{dotted(path)} is one of several [[tables]] and cannot become a plain value")
    else:
        return set_value(delete(text, path), path, value)
    return document.changed(changes, document.data_with(path, value), path)


def delete(text: str, path: Path) -> str:
    """The text without the value or table at `path`. Raises ConfigError when nothing is there.

    Tables that only existed because of what is deleted go too; a header or `{}` that is written stays.
    """
    document = Editable(text)
    if document.get(path) is ABSENT:
        raise ConfigError(f"{dotted(path)} is not in the file, so there is nothing to delete")
    if path in document.positions.items:
        home, left = path[:-1], [v for i, v in enumerate(document.get(path[:-1])) if i != path[-1]]
        if not left:
            return set_value(text, home, left)
        return document.changed(removing(document, path), document.data_with(home, left), path)
    return document.changed(document.deletion(path), document.data_without(path), path)


def append(text: str, path: Path, value: Any) -> str:
    """The text with one more element at the end of the list at `path`, which is begun when there is none.

    Raises ConfigError where something else stands there.
    """
    document = Editable(text)
    old = document.get(path)
    if old is ABSENT:
        return set_value(text, path, [value])
    if not isinstance(old, list):
        raise ConfigError(f"{dotted(path)} is no list, so nothing can be added to it")
    return document.changed(appending(document, path, value), document.data_with(path, [*old, value]), path)


def copy_table(text: str, kind: str, old: str, new: str) -> str:
    """The text with an experiment or template once more under another name, its comments too, below the one.

    Raises ConfigError when there is none, or the new name is taken.
    """
    document = _with_free_name(text, kind, old, new, "copied")
    value = copy.deepcopy(document.get((kind, old)))
    return document.changed(document.copying((kind, old), new), document.data_with((kind, new), value), (kind, old))


def rename_table(text: str, kind: str, old: str, new: str) -> str:
    """The text with an experiment or template renamed in its place, also where other tables extend it.

    Raises ConfigError when there is none, or the new name is taken.
    """
    document = _with_free_name(text, kind, old, new, "renamed")
    changes = [Change(*span, write_key(new)) for span in document.positions.parts[kind, old]]
    data = copy.deepcopy(document.data)
    for child in _KINDS:
        for name, table in data.get(child, {}).items():
            place: Path = (child, name, "extends")
            extends = table.get("extends") if isinstance(table, dict) else None
            for i, parent in enumerate(extends if isinstance(extends, list) else []):
                if parent == old:
                    changes += document.rewriting((*place, i), old, new)
                    table["extends"][i] = new
            if extends == old:
                changes += document.rewriting(place, old, new)
                table["extends"] = new
    data[kind] = {new if name == old else name: table for name, table in data[kind].items()}
    return document.changed(changes, data, (kind, old))


def _with_free_name(text: str, kind: str, old: str, new: str, done: str) -> Editable:
    """The document, when it has what is to be copied or renamed and nothing of the new name yet."""
    document = Editable(text)
    if document.get((kind, old)) is ABSENT:
        raise ConfigError(f"there is no {kind} '{old}' in the file, so it cannot be {done}")
    for other in _KINDS:
        if document.get((other, new)) is not ABSENT:
            raise ConfigError(f"'{old}' cannot be {done} to '{new}': there is already a {other} of this name")
    return document
