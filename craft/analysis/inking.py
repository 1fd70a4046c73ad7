"""Pixels drawn with the characters of a terminal: eight dots of braille a cell, four blocks, or one ASCII mark.

A column of pixels is one whole number, a bit a pixel from the bottom up. A line is drawn a column at a time, and the
part of it in one column is a run of bits, however steep it is: what a curve costs depends on the columns it crosses,
not on its points or on the height of the plot.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from typing import Literal

Ink = Literal["braille", "block", "ascii"]

PIXELS: dict[Ink, tuple[int, int]] = {"braille": (2, 4), "block": (2, 2), "ascii": (1, 1)}
"""Pixels of a cell, across and down."""


def _bits(weights: Sequence[int]) -> list[int]:
    """What a run of bits, the lowest pixel first, comes to with these weights."""
    return [sum(weight for bit, weight in enumerate(weights) if run >> bit & 1) for run in range(1 << len(weights))]


# A cell's code is its offset in Unicode's braille block, or the quadrants in its own order. Per column of pixels.
_CODES: dict[Ink, tuple[list[int], list[int]]] = {
    "braille": (_bits((0x40, 0x04, 0x02, 0x01)), _bits((0x80, 0x20, 0x10, 0x08))),
    "block": (_bits((4, 1)), _bits((8, 2))),
    "ascii": (_bits((1,)), _bits((0,))),
}
_QUADRANTS = " \u2598\u259d\u2580\u2596\u258c\u259e\u259b\u2597\u259a\u2590\u259c\u2584\u2599\u259f\u2588"
GLYPHS: dict[Ink, str] = {
    "braille": " " + "".join(map(chr, range(0x2801, 0x2900))),
    "block": _QUADRANTS,
}
"""The character of each code; ASCII has one mark a series instead."""


class Paper:
    """Columns of pixels that belong to one curve."""

    def __init__(self, width: int, height: int, ink: Ink) -> None:
        """`width` and `height` in cells."""
        self._across, self._down = PIXELS[ink]
        self.columns = [0] * (width * self._across)
        self.height = height * self._down
        self._codes = _CODES[ink]

    def copy(self) -> Paper:
        """The same again, to draw on."""
        other = copy(self)
        other.columns = self.columns[:]
        return other

    def line(self, path: Iterable[tuple[int, int]]) -> None:
        """Join pixels (x, y from the lower left), in the order of x; those off the paper count, and do not show."""
        columns, height = self.columns, self.height
        last = len(columns) - 1
        before: tuple[int, int] | None = None
        for x1, y1 in path:
            if before is None:
                before = x1, y1
                self.run(x1, y1, y1)
                continue
            x0, y0 = before
            before = x1, y1
            width, rise = x1 - x0, y1 - y0
            if width == 0:
                self.run(x0, min(y0, y1), max(y0, y1))
            elif rise == 0:
                if 0 <= y0 < height:
                    bit = 1 << y0
                    for x in range(max(x0, 0), min(x1, last) + 1):
                        columns[x] |= bit
            else:
                self._slope(x0, y0, width, rise)

    def _slope(self, x0: int, y0: int, width: int, rise: int) -> None:
        steep, sign = abs(rise), 1 if rise > 0 else -1
        columns, height = self.columns, self.height
        first, last = max(0, -x0), min(width, len(columns) - 1 - x0)
        if steep <= width:
            for step in range(first, last + 1):
                y = y0 + sign * ((2 * step * steep + width) // (2 * width))
                if 0 <= y < height:
                    columns[x0 + step] |= 1 << y
            return
        for step in range(first, last + 1):
            # The rows that are nearer to this column than to its neighbours.
            near = 0 if step == 0 else (2 * step - 1) * steep // (2 * width) + 1
            far = steep if step == width else (2 * step + 1) * steep // (2 * width)
            low, high = (y0 + near, y0 + far) if sign > 0 else (y0 - far, y0 - near)
            self.run(x0 + step, low, high)

    def run(self, x: int, low: int, high: int) -> None:
        """Ink a column from pixel `low` up to `high`."""
        if low < 0:
            low = 0
        if high >= self.height:
            high = self.height - 1
        if low <= high and 0 <= x < len(self.columns):
            self.columns[x] |= ((1 << (high - low + 1)) - 1) << low

    def fill_between(self, one: Paper, other: Paper) -> None:
        """Ink each column from the lowest to the highest pixel of two other papers."""
        for x, (mine, theirs) in enumerate(zip(one.columns, other.columns, strict=True)):
            both = mine | theirs
            if both:
                lowest = (both & -both).bit_length() - 1
                self.columns[x] = (1 << both.bit_length()) - (1 << lowest)

    def thin(self) -> None:
        """Leave a quarter of the pixels, evenly: a tint."""
        dots = [sum(1 << y for y in range(start, self.height, 4)) for start in (0, 2)]
        for x in range(len(self.columns)):
            self.columns[x] = 0 if x % 2 else self.columns[x] & dots[x // 2 % 2]

    def cells(self) -> Iterable[tuple[int, int, int]]:
        """Row from the bottom, column, and code of each cell with ink."""
        across, down = self._across, self._down
        left_codes, right_codes = self._codes
        mask = (1 << down) - 1
        for column in range(len(self.columns) // across):
            left = self.columns[column * across]
            right = self.columns[column * across + 1] if across == 2 else 0
            both = left | right
            if not both:
                continue
            row = ((both & -both).bit_length() - 1) // down
            left >>= row * down
            right >>= row * down
            while left or right:
                code = left_codes[left & mask] | right_codes[right & mask]
                if code:
                    yield row, column, code
                left >>= down
                right >>= down
                row += 1
