"""Lines of text as they are shown: pieces, each with its look. Foreign text is cleaned where it becomes one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.cells import chop_cells

from craft.text import clean_line

Part = tuple[str, str]
"""A piece of a line, and its look: one of `lines.LOOKS`."""
_TAB = 4
_HANGING = 2  # columns
_AT_ONCE = 500  # lines that are looked through between two questions whether to go on


def plain(text: str, look: str = "plain", *, ascii_only: bool = False) -> Part:
    """Foreign text as a piece of a line."""
    return clean_line(text.expandtabs(_TAB), ascii_only=ascii_only), look


class Lines:
    """Lines that are in memory. A subclass may fetch them when they are asked for."""

    def __init__(self, lines: Sequence[Sequence[Part]] = ()) -> None:
        self._lines = lines

    def __len__(self) -> int:
        return len(self._lines)

    def line(self, index: int) -> Sequence[Part]:
        """The pieces of one line, without what a terminal would obey."""
        return self._lines[index]

    def text(self, index: int) -> str:
        """One line without looks."""
        return "".join(text for text, _ in self.line(index))

    def indent(self, parts: Sequence[Part]) -> int:
        """How far to the right a wrapped line goes on: below its own beginning, and a little."""
        text = "".join(text for text, _ in parts)
        return len(text) - len(text.lstrip(" ")) + _HANGING

    def find(self, words: str, start: int, step: int, wanted: Callable[[], bool]) -> int | None:
        """The nearest line with `words` in it, from `start` on, downwards or upwards; small letters match both."""
        end = len(self) if step > 0 else -1
        for index in range(start, end, step * _AT_ONCE):
            stop = index + step * (_AT_ONCE - 1)
            found = self._find_between(words, index, min(stop, end - 1) if step > 0 else max(stop, 0), step)
            if found is not None or not wanted():
                return found
        return None

    def _find_between(self, words: str, first: int, last: int, step: int) -> int | None:
        fold = words == words.lower()
        for index in range(first, last + step, step):
            text = self.text(index)
            if words in (text.lower() if fold else text):
                return index
        return None


def split(parts: Sequence[Part], sizes: Sequence[int]) -> list[list[Part]]:
    """Pieces of so many characters each; what is left over is left out."""
    pieces: list[list[Part]] = []
    waiting = [part for part in parts if part[0]]
    at = place = 0
    for size in sizes:
        piece: list[Part] = []
        while size > 0 and place < len(waiting):
            text, look = waiting[place]
            taken = text[at : at + size]
            piece.append((taken, look))
            size -= len(taken)
            at += len(taken)
            if at >= len(text):
                place, at = place + 1, 0
        pieces.append(piece)
    return pieces


def wrapped(text: str, width: int, indent: int, most: int) -> list[int]:
    """How many characters stand in each of `most` rows: one ends behind a space where its second half has any, and all
    but the first have `indent` columns less."""
    sizes: list[int] = []
    at, room = 0, width
    while len(sizes) < most:
        ahead = text[at : at + room]
        row = ahead if ahead.isascii() else chop_cells(ahead, room)[0] or ahead[0]
        if at + len(row) >= len(text):
            return [*sizes, len(row)]
        cut = row.rfind(" ") + 1
        # A blank that would begin the next row ends this one.
        size = len(row) + 1 if text[at + len(row)] == " " else cut if cut > len(row) // 2 else len(row)
        sizes.append(size)
        at, room = at + size, max(width - indent, 1)
    return sizes


def from_column(parts: Sequence[Part], column: int) -> list[Part]:
    """The pieces without the first characters."""
    if not column:
        return list(parts)
    length = sum(len(text) for text, _ in parts)
    return split(parts, [min(column, length), length])[1]
