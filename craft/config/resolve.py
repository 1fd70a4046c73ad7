"""The order of the layers: defaults < extends, left to right < unset < own table < sweep < command line.

Each layer is laid on what lies there already. A parent brings all of its own layers but the defaults, in its
own order; its `sweep`, `description` and `why` stay behind. What a parent unset is gone for its children, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from craft.config import fields
from craft.config.check import Problems, dotted
from craft.config.faults import found
from craft.config.tree import Source, Tree, leaves_of, merge, without

MAX_LAYERS = 500
"""Tables that one experiment is made of: parents that share parents double at every step."""
MAX_DEPTH = 100
"""Parents of parents."""

Path = tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """A template or an experiment as it is written."""

    name: str
    kind: Literal["template", "experiment"]
    source: Source
    """Its own table."""
    body: Tree
    """Its settings."""
    extends: tuple[tuple[str, Source], ...]
    unset: tuple[Path, ...]
    sweep: Any
    """Its sweep as it is written; None without one."""
    sound: bool
    """Whether its instructions could be read."""


def read_entry(
    name: str, kind: Literal["template", "experiment"], table: Any, source: Source, problems: Problems
) -> Entry:
    """Read one template's or experiment's table; what is wrong with its instructions is added to `problems`."""
    before = len(problems)
    if not isinstance(table, dict):
        hint = f"write [{kind}.NAME]" if name in fields.sections() + fields.INSTRUCTIONS else ""
        problems.at(source, f"must be a table, found {found(table)}", hint=hint)
        return Entry(name, kind, source, {}, (), (), None, sound=False)
    extends = _texts(table, "extends", source, problems)
    unset: list[Path] = []
    for text, place in _texts(table, "unset", source, problems):
        path = tuple(text.split("."))
        if fields.exists(path):
            unset.append(path)
        else:
            problems.at(place, f"unknown setting '{text[:80]}'", path="unset", hint=fields.hint_for(path))
    settings = {key: value for key, value in table.items() if key not in fields.INSTRUCTIONS}
    body = leaves_of(settings, source)
    sound = len(problems) == before
    return Entry(name, kind, source, body, tuple(extends), tuple(unset), table.get("sweep"), sound)


def _texts(table: dict[str, Any], key: str, home: Source, problems: Problems) -> list[tuple[str, Source]]:
    """The texts of an array, or the one text, with their places."""
    value = table.get(key, [])
    source = home._replace(path=(*home.path, key))
    if isinstance(value, str):
        return [(value, source)]
    if not isinstance(value, list):
        problems.at(source, f"must be a string or an array of strings, found {found(value)}", path=key)
        return []
    texts = []
    for i, text in enumerate(value):
        place = source._replace(path=(*source.path, i))
        if isinstance(text, str):
            texts.append((text, place))
        else:
            problems.at(place, f"must be a string, found {found(text)}", path=dotted((key, i)))
    return texts


class Resolver:
    """Lays the layers of each entry on each other."""

    def __init__(self, defaults: Tree, entries: Mapping[str, Entry], problems: Problems) -> None:
        self._defaults, self._entries, self._problems = defaults, entries, problems
        self._sound: dict[str, bool] = {}

    def resolve(self, entry: Entry) -> Tree | None:
        """All settings of an entry; None, and a problem added, when its parents cannot be followed."""
        if not self._follow(entry.name, ()):
            return None
        self._left = MAX_LAYERS
        tree = self._lay(self._defaults, entry, own=True)
        if self._left < 0:
            message = f"leads to more than {MAX_LAYERS} tables"
            self._problems.at(entry.extends[0][1], message, path="extends", hint="let parents share fewer parents")
            self._sound[entry.name] = False  # those that build on it need not say so again
            return None
        return tree

    def _lay(self, tree: Tree, entry: Entry, *, own: bool) -> Tree:
        self._left -= 1
        if self._left < 0:
            return tree
        for parent, _ in entry.extends:
            tree = self._lay(tree, self._entries[parent], own=False)
        for path in entry.unset:
            tree = without(tree, path)
        body = entry.body
        if not own:
            body = {key: node for key, node in body.items() if key not in fields.NOT_INHERITED}
        return merge(tree, body)

    def _follow(self, name: str, trail: tuple[str, ...]) -> bool:
        """Whether all parents of `name` exist, are sound, and lead to an end; adds a problem where not."""
        if name in self._sound:
            return self._sound[name]
        entry = self._entries[name]
        sound = entry.sound
        for parent, place in entry.extends:
            if parent not in self._entries:
                hint = fields.suggestion(parent, self._entries)
                self._problems.at(place, f"no template or experiment '{parent[:80]}'", path="extends", hint=hint)
                sound = False
            elif parent == name or parent in trail:
                circle = [*trail, name][[*trail, name].index(parent) :]
                message = f"goes in a circle: {' -> '.join([*circle, parent])}"
                self._problems.at(place, message, path="extends")
                sound = False
            elif len(trail) >= MAX_DEPTH:
                message = f"leads through more than {MAX_DEPTH} parents"
                self._problems.at(place, message, path="extends")
                sound = False
            elif not self._follow(parent, (*trail, name)):
                sound = False
        self._sound[name] = sound
        return sound
