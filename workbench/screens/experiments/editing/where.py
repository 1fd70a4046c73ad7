"""Where the cursor is in a TOML text: which table, which key, and what is typed of a word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workbench.screens.experiments.editing.scan import Path, Token, parts_of
from workbench.screens.experiments.editing.text_document import FileDocument

MOST_LINES = 400
"""Lines above the cursor that are looked at for what it stands in."""


@dataclass(frozen=True)
class Where:
    """A place in a text, as far as it can be made out."""

    kind: Literal["header", "key", "value", "nothing"]
    table: Path
    """The table that a key would go into: its header's path, and inline tables and dotted parts before the cursor."""
    key: Path = ()
    """The full path of the key that the cursor is at, or whose value it is at."""
    word: str = ""
    """What stands of the word before the cursor, without its quotes."""
    start: int = 0
    """The column that the word begins at, its quote included."""
    stop: int = 0
    """The column where the word that the cursor is in ends."""
    is_element: bool = False
    """Whether the value stands in an array."""


def where_is(document: FileDocument, row: int, column: int) -> Where:
    """What the cursor at a row and column, both from 0, stands in."""
    line = document.lines[row]
    tokens = document.tokens(row)
    if tokens and tokens[0].kind == "header":
        return _in_header(line, tokens[0], column)
    header = document.table_at(row)
    if any(token.kind == "comment" and token.start < column for token in tokens):
        return Where("nothing", header)
    if document.open_at(row).quotes and tokens and column <= tokens[0].stop:
        return Where("nothing", header)  # inside a text over several lines
    opened: list[tuple[str, Path]] = []  # brackets that are open, with the table or key that they belong to
    key: Path = ()
    is_value = False
    for at in range(_start_of(document, row), row + 1):
        if not opened:
            key, is_value = (), False
        text = document.lines[at]
        for token in document.tokens(at):
            if at == row and token.start >= column:
                break
            written = text[token.start : token.stop]
            home = opened[-1][1] if opened else header
            if at == row and column <= token.stop and token.kind not in ("sign", "comment"):
                return _in_word(written, token, column, home, key, is_value, bool(opened) and opened[-1][0] == "[")
            if token.kind == "key":
                key = (*home, *parts_of(written))
            elif written in ("[", "{"):
                opened.append((written, key))
                is_value = written == "["
            elif written in ("]", "}") and opened:
                key = opened.pop()[1]
                is_value = True
            elif written == "=":
                is_value = True
            elif written == ",":
                is_value = bool(opened) and opened[-1][0] == "["
    home = opened[-1][1] if opened else header
    if is_value:
        done = bool(tokens) and any(t.stop <= column and t.kind in ("text", "number", "word") for t in tokens[-1:])
        is_element = bool(opened) and opened[-1][0] == "["
        kind: Literal["value", "nothing"] = "nothing" if done and not is_element else "value"
        return Where(kind, home, key, "", column, column, is_element)
    return Where("key", home, (), "", column, column)


def _start_of(document: FileDocument, row: int) -> int:
    """The first line of what the line `row` belongs to: of its array, where one is open."""
    first = row
    while first and document.open_at(first).brackets and row - first < MOST_LINES:
        first -= 1
    return first


def _in_header(line: str, token: Token, column: int) -> Where:
    inside = line[token.start : min(column, token.stop)].lstrip("[ \t")
    *before, word = _dots(inside)
    start = column - len(word)
    stop = column
    while stop < token.stop and line[stop] not in ".]":
        stop += 1
    path = parts_of(line[token.start : token.stop])
    return Where("header", parts_of(".".join(before)), path, word.strip().strip("\"'"), start, stop)


def _in_word(written: str, token: Token, column: int, home: Path, key: Path, is_value: bool, is_element: bool) -> Where:
    typed = written[: column - token.start]
    if not is_value:
        *before, word = _dots(typed)
        rest = _dots(written[len(typed) :])[0]
        table = (*home, *parts_of(".".join(before)))
        full = (*home, *parts_of(written))
        start = column - len(word) + (len(word) - len(word.lstrip()))
        return Where("key", table, full, word.strip().strip("\"'"), start, column + len(rest.rstrip()))
    word = typed.lstrip("\"'")
    stop = token.stop
    if token.kind == "fault" and written[:1] in "\"'":  # a text without its end: what follows may not be its
        stop = column
    return Where("value", home, key, word, token.start, stop, is_element)


def _dots(written: str) -> list[str]:
    """A dotted key's parts as they are written; dots in quotes part nothing."""
    parts, quote = [""], ""
    for char in written:
        if char == "." and not quote:
            parts.append("")
            continue
        if char in "\"'":
            quote = "" if quote == char else quote or char
        parts[-1] += char
    return parts
