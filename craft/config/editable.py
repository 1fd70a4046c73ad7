"""A text with its meaning and its places, and the bytes that each kind of edit changes."""

from __future__ import annotations

import copy
import itertools
import re
import tomllib
from collections.abc import Iterable
from typing import Any, NamedTuple

from craft.config.positions import Entry, Path, Span, TomlPositions
from craft.config.toml_values import dotted, header, same, table_lines, write_key, write_value
from craft.errors import ConfigError


class Change(NamedTuple):
    """Bytes `start` to `stop` become `new`."""

    start: int
    stop: int
    new: str


ABSENT = object()
"""What `Editable.get` gives where there is nothing."""


class Editable:
    """A text with its meaning and its places, and the changes that an edit of it takes."""

    def __init__(self, text: str) -> None:
        try:
            self.data = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ConfigError(f"the file cannot be edited before it is valid TOML: {error}") from None
        self.positions = TomlPositions(text)
        self.source = self.positions.source
        self.newline = "\r\n" if "\r\n" in text else "\n"

    # What is there

    def get(self, path: Path) -> Any:
        """The value at a path, or `ABSENT`."""
        value: Any = self.data
        for part in path:
            within = isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value)
            if not within and not (isinstance(value, dict) and part in value):
                return ABSENT
            value = value[part]
        return value

    def is_written(self, path: Path) -> bool:
        """Whether the value stands in one place, as `key = value` or an element of such an array."""
        return path in self.positions.entries or path in self.positions.items

    def data_with(self, path: Path, value: Any) -> dict[str, Any]:
        """The document's meaning after `value` was set."""
        data = copy.deepcopy(self.data)
        table: Any = data
        for part in path[:-1]:
            table = table.setdefault(part, {}) if isinstance(table, dict) else table[part]
        table[path[-1]] = value
        return data

    def data_without(self, path: Path) -> dict[str, Any]:
        """The document's meaning after a deletion."""
        data = copy.deepcopy(self.data)
        while path:
            table: Any = data
            for part in path[:-1]:
                table = table[part]
            del table[path[-1]]
            path = path[:-1]
            if table or path in self.positions.tables or self.is_written(path):
                break
        return data

    # Changes

    def rewriting(self, path: Path, old: Any, new: Any) -> list[Change]:
        """Replace a written value; an array that holds comments is replaced element by element."""
        if same(old, new):
            return []
        span = self._value_span(path)
        if self._comments_in(span):
            if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
                return [c for key in old for c in self.rewriting((*path, key), old[key], new[key])]
            if isinstance(old, list) and isinstance(new, list) and 0 < len(old) <= len(new):
                changes = [c for i, was in enumerate(old) for c in self.rewriting((*path, i), was, new[i])]
                last = self._value_span((*path, len(old) - 1)).stop
                more = "".join(f", {write_value(value)}" for value in new[len(old) :])
                return [*changes, Change(last, last, more)] if more else changes
        line = self._line_start(self._outermost(span.start))
        moved = self._own_lines(span, self._indent(line))
        return [Change(*span, write_value(new)), *([Change(line, line, moved)] if moved else [])]

    def insertion(self, path: Path, value: Any) -> list[Change]:
        """Add a value that is written nowhere yet."""
        home = path[:-1]
        while (container := self.get(home)) is ABSENT:
            home = home[:-1]
        rest = path[len(home) :]
        if not isinstance(container, dict) or not all(isinstance(part, str) for part in rest):
            raise ConfigError(f"{dotted(path)} cannot be added: {dotted(home)} is not a table")
        line = f"{dotted(rest)} = {write_value(value)}"
        if home and self.is_written(home):
            return [self._into_inline(home, line)]
        if home not in self.positions.tables and (sibling := self._dotted_sibling(home)):
            stem = self._stem(sibling, home)
            if sibling.inline:
                return [Change(sibling.pair.stop, sibling.pair.stop, f", {stem}.{line}")]
            return [self._line_after(sibling.pair, f"{stem}.{line}")]
        if isinstance(value, dict):
            return [self._new_table(home, table_lines(path, value))]
        if len(rest) > 1:
            return [self._new_table(home, table_lines(path[:-1], {str(path[-1]): value}))]
        if home not in self.positions.tables:
            return [self._table_before_its_first(home, line)]
        table = self.positions.tables[home]
        if table.entries:
            return [self._line_after(self.positions.entries[table.entries[-1]].pair, line)]
        if home:
            return [self._line_after(table.header, line)]
        return [self._at_top(line)]

    def deletion(self, path: Path) -> list[Change]:
        """Remove a `key = value`, or every header and dotted key that makes a table."""
        entries = [
            entry
            for place, entry in self.positions.entries.items()
            if place[: len(path)] == path and len(entry.home) < len(path)
        ]
        changes = []
        for entry in entries:
            if not entry.inline:
                start, stop = self._line_start(entry.pair.start), self._line_end(entry.pair.stop)
                changes.append(Change(start, stop, self._own_lines(Span(start, stop), self._indent(start))))
        for home in {entry.home for entry in entries if entry.inline}:
            changes += self._out_of_inline(home, [entry for entry in entries if entry.home == home])
        return changes + self._without_tables(path)

    def copying(self, path: Path, name: str) -> list[Change]:
        """Repeat a table's very lines below it under another name; its values where it has no lines of its own."""
        blocks = [
            # A comment that opens the file is the file's.
            Span(self._above(start) or self._line_start(start), self._below(self._line_end(stop)))
            for start, stop in self._blocks(path)
        ]
        makers = (e for place, e in self.positions.entries.items() if place[: len(path)] == path)
        if not blocks or any(len(entry.home) < len(path) for entry in makers):
            return self.insertion((*path[:-1], name), self.get(path))
        key, copies = write_key(name).encode(), []
        for start, stop in blocks:
            pieces, at = [], start
            for span in sorted(span for span in self.positions.parts[path] if start <= span.start < stop):
                pieces += [self.source[at : span.start], key]
                at = span.stop
            copies.append(b"".join([*pieces, self.source[at:stop]]).decode().rstrip() + self.newline)
        end = blocks[-1].stop
        before = self.newline if self.source[:end].endswith(b"\n") else 2 * self.newline
        after = "" if end == len(self.source) or self._is_blank(end) else self.newline
        return [Change(end, end, before + self.newline.join(copies) + after)]

    def changed(self, changes: Iterable[Change], expected: dict[str, Any], path: Path) -> str:
        """The text after `changes`; raises ConfigError where it would not mean `expected`."""
        source = self.source
        try:
            for start, stop, new in sorted(changes, reverse=True):
                source = source[:start] + new.encode() + source[stop:]
            text = source.decode()
            if same(tomllib.loads(text), expected):
                return text
        except ValueError:  # not TOML, or a value that UTF-8 cannot hold
            pass
        place = self.positions.nearest(path)
        line = self.positions.line_column(place)[0] if place else 1
        raise ConfigError(
            f"{dotted(path)} cannot be edited from here without changing something else; "
            f"edit it by hand, near line {line}"
        )

    # Lines and comments

    def _line_start(self, at: int) -> int:
        return self.source.rfind(b"\n", 0, at) + 1

    def _line_end(self, at: int) -> int:
        """After the line's end."""
        end = self.source.find(b"\n", at)
        return len(self.source) if end < 0 else end + 1

    def _indent(self, line: int) -> str:
        blank = re.compile(rb"[ \t]*").match(self.source, line)
        return blank[0].decode() if blank else ""

    def _is_blank(self, line: int) -> bool:
        return not self.source[line : self._line_end(line)].strip()

    def _comments_in(self, span: Span) -> list[Span]:
        return [c for c in self.positions.comments if span.start <= c.start < span.stop]

    def _own_lines(self, span: Span, indent: str) -> str:
        """The comments inside a span, a line each."""
        comments = (self.source[c.start : c.stop].decode() for c in self._comments_in(span))
        return "".join(f"{indent}{comment}{self.newline}" for comment in comments)

    def _line_after(self, span: Span, line: str) -> Change:
        """A new line below the one that a span ends on, indented as the line it starts on."""
        at = self._line_end(span.stop)
        indent = self._indent(self._line_start(span.start))
        before = "" if self.source[:at].endswith(b"\n") else self.newline
        return Change(at, at, f"{before}{indent}{line}{self.newline}")

    def _value_span(self, path: Path) -> Span:
        span = self.positions.find_value(path)
        if span is None or not self.is_written(path):
            raise ConfigError(f"{dotted(path)} has no single place in the file; edit it by hand")
        return span

    def _outermost(self, at: int) -> int:
        """Where the line's own `key = value` starts, which has the byte `at` in it."""
        pairs = (e.pair for e in self.positions.entries.values() if not e.inline)
        return next((pair.start for pair in pairs if pair.start <= at < pair.stop), at)

    # Inline tables and dotted keys

    def _inline_entries(self, home: Path) -> list[Entry]:
        inside = (e for e in self.positions.entries.values() if e.inline and e.home == home)
        return sorted(inside, key=lambda entry: entry.pair)

    def _into_inline(self, home: Path, line: str) -> Change:
        span, entries = self._value_span(home), self._inline_entries(home)
        if entries:
            return Change(entries[-1].pair.stop, entries[-1].pair.stop, f", {line}")
        return Change(*span, f"{{ {line} }}")

    def _out_of_inline(self, home: Path, gone: list[Entry]) -> list[Change]:
        """Take pairs out of an inline table, each with one comma."""
        entries = self._inline_entries(home)
        kept = [entry for entry in entries if entry not in gone]
        if not kept:
            spans = [Span(self._value_span(home).start + 1, self._value_span(home).stop - 1)]
        else:
            last = max(entry.pair for entry in kept)
            spans = [
                Span(entry.pair.start, following.pair.start)
                for entry, following in itertools.pairwise(entries)
                if entry in gone and entry.pair < last
            ]
            if entries[-1] in gone:
                spans.append(Span(last.stop, entries[-1].pair.stop))
        line = self._line_start(self._outermost(entries[0].pair.start))
        moved = "".join(self._own_lines(span, self._indent(line)) for span in spans)
        return [*(Change(*span, "") for span in spans), *([Change(line, line, moved)] if moved else [])]

    def _dotted_sibling(self, home: Path) -> Entry | None:
        """The last `key = value` whose dotted key makes the table `home`."""
        makers = (
            entry
            for place, entry in self.positions.entries.items()
            if place[: len(home)] == home and len(entry.home) < len(home) < len(place)
        )
        return max((e for e in makers if self._stem(e, home)), key=lambda e: e.pair, default=None)

    def _stem(self, entry: Entry, home: Path) -> str:
        """The part of a dotted key that stands for `home`, as it is written."""
        for span in self.positions.parts.get(home, ()):
            if entry.pair.start <= span.start < entry.key.start:
                return self.source[entry.pair.start : span.stop].decode()
        return ""

    # Tables with headers

    def _new_table(self, home: Path, lines: list[str]) -> Change:
        """Put a new table after the last one that belongs to `home`."""
        tables = self.positions.tables
        ends = [t.end for place, t in tables.items() if place[: len(home)] == home]
        at = self._below(self._line_end(max(ends))) if home else len(self.source)
        before = "" if not at or self.source[:at].endswith(b"\n") else self.newline
        blank_above = not at or self.source[:at].endswith((b"\n\n", b"\n\r\n"))
        blank_below = at == len(self.source) or self._is_blank(at)
        lines = [*([] if blank_above else [""]), *lines, *([] if blank_below else [""])]
        return Change(at, at, before + "".join(line + self.newline for line in lines))

    def _below(self, at: int) -> int:
        """Below the comments right under a table: they belong to it, unless the next header follows on them."""
        below = at
        while self.source[below:].lstrip(b" \t").startswith(b"#"):
            below = self._line_end(below)
        return below if self._is_blank(below) else at

    def _table_before_its_first(self, home: Path, line: str) -> Change:
        """Give a table a header of its own that so far only its sub-tables have."""
        inside = [t.header.start for p, t in self.positions.tables.items() if p[: len(home)] == home]
        at = self._above(min(inside))
        lines = [f"[{header(home)}]", line, ""]
        return Change(at, at, "".join(line + self.newline for line in lines))

    def _at_top(self, line: str) -> Change:
        """The first key of a file that so far starts with a header, or with nothing."""
        headers = [t.header.start for path, t in self.positions.tables.items() if path]
        if not headers:
            at = len(self.source)
            before = "" if not at or self.source.endswith(b"\n") else self.newline
            return Change(at, at, f"{before}{line}{self.newline}")
        # A comment that opens the file is the file's, and `#:schema` must stay its first line.
        at = self._above(min(headers)) or self._line_start(min(headers))
        return Change(at, at, f"{line}{self.newline}{self.newline}")

    def _above(self, header: int) -> int:
        """The start of the comment lines right above a header."""
        at = self._line_start(header)
        while at and self.source[self._line_start(at - 1) : at].lstrip(b" \t").startswith(b"#"):
            if any(e.pair.start < at - 1 < e.pair.stop for e in self.positions.entries.values() if not e.inline):
                break  # the last line of a text over several lines, that only looks like a comment
            at = self._line_start(at - 1)
        return at

    def _without_tables(self, path: Path) -> list[Change]:
        """Remove every `[header]` of a path and its sub-tables, with the lines under it."""
        return [
            self._with_blank_lines(Change(self._line_start(start), self._line_end(stop), ""))
            for start, stop in self._blocks(path)
        ]

    def _blocks(self, path: Path) -> list[Span]:
        """From a `[header]` to its table's end, of a path and its sub-tables; those that follow each other as one."""
        blocks: list[Span] = []
        previous_belongs = False
        for place, table in sorted(self.positions.tables.items(), key=lambda item: item[1].header):
            belongs = place[: len(path)] == path
            if belongs:
                start = blocks.pop().start if previous_belongs else table.header.start
                blocks.append(Span(start, table.end))
            previous_belongs = belongs
        return blocks

    def _with_blank_lines(self, change: Change) -> Change:
        """Take the blank lines below along where some remain above, so that no gap grows."""
        start, stop = change.start, change.stop
        if not start or self._is_blank(self._line_start(start - 1)):
            while stop < len(self.source) and self._is_blank(stop):
                stop = self._line_end(stop)
        if stop == len(self.source):
            while start and self._is_blank(self._line_start(start - 1)):
                start = self._line_start(start - 1)
        return Change(start, stop, "")
