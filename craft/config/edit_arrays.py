"""The bytes that change where one element goes into an array or out of it; the others, and all comments, stay."""

from __future__ import annotations

import re
from typing import Any

from craft.config.editable import Change, Editable
from craft.config.positions import Path, Span
from craft.config.toml_values import header, write_key, write_value
from craft.errors import ConfigError

_BLANK = re.compile(rb"[ \t]*")
_COMMA = re.compile(rb"(?:[ \t\r\n]|#[^\n]*\n)*,")


def appending(document: Editable, path: Path, value: Any) -> list[Change]:
    """One more element at the end of the array at a path, written as the others are."""
    source, newline, values = document.source, document.newline, document.get(path)
    if (*path, 0) in document.positions.tables:
        if not isinstance(value, dict):
            raise ConfigError(f"{header(path)} is several [[tables]], and takes tables only")
        lines = [f"[[{header(path)}]]", *(f"{write_key(key)} = {write_value(inner)}" for key, inner in value.items())]
        end = max(table.end for place, table in document.positions.tables.items() if place[: len(path)] == path)
        at = _line_end(source, end)
        before = "" if source[:at].endswith(b"\n") else newline
        return [Change(at, at, before + "".join(f"{line}{newline}" for line in lines))]
    written = write_value(value)
    if not values:
        span = document.positions.find_value(path)
        assert span is not None
        return [Change(span.stop - 1, span.stop - 1, written)]
    last = document.positions.items[*path, len(values) - 1]
    line = _line_start(source, last.start)
    if source[line : last.start].strip():  # it does not begin its line: the rest is on this line, too
        return [Change(last.stop, last.stop, f", {written}")]
    indent = source[line : last.start].decode()
    comma = _COMMA.match(source, last.stop)
    stop = comma.end() if comma else last.stop
    before, after = ("", ",") if comma else (",", "")
    at = _line_end(source, stop)
    if source[stop:at].strip()[:1] == b"]":
        return [Change(stop, stop, f"{before}{newline}{indent}{written}{after}")]
    return [Change(stop, stop, before), Change(at, at, f"{indent}{written}{after}{newline}")]


def removing(document: Editable, path: Path) -> list[Change]:
    """Take one of several elements out of the array it is written in, with one comma; its comments stay."""
    home, place = path[:-1], path[-1]
    assert isinstance(place, int)
    items, source = document.positions.items, document.source
    span, number = items[path], len(document.get(home))
    comma = _COMMA.match(source, span.stop)
    whole = Span(span.start, comma.end() if comma else span.stop)
    if place + 1 < number:
        gone = Span(span.start, items[*home, place + 1].start)
    elif comma and not any(_holds(whole, one) for one in document.positions.comments):
        return [_without_line(source, whole)]
    else:
        gone = Span(items[*home, place - 1].stop, span.stop)
    line = _line_start(source, span.start)
    blank = _BLANK.match(source, line)
    indent = blank[0].decode() if blank else ""
    comments = [source[one.start : one.stop].decode() for one in document.positions.comments if _holds(gone, one)]
    if place + 1 < number:
        return [Change(*gone, "".join(f"{comment}{document.newline}{indent}" for comment in comments))]
    kept = "".join(f"{document.newline}{indent}{comment}" for comment in comments)
    return [Change(*gone, kept + (f"{document.newline}{indent}" if kept else ""))]


def _without_line(source: bytes, span: Span) -> Change:
    """Take a span out, and its line where nothing else stands on it."""
    start, stop = _line_start(source, span.start), _line_end(source, span.stop)
    alone = not source[start : span.start].strip() and not source[span.stop : stop].strip()
    if alone:
        return Change(start, stop, "")
    blank = _BLANK.match(source, span.stop)
    return Change(span.start, blank.end() if blank else span.stop, "")


def _holds(span: Span, inner: Span) -> bool:
    return span.start <= inner.start < span.stop


def _line_start(source: bytes, at: int) -> int:
    return source.rfind(b"\n", 0, at) + 1


def _line_end(source: bytes, at: int) -> int:
    end = source.find(b"\n", at)
    return len(source) if end < 0 else end + 1
