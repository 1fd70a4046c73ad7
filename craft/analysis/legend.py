"""The lines above a plot, and the names at the ends of its curves: which curve is which, and what it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from craft.analysis.canvas import Span
from craft.text import clean_line, shorten, width_of

_GAP = "  "


@dataclass(frozen=True)
class Entry:
    """What is said of one series, in its colour."""

    role: str
    sample: str
    """Its mark, or a piece of its line."""
    name: str
    value: str
    smoothed: str = ""
    """What the smoothed line is at there."""
    place: str = ""
    """Where the value stands, if not where the others do."""

    def text(self, form: str) -> str:
        parts = {
            "all": (self.name, self.value, self.smoothed, self.place),
            "placed": (self.name, self.value, self.place),
            "value": (self.name, self.value),
            "bare": (self.value,),
            "name": (self.name,),
        }
        return " ".join(filter(None, (self.sample, *parts[form])))

    def fit(self, width: int, ascii_only: bool) -> str:
        """In `width` columns; the name is cut before the value."""
        tails = ((self.value, self.smoothed, self.place), (self.value, self.place), (self.value,))
        texts = [" ".join(filter(None, parts)) for parts in tails]
        tail = next((text for text in texts if width_of(text) + width_of(self.name) + 3 <= width), texts[-1])
        room = width - width_of(self.sample) - width_of(tail) - 2
        name = shorten(self.name, max(room, 0), ascii_only=ascii_only)
        return shorten(" ".join(filter(None, (self.sample, name, tail))), width, ascii_only=ascii_only)


def header(
    title: str, notes: str, entries: Sequence[Entry], width: int, most: int, *, ascii_only: bool, rows: int = 0
) -> list[list[Span]]:
    """At most `most` lines, each `width` wide: title, notes and legend, on one line where they fit. With `rows`, as
    many lines as that: what stands below must not jump."""
    title = clean_line(title, ascii_only=ascii_only)
    most = rows or most
    if not most or not (title or entries or notes):
        return []
    first = _one_line(title, notes, entries, width, most == 1, ascii_only)
    if first is not None and rows <= 1:
        return [first]
    head = [_top(title, notes, width, ascii_only)] if title or notes else []
    lines = head + _legend(entries, width, most - len(head), ascii_only)
    return lines + [[Span(" " * width, "canvas")]] * (rows - len(lines))


def _one_line(
    title: str, notes: str, entries: Sequence[Entry], width: int, must: bool, ascii_only: bool
) -> list[Span] | None:
    """All on one line; None where it does not fit, unless it `must`: then something is left out."""
    ways = [("all", notes), ("placed", notes)]
    if must:
        # Values before notes, notes before nothing but names.
        ways += [("all", ""), ("placed", ""), ("value", "")]
        ways += [("bare", "")] * (len(entries) == 1 and bool(title)) + [("name", notes), ("name", "")]
    for form, said in ways:
        texts = [entry.text(form) for entry in entries]
        used = width_of(title) + sum(map(width_of, texts)) + 2 * max(len(texts) - 1, 0)
        used += 3 * bool(title and texts)
        room = width - used - 3 * bool(used)
        # Notes may be cut, but not to a stump.
        if room >= width_of(said) or (must and said and room >= 10) or (not said and used <= width):
            row = [Span(title, "title")] if title else []
            row += [Span("   ", "canvas")] if title and texts else []
            for index, (entry, text) in enumerate(zip(entries, texts, strict=True)):
                row += [Span(_GAP, "canvas")] if index else []
                row.append(Span(text, entry.role))
            return _with_notes(row, used, said, width, ascii_only)
    if not must:
        return None
    return _legend(entries, width, 1, ascii_only)[0] if entries else _top(title, notes, width, ascii_only)


def _top(title: str, notes: str, width: int, ascii_only: bool) -> list[Span]:
    room = max(width // 2, width - width_of(notes) - 3) if notes else width
    title = shorten(title, room, ascii_only=ascii_only)
    return _with_notes([Span(title, "title")], width_of(title), notes, width, ascii_only)


def _with_notes(row: list[Span], used: int, notes: str, width: int, ascii_only: bool) -> list[Span]:
    gap = 3 if used else 0
    notes = shorten(notes, width - used - gap, ascii_only=ascii_only) if width - used - gap > 3 else ""
    space = width - used - width_of(notes)
    return [*row, Span(" " * space, "canvas"), *([Span(notes, "note")] if notes else [])]


def _legend(entries: Sequence[Entry], width: int, most: int, ascii_only: bool) -> list[list[Span]]:
    """At most `most` lines of entries, in the fullest form that shows them all; else as many as fit, and a number."""
    if not entries or most < 1:
        return []
    for form in ("all", "placed", "value", "name"):
        lines, left = _wrapped(entries, form, width, most, ascii_only)
        if not left:
            return lines
    return _wrapped(entries, "value", width, most, ascii_only)[0]


def _wrapped(
    entries: Sequence[Entry], form: str, width: int, most: int, ascii_only: bool
) -> tuple[list[list[Span]], int]:
    lines: list[list[Span]] = [[]]
    used = 0
    for index, entry in enumerate(entries):
        text = entry.text(form)
        gap = len(_GAP) if lines[-1] else 0
        left = len(entries) - index
        last = len(lines) == most
        # On the last line there must be room to say how many are left after this one.
        reserved = width_of(f"{_GAP}+{left - 1} more") if last and left > 1 else 0
        if used + gap + width_of(text) > width - reserved and lines[-1]:
            if last:
                lines[-1].append(Span(shorten(f"{_GAP}+{left} more", width - used, ascii_only=ascii_only), "legend"))
                return [_filled(line, width) for line in lines], left
            lines.append([])
            used = gap = 0
            last = len(lines) == most
            reserved = width_of(f"{_GAP}+{left - 1} more") if last and left > 1 else 0
        text = shorten(text, max(width - used - gap - reserved, 1), ascii_only=ascii_only)
        if gap:
            lines[-1].append(Span(_GAP, "canvas"))
        lines[-1].append(Span(text, entry.role))
        used += gap + width_of(text)
    return [_filled(line, width) for line in lines], 0


def end_labels(entries: Sequence[tuple[float, Entry]], width: int, rows: int, *, ascii_only: bool) -> list[Span]:
    """A column of `rows` labels, `width` wide, each as near to its place (0 at the foot, 1 on top) as the others allow;
    those that find no room are counted on the last row."""
    placed: list[Span] = [Span(" " * width, "canvas")] * rows
    left = max(0, len(entries) - rows + 1) if len(entries) > rows else 0
    room = rows - bool(left)
    chosen = sorted(entries[:room] if left else entries, key=lambda one: -one[0])
    # From the top down each takes its own row or the next free one, but leaves room for those that follow.
    free = 0
    for index, (place, entry) in enumerate(chosen):
        own = min(int((1 - max(0.0, min(place, 1.0))) * rows), rows - 1)
        free = max(free, min(own, room - (len(chosen) - index)))
        placed[free] = Span(_fill(entry.fit(width, ascii_only), width), entry.role)
        free += 1
    if left:
        placed[-1] = Span(_fill(shorten(f"+{left} more", width), width), "legend")
    return placed


def says_all(head: Sequence[Sequence[Span]], entries: Sequence[Entry]) -> bool:
    """Whether the lines above a plot have the value of every entry."""
    texts = {span.role: span.text for row in head for span in row}
    return all(entry.value in texts.get(entry.role, "") for entry in entries)


def value_box(entries: Sequence[Entry], width: int, rows: int, *, ascii_only: bool) -> list[Span]:
    """At most `rows` lines of one width, at most `width`, that say every value, or how many find no room."""
    most = rows if len(entries) <= rows else rows - 1
    width = min(width, max(width_of(entry.text("all")) for entry in entries) + 2)
    texts = [(f" {entry.fit(width - 2, ascii_only)}", entry.role) for entry in entries[:most]]
    if len(entries) > most:
        texts.append((f" +{len(entries) - most} more", "legend"))
    return [Span(_fill(shorten(text, width, ascii_only=ascii_only), width), role) for text, role in texts]


def _fill(text: str, width: int) -> str:
    return text + " " * (width - width_of(text))


def _filled(row: list[Span], width: int) -> list[Span]:
    used = sum(width_of(span.text) for span in row)
    return [*row, Span(" " * (width - used), "canvas")] if used < width else row
