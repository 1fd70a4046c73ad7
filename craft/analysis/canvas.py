"""The cells of a plot: what is inked on them, what is written over that, and in which look each is shown."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from craft.analysis.inking import GLYPHS, Ink, Paper
from craft.text import width_of


class Span(NamedTuple):
    """Text of one look. Roles: title, note, legend, axis, label, empty, mark, warn, bad, cross, hair; and for each
    series its line (series0), what was measured (raw0) and its band (band0)."""

    text: str
    role: str


_MARKS: dict[Ink, str] = {
    "braille": "\u2022\u00d7+\u25c6\u25b2\u25a0\u25cb\u25b3\u25a1\u25c7\u25bc\u2605",
    "block": "\u2022\u00d7+\u25c6\u25b2\u25a0\u25cb\u25b3\u25a1\u25c7\u25bc\u2605",
    "ascii": "*xo+#@%&$=8s",
}

_ROUND = 24  # eight colours and twelve marks

BAND, RAW, LINE, TOP = 1, 2, 3, 4
"""What is inked over what. In one cell the lower ones give way, equal ones both show, the later one's colour."""
_FAINT = {BAND: ":", RAW: "."}  # in ASCII
_COVERED = "\0"  # the right half of a wide character


def mark_of(index: int, ink: Ink) -> str:
    """What a series is told apart by without colour. Where colours and marks would come together once more, the marks
    go on by one."""
    return _MARKS[ink][(index + index // _ROUND) % len(_MARKS[ink])]


class Canvas:
    """Rows of cells, row 0 on top."""

    def __init__(self, width: int, height: int, ink: Ink) -> None:
        self.width, self.height, self.ink = width, height, ink
        size = width * height
        self._codes = [0] * size
        self._ranks = [0] * size
        self._chars = [""] * size
        self._roles = ["canvas"] * size

    def copy(self) -> Canvas:
        """The same again, to draw on."""
        other = Canvas(0, 0, self.ink)
        other.width, other.height = self.width, self.height
        other._codes, other._ranks = self._codes[:], self._ranks[:]
        other._chars, other._roles = self._chars[:], self._roles[:]
        return other

    def lay(self, paper: Paper, index: int, rank: int) -> None:
        """Ink what was drawn for one series."""
        role = f"{('', 'band', 'raw', 'series', 'series')[rank]}{index}"
        char = "" if self.ink != "ascii" else _FAINT.get(rank) or mark_of(index, self.ink)
        codes, ranks, chars, roles, width = self._codes, self._ranks, self._chars, self._roles, self.width
        bottom = (self.height - 1) * width
        for row, column, code in paper.cells():
            cell = bottom - row * width + column
            before = ranks[cell]
            if rank >= before:
                codes[cell] = codes[cell] | code if rank == before else code
                ranks[cell], roles[cell], chars[cell] = rank, role, char

    def put(self, row: int, column: int, text: str, role: str, *, over: bool = True) -> None:
        """Write text of one line, over what is there, or only where nothing is; what is beyond the edges is lost."""
        if not 0 <= row < self.height:
            return
        for char in text:
            size = 1 if char.isascii() else width_of(char)
            if column >= 0 and column + size <= self.width and size:
                cell = row * self.width + column
                if over or not (self._ranks[cell] or self._chars[cell]):
                    self._chars[cell], self._roles[cell] = char, role
                    if size == 2:
                        self._chars[cell + 1], self._roles[cell + 1] = _COVERED, role
            column += size

    def is_blank(self, row: int, start: int, stop: int) -> bool:
        """Whether nothing stands in some cells of a row."""
        cells = range(row * self.width + max(start, 0), row * self.width + min(stop, self.width))
        return not any(self._ranks[cell] or self._chars[cell].strip() for cell in cells)

    def spans(self) -> Iterator[list[Span]]:
        """Its rows."""
        glyphs = GLYPHS.get(self.ink, " ")
        for start in range(0, len(self._codes), self.width) if self.width else ():
            stop = start + self.width
            texts = [
                char or glyphs[code]
                for char, code in zip(self._chars[start:stop], self._codes[start:stop], strict=True)
            ]
            row: list[Span] = []
            column = 0
            for role, same in groupby(self._roles[start:stop]):
                end = column + len(list(same))
                row.append(Span("".join(texts[column:end]).replace(_COVERED, ""), role))
                column = end
            yield row
