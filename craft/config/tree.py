"""Tables whose every value remembers where it comes from, and how they are merged.

A `Tree` is a nested dict that ends in `Leaf`s. Trees share their leaves and are never changed in place, so
one template can lie under a thousand runs.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, Union

from craft.config.document import Document
from craft.config.fields import NAMED
from craft.config.initial_weights import absolute_source
from craft.config.positions import Path as KeyPath
from craft.config.schema.model import said_by_preset

Kind = Literal["default", "preset", "file", "sweep", "command line"]


class Source(NamedTuple):
    """Where a value was written."""

    kind: Kind
    document: Document | None
    """None on the command line."""
    path: KeyPath
    """Its path in the document; on the command line, the setting's own."""


class Origin(NamedTuple):
    """Where a setting of a planned run comes from, for showing it."""

    file: Path | None
    """As it was given; None for the schema's default and for the command line."""
    line: int
    """From 1; 0 without a file."""
    column: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value: a scalar or an array, which replaces and is never merged; or a table with nothing in it."""

    value: Any
    source: Source


Node: TypeAlias = Union["Tree", Leaf]
Tree: TypeAlias = dict[str, Node]

# Names of files: relative to the file they stand in, or to the working directory on the command line.
FILE_SETTINGS = {("data", "path"), ("tokenizer", "path")}


def leaves_of(table: dict[str, Any], source: Source) -> Tree:
    """A table of a document as a tree; `source` is the table's own."""
    kind, document, home = source
    tree: Tree = {}
    for key, value in table.items():
        inside = Source(kind, document, (*home, key))
        tree[key] = _node(value, inside)
    return tree


def _node(value: Any, source: Source) -> Node:
    # An empty tree could not say where it was written.
    return leaves_of(value, source) if isinstance(value, dict) and value else Leaf(value, source)


def branch(path: tuple[str, ...], value: Any, source: Source) -> Tree:
    """The tree that holds nothing but `value` at `path`."""
    node = _node(value, source)
    for key in reversed(path):
        node = {key: node}
    assert isinstance(node, dict)
    return node


def merge(base: Tree, over: Tree, path: tuple[str, ...] = ()) -> Tree:
    """`over` laid on `base`: tables merge, values replace, a section whose type changes is replaced whole.

    Where no type is written yet, naming one changes nothing: what a template says of a section before its
    type is known stays.
    """
    merged = dict(base)
    for key, node in over.items():
        below = base.get(key)
        inside = (*path, key)
        if isinstance(below, dict) and isinstance(node, dict) and not _changes_type(inside, below, node):
            merged[key] = merge(_without_preset(inside, below, node), node, inside)
        elif not (isinstance(below, dict) and isinstance(node, Leaf) and node.value == {}):
            merged[key] = node
    return merged


def _changes_type(path: tuple[str, ...], below: Tree, over: Tree) -> bool:
    has_name = len(path) == 2 and path[0] in NAMED
    if len(path) != 1 and not has_name:
        return False
    new, old = over.get("type"), below.get("type")
    if not isinstance(new, Leaf):
        return False
    # A callback that names no type has its table's name for one.
    before = old.value if isinstance(old, Leaf) else path[1] if has_name else new.value
    return bool(new.value != before)


def _without_preset(path: tuple[str, ...], below: Tree, over: Tree) -> Tree:
    """`below` without what only repeats the preset that `over` changes.

    A resolved definition writes out all that its preset says, and that must not outlive the preset.
    """
    new, old = over.get("preset"), below.get("preset")
    if path != ("model",) or not isinstance(new, Leaf) or not isinstance(old, Leaf) or new.value == old.value:
        return below
    said = said_by_preset(old.value)
    return {
        key: node
        for key, node in below.items()
        if not (isinstance(node, Leaf) and key in said and node.value == said[key])
    }


def without(tree: Tree, path: tuple[str, ...]) -> Tree:
    """The tree with nothing at `path`; unchanged when there is nothing."""
    if path[0] not in tree:
        return tree
    rest = {key: node for key, node in tree.items() if key != path[0]}
    node = tree[path[0]]
    if len(path) > 1:
        return {**tree, path[0]: without(node, path[1:])} if isinstance(node, dict) else tree
    return rest


def find(tree: Tree, path: KeyPath) -> Node | None:
    """What stands at `path`; below an array or a value, that value's leaf; below an empty table, nothing."""
    node: Node = tree
    for key in path:
        if isinstance(node, Leaf):
            return None if node.value == {} else node
        if not isinstance(key, str) or key not in node:
            return None
        node = node[key]
    return node


def leaves(tree: Tree, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Leaf]]:
    """Every leaf with its path, in order."""
    for key, node in tree.items():
        inside = (*path, key)
        if isinstance(node, Leaf):
            yield inside, node
        else:
            yield from leaves(node, inside)


def plain(tree: Tree, path: tuple[str, ...] = ()) -> dict[str, Any]:
    """The values alone, with the names of files made absolute."""
    values: dict[str, Any] = {}
    for key, node in tree.items():
        inside = (*path, key)
        if isinstance(node, dict):
            values[key] = plain(node, inside)
        else:
            value = _absolute(node) if inside in FILE_SETTINGS else node.value
            if inside == ("init_from",):
                value = absolute_source(_folder_of(node), value)
            values[key] = {} if value == {} else value  # the caller's own: types are filled in
    return values


def _folder_of(leaf: Leaf) -> Path:
    document = leaf.source.document
    return document.folder if document else Path.cwd()


def _absolute(leaf: Leaf) -> Any:
    folder = _folder_of(leaf)
    if isinstance(leaf.value, list):
        return [_join_glob(folder, name) for name in leaf.value]
    return _join_glob(folder, leaf.value)


def _join_glob(folder: Path, name: Any) -> Any:
    """`join` for what may be a glob: then brackets and stars in the folder's own name stay what they are.

    A name that begins with "hf:" is one of the hub, and no file's.
    """
    if isinstance(name, str) and name.startswith("hf:"):
        return name
    joined = join(folder, name)
    is_glob = isinstance(name, str) and glob.has_magic(name) and glob.has_magic(str(folder))
    if not is_glob or joined == name or os.path.lexists(joined):
        return joined
    return join(Path(glob.escape(str(folder))), name)


def join(folder: Path, name: Any) -> Any:
    """The absolute name of what `folder` calls `name`; what is no name is left for the schema to refuse."""
    if not isinstance(name, str) or not name or "\0" in name:
        return name
    try:
        home = Path(name).expanduser()
    except RuntimeError:  # "~nobody": an ordinary name, then
        home = Path(name)
    # "..": the folder above the one that a link leads to, as the system would have it.
    return os.path.normpath((folder.resolve() if ".." in home.parts else folder) / home)
