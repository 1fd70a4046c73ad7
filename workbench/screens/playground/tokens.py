"""A text as a model wrote it, token by token, and how it is broken into lines while it still comes.

Nothing here is a widget. Text is raw: newlines and tabs get marks, whatever a terminal would obey becomes visible.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from craft.text import clean_line, width_of

PROMPT = -1
"""The place of the prompt's characters, which are no token that was written."""
_TAB = 4
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_LONGEST_PROMPT = 2000  # characters of it that are shown before the text
TINTS = ("probability", "entropy", "numbers", "none")
"""What the looks of a token tell; numbers stand behind each, in hundredths."""
PROBABILITIES = (0.5, 0.2, 0.05, 0.01)
"""The borders between the looks, from sure to surprised."""
ENTROPIES = (0.5, 1.5, 2.5, 3.5)
"""In nats: e to that power is how many equally likely tokens would be as unsure."""


@dataclass
class Token:
    """One token, and what the model thought where it stands."""

    id: int
    piece: str
    """What it stands for by itself; bytes that are no whole character are in hexadecimal."""
    probability: float | None = None
    entropy: float | None = None
    alternatives: list[dict[str, Any]] = field(default_factory=list)
    text: str = ""
    """What of the text came with it. A character in several tokens comes with the last one."""


def read_token(piece: dict[str, Any]) -> Token:
    """A token from a message of the sampler process."""
    return Token(
        piece["token"],
        piece["piece"],
        piece.get("probability"),
        piece.get("entropy"),
        piece.get("alternatives") or [],
    )


def level_of(token: Token, tint: str) -> int:
    """0, sure, to 4, surprised."""
    if tint == "entropy":
        return 0 if token.entropy is None else sum(token.entropy >= border for border in ENTROPIES)
    if tint == "none" or token.probability is None:
        return 0
    return sum(token.probability < border for border in PROBABILITIES)


class Settling:
    """Gives each token its part of the text. Text comes late where it might have begun a stop text."""

    def __init__(self, first: int) -> None:
        self._next = first  # the first token whose text is not known yet
        self._done = 0  # characters of its piece that came

    def take(self, tokens: list[Token], text: str) -> list[tuple[int, str]]:
        """Text that came with the newest token: places of the tokens that it belongs to, and what each got of it."""
        given: list[tuple[int, str]] = []

        def give(place: int, part: str) -> None:
            tokens[place].text += part
            given.append((place, part))

        while text and self._next < len(tokens):
            token = tokens[self._next]
            rest = token.piece[self._done :]
            if rest and text.startswith(rest):
                give(self._next, rest)
                text = text[len(rest) :]
                self._next, self._done = self._next + 1, 0
            elif rest.startswith(text):
                give(self._next, text)
                self._done += len(text)
                text = ""
            else:  # pieces that are no text by themselves: all of it is the newest one's
                break
        if text:
            self._next, self._done = len(tokens), 0
            give(len(tokens) - 1, text)
        return given


Run = tuple[str, int, bool]
"""What is shown, of which token, and whether it is a mark of ours for a character that cannot be seen."""


class Wrapped:
    """Lines of a given width, made as the text grows: only the last line ever changes."""

    def __init__(self, width: int, *, ascii_only: bool, numbers: bool = False) -> None:
        self.width, self.numbers = max(width, 4), numbers
        self._ascii = ascii_only
        self._lines: list[list[Run]] = []
        self._last: list[int] = []  # the last token of each line that is whole
        self._cells: list[tuple[str, int, bool]] = []  # the line that is not
        self._used = 0
        self._newline = "\\n" if ascii_only else "↵"
        self._tab = ">" if ascii_only else "→"

    def __len__(self) -> int:
        return len(self._lines) + 1

    @property
    def whole(self) -> int:
        """Lines that will not change."""
        return len(self._lines)

    def line(self, number: int) -> list[Run]:
        """What stands on a line."""
        return self._lines[number] if number < len(self._lines) else _runs(self._cells)

    def line_of(self, token: int) -> int:
        """On which line a token begins."""
        return bisect_left(self._last, token)

    def add(self, token: int, text: str) -> None:
        """Put a token's text, or more of it, at the end."""
        for char in text:
            if char == "\n":
                self._put(self._newline, token, mark=True)
                self._close()
            elif char == "\t":
                size = _TAB - self._used % _TAB
                self._put(self._tab.ljust(size), token, mark=True)
            elif " " <= char <= "~":
                self._put(char, token)
            else:
                self._put(_visible(char, self._ascii), token)

    def add_prompt(self, text: str) -> None:
        """Put what stands before the text, or the end of it."""
        if len(text) > _LONGEST_PROMPT:
            text = ("... " if self._ascii else "… ") + text[-_LONGEST_PROMPT:]
        self.add(PROMPT, text)

    def number(self, token: int, value: float | None) -> None:
        """Put a token's probability in hundredths behind it."""
        if value is not None:
            digits = str(min(99, round(100 * value)))
            self._put(f"({digits})" if self._ascii else digits.translate(_SUBSCRIPTS), token, mark=True)

    def _put(self, shown: str, token: int, *, mark: bool = False) -> None:
        size = 1 if len(shown) == 1 and shown.isascii() else width_of(shown)
        if size == 0 and self._cells:  # a combining character belongs to the one before
            before, owner, was_mark = self._cells[-1]
            self._cells[-1] = (before + shown, owner, was_mark)
            return
        if self._used + size > self.width:
            self._break()
        self._cells.append((shown, token, mark))
        self._used += size

    def _break(self) -> None:
        """Begin another line, at the last blank where that is not too far back."""
        cells = self._cells
        least = max(1, len(cells) - self.width // 2)
        place = next((n for n in range(len(cells), least, -1) if cells[n - 1][0] == " "), len(cells))
        tail = cells[place:]
        self._cells = cells[:place]
        self._close()
        self._cells = tail
        self._used = sum(width_of(shown) for shown, _, _ in tail)

    def _close(self) -> None:
        self._lines.append(_runs(self._cells))
        self._last.append(self._cells[-1][1] if self._cells else (self._last[-1] if self._last else PROMPT))
        self._cells, self._used = [], 0


def _runs(cells: list[tuple[str, int, bool]]) -> list[Run]:
    """Neighbours of one kind together."""
    runs: list[Run] = []
    start = 0
    for end in range(1, len(cells) + 1):
        if end == len(cells) or cells[end][1:] != cells[start][1:]:
            runs.append(("".join(cell[0] for cell in cells[start:end]), cells[start][1], cells[start][2]))
            start = end
    return runs


@lru_cache(4096)
def _visible(char: str, ascii_only: bool) -> str:
    return clean_line(char, ascii_only=ascii_only)


class Comparing:
    """How far two texts that grow are the same; what was compared once is not again."""

    def __init__(self, one: list[Token], other: list[Token]) -> None:
        self.one, self.other = one, other
        self.same = 0
        """Tokens of `one` that the other text has as well, from the start."""
        self._chars = 0
        self.parted = False

    def go_on(self, *, over: bool) -> int | None:
        """The first token of `one` that goes on otherwise; None while there is none. `over`: the other ended."""
        theirs = "".join(token.text for token in self.other) if not self.parted else ""
        while not self.parted and self.same < len(self.one):
            mine = self.one[self.same].text
            there = theirs[self._chars : self._chars + len(mine)]
            if there == mine:
                if self.same == len(self.one) - 1:
                    break  # it may get more text
                self.same += 1
                self._chars += len(mine)
            elif mine.startswith(there) and not over:
                break  # the other text is not so far yet
            else:
                self.parted = True
        return self.same if self.parted else None
