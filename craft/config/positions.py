"""Where each key and value of a TOML text stands, by the bytes.

tomllib says what a text means, tree-sitter where: errors point at the place, edits replace exactly its bytes.
A path is a tuple of keys, with a number where it goes into an array: `("experiment", "wide", "model")`,
`("list", 2, "lr")`.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

Path = tuple[str | int, ...]


class Span(NamedTuple):
    """Bytes `start` to `stop` of the text's UTF-8."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One `key = value`."""

    key: Span
    """The key's last part."""
    value: Span
    pair: Span
    """From the first byte of the key to the last of the value."""
    home: Path
    """The table that the line stands in: its header's path, or the inline table's."""
    inline: bool
    """Whether it stands inside an inline table."""
    kind: str
    """tree-sitter's name of the value: "integer", "string", "array", "inline_table", ..."""


@dataclass(frozen=True, slots=True)
class Table:
    """One `[header]` with the lines under it; the text before the first header is the table `()`."""

    header: Span
    """The brackets and what is in them; empty at byte 0 for the table `()`."""
    key: Span
    """The header's last part."""
    entries: tuple[Path, ...]
    """The values that stand directly under the header, in order."""
    end: int
    """Where the last of them, or the header, ends; a comment after it on its line comes later."""


class TomlPositions:
    """Places of a text that tomllib accepts. On any other text it holds what could be made out."""

    def __init__(self, text: str) -> None:
        self.source = text.encode()
        self.entries: dict[Path, Entry] = {}
        self.items: dict[Path, Span] = {}  # elements of arrays that are written as values
        self.tables: dict[Path, Table] = {}
        # Each part of every key and header, as often as it is written.
        self.parts: dict[Path, list[Span]] = {}
        self._line_starts = [0, *(i + 1 for i, byte in enumerate(self.source) if byte == 0x0A)]
        self._root = _parser().parse(self.source).root_node
        self._read()

    @cached_property
    def comments(self) -> list[Span]:
        """Every comment, in order, without the end of its line."""
        found: list[Span] = []
        waiting = [self._root]
        while waiting:
            node = waiting.pop()
            if node.type == "comment":
                # The grammar leaves the carriage return of a Windows line end in the comment.
                written = self.source[node.start_byte : node.end_byte].rstrip(b"\r")
                found.append(Span(node.start_byte, node.start_byte + len(written)))
            waiting.extend(node.named_children)
        return sorted(found)

    def line_column(self, place: Span | int) -> tuple[int, int]:
        """Line and column of a span's first byte, both from 1; a column is one code point."""
        at = place if isinstance(place, int) else place.start
        line = bisect_right(self._line_starts, at)
        before = self.source[self._line_starts[line - 1] : at]
        return line, len(before.decode(errors="replace")) + 1

    def line_text(self, line: int) -> str:
        """A line, counted from 1, without its end."""
        start = self._line_starts[line - 1]
        stop = self._line_starts[line] if line < len(self._line_starts) else len(self.source)
        return self.source[start:stop].decode(errors="replace").rstrip("\r\n")

    def find_key(self, path: Path) -> Span | None:
        """Where this key, or part of a dotted key or header, is written; None when it is written nowhere."""
        if path in self.entries:
            return self.entries[path].key
        if path in self.tables:
            return self.tables[path].key
        return self.parts[path][0] if path in self.parts else self.items.get(path)

    def find_value(self, path: Path) -> Span | None:
        """Where this value is written; for a table with a header, or one that dotted keys make, its key."""
        if path in self.entries:
            return self.entries[path].value
        return self.items.get(path) or self.find_key(path)

    def nearest(self, path: Path, *, key: bool = False) -> Span | None:
        """The place of `path`, its value unless `key`, or else of the nearest table around it; else None."""
        if key and (found := self.find_key(path)):
            return found
        for length in range(len(path), 0, -1):
            found = self.find_value(path) if length == len(path) else self.find_key(path[:length])
            if found:
                return found
        return None

    def _read(self) -> None:
        last_element: dict[Path, int] = {}  # of each array of tables
        top: list[Path] = []
        for node in self._root.named_children:
            if node.type == "pair":
                top.append(self._pair(node, (), inline=False))
            elif node.type in ("table", "table_array_element"):
                self._table(node, last_element)
        entries = tuple(filter(None, top))
        end = self.entries[entries[-1]].pair.stop if entries else 0
        self.tables[()] = Table(Span(0, 0), Span(0, 0), entries, end)

    def _table(self, node: Node, last_element: dict[Path, int]) -> None:
        parts = _key_parts(node.named_children[0])
        path: Path = ()
        for i, (name, span) in enumerate(parts, start=1):
            path = (*path, name)
            self.parts.setdefault(path, []).append(span)
            if path in last_element and i < len(parts):
                path = (*path, last_element[path])
        if not path:
            return
        if node.type == "table_array_element":
            last_element[path] = last_element.get(path, -1) + 1
            path = (*path, last_element[path])
        opening, closing = ("[[", "]]") if node.type == "table_array_element" else ("[", "]")
        brackets = [c for c in node.children if c.type in (opening, closing)]
        header = Span(node.start_byte, brackets[-1].end_byte if brackets else parts[-1][1].stop)
        pairs = [c for c in node.named_children[1:] if c.type == "pair"]
        entries = tuple(filter(None, (self._pair(pair, path, inline=False) for pair in pairs)))
        end = self.entries[entries[-1]].pair.stop if entries else header.stop
        self.tables.setdefault(path, Table(header, parts[-1][1], entries, end))

    def _pair(self, node: Node, home: Path, *, inline: bool) -> Path:
        """Index a `key = value`; returns its path, or () where the text is broken."""
        children = [c for c in node.named_children if c.type not in ("comment", "ERROR")]
        if len(children) < 2:
            return ()
        key, value = children[0], children[1]
        parts = _key_parts(key)
        path = home
        for name, span in parts:
            path = (*path, name)
            self.parts.setdefault(path, []).append(span)
        if not parts:
            return ()
        entry = Entry(parts[-1][1], _span(value), Span(key.start_byte, value.end_byte), home, inline, value.type)
        self.entries.setdefault(path, entry)
        self._inside(value, path)
        return path

    def _inside(self, value: Node, path: Path) -> None:
        if value.type == "inline_table":
            for child in value.named_children:
                if child.type == "pair":
                    self._pair(child, path, inline=True)
        elif value.type == "array":
            elements = [c for c in value.named_children if c.type not in ("comment", "ERROR")]
            for i, element in enumerate(elements):
                self.items[(*path, i)] = _span(element)
                self._inside(element, (*path, i))


@cache
def _parser() -> Parser:
    import tree_sitter_toml  # here, so that a file without faults is read without it
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_toml.language()))


def _span(node: Node) -> Span:
    return Span(node.start_byte, node.end_byte)


def _key_parts(node: Node) -> list[tuple[str, Span]]:
    """Names and places of a key's parts. The grammar nests `a.b.c` to the left: walk down there."""
    parts: list[tuple[str, Span]] = []
    while node.type == "dotted_key" and len(node.named_children) == 2:
        node, last = node.named_children
        parts.append((_key_name(last), _span(last)))
    if node.type in ("bare_key", "quoted_key"):
        parts.append((_key_name(node), _span(node)))
    return parts[::-1]


def _key_name(node: Node) -> str:
    written = (node.text or b"").decode(errors="replace")
    if node.type == "bare_key":
        return written
    try:
        return next(iter(tomllib.loads(f"{written} = 0")))
    except tomllib.TOMLDecodeError:
        return written
