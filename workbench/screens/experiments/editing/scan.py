"""A TOML text as far as it can be made out, a line at a time, also while it is half typed.

A parser needs the whole text and gives up, or guesses, at what is not finished; colours and completion are wanted at
every key, and for the line that is being typed. So a line is taken apart by itself, from what was open at its start.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

Kind = Literal["comment", "header", "key", "text", "number", "word", "sign", "fault"]
Path = tuple[str, ...]


class Token(NamedTuple):
    """Characters `start` to `stop` of a line. A `fault` can be no part of TOML where it stands."""

    start: int
    stop: int
    kind: Kind


class Open(NamedTuple):
    """What is open where a line starts."""

    quotes: str = ""
    brackets: str = ""


_PART = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*')"""
_KEY = re.compile(rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*(?=[ \t]*=)")
_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r]+)|(?P<comment>\#.*)|(?P<long>\"{3}|'{3})|(?P<text>"(?:\\.|[^"\\])*"|'[^']*')"""
    r"""|(?P<sign>[][{},=])|(?P<fault>["'].*)|(?P<word>[^][{},=\#"'\s]+|.)"""
)
_NUMBER = re.compile(
    r"[+-]?(?:0x[0-9A-Fa-f_]+|0o[0-7_]+|0b[01_]+|inf|nan|\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d[\d_]*)?)"
    r"|\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:\d\d)?)?|\d\d:\d\d(?::\d\d(?:\.\d+)?)?"
)
# Where an array is open, a line that begins with a bracket is more of it, unless no array could hold such a word.
_SURELY_HEADER = re.compile(r"[ \t]*\[{1,2}[ \t]*(?!true\b|false\b|inf\b|nan\b)[A-Za-z_][\w-]*[ \t]*[].]")
_PARTS = re.compile(r"""[ \t]*(?:([A-Za-z0-9_-]+)|"((?:\\.|[^"\\])*)"|'([^']*)')[ \t]*(\.|$)?""")


@lru_cache(maxsize=8192)
def scan_line(line: str, before: Open) -> tuple[tuple[Token, ...], Open]:
    """The tokens of a line, and what is open after it."""
    tokens: list[Token] = []
    quotes, brackets = before
    at = 0
    if quotes:
        at = _end_of_long(line, 0, quotes)
        tokens.append(Token(0, at if at >= 0 else len(line), "text"))
        if at < 0:
            return tuple(tokens), before
        quotes = ""
    elif line.lstrip(" \t").startswith("[") and (not brackets or _SURELY_HEADER.match(line)):
        return _scan_header(line), Open()
    is_value = False
    while at < len(line):
        is_place_of_key = not is_value and (not brackets or brackets[-1] == "{")
        if is_place_of_key and (key := _KEY.match(line, at)):
            tokens.append(Token(at, key.end(), "key"))
            at = key.end()
            continue
        found = _TOKEN.match(line, at)
        assert found is not None, "the last alternative takes any character"
        kind, written, stop = found.lastgroup, found[0], found.end()
        if kind == "long":
            quotes = written
            stop = _end_of_long(line, stop, quotes)
            tokens.append(Token(at, stop if stop >= 0 else len(line), "text"))
            if stop < 0:
                return tuple(tokens), Open(quotes, brackets)
            quotes = ""
        elif kind == "sign":
            tokens.append(Token(at, stop, "sign"))
            if written in "[{":
                brackets += written
                is_value = written == "["
            elif written in "]}":
                brackets = brackets[:-1]
                is_value = True
            elif written == "=":
                is_value = True
            else:
                is_value = brackets.endswith("[")
        elif kind == "word":
            tokens.append(Token(at, stop, _kind_of(written, is_place_of_key)))
        elif kind != "blank":
            tokens.append(Token(at, stop, kind))  # type: ignore[arg-type]
        at = stop
    # A table in braces ends with its line: one that is half typed must not swallow what follows.
    return tuple(tokens), Open("", brackets.partition("{")[0])


def _kind_of(word: str, is_place_of_key: bool) -> Kind:
    if is_place_of_key:
        return "key"
    if word in ("true", "false"):
        return "word"
    return "number" if _NUMBER.fullmatch(word) else "fault"


def _end_of_long(line: str, at: int, quotes: str) -> int:
    """Where a text in three quotes ends; -1 when it goes on in the next line."""
    while (end := line.find(quotes, at)) >= 0:
        backslashes = len(line[:end]) - len(line[:end].rstrip("\\"))
        if quotes == "'''" or backslashes % 2 == 0:
            stop = end + 3
            while stop < min(end + 5, len(line)) and line[stop] == quotes[0]:  # one or two may belong to the text
                stop += 1
            return stop
        at = end + 1
    return -1


def _scan_header(line: str) -> tuple[Token, ...]:
    start = len(line) - len(line.lstrip(" \t"))
    comment = None
    for found in re.finditer(r""""(?:\\.|[^"\\])*"|'[^']*'|(\#.*)""", line):
        if found[1] is not None:
            comment = found.start()
            break
    stop = len(line[:comment].rstrip())
    tokens = [Token(start, stop, "header")]
    if comment is not None:
        tokens.append(Token(comment, len(line), "comment"))
    return tuple(tokens)


def parts_of(written: str) -> Path:
    """The parts of a dotted key or header, as far as it is one; brackets around it are left out."""
    written = written.strip(" \t[]")
    parts: list[str] = []
    at = 0
    while at < len(written) and (found := _PARTS.match(written, at)):
        parts.append(next(part for part in found.groups()[:3] if part is not None))
        at = found.end()
        if found[4] != ".":
            break
    return tuple(parts)
