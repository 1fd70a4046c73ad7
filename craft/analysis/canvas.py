"""The cells that curves are inked on: one adapter over plotext, which draws the lines.

plotext keeps one figure for the whole process. It is cleared before and after each drawing, under a lock, so
no plot can reach into another; and it is handed nothing but pixels: limits, ticks and colours are ours.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from craft.analysis.decimate import decimate, fraction, segments
from craft.text import width_of

Ink = Literal["braille", "block", "ascii"]

Piece = tuple[Sequence[float], Sequence[float]]
"""xs and ys of points that a line joins."""


class Span(NamedTuple):
    """Text of one look. Roles: title, legend, axis, label, empty, series0, series1, ..."""

    text: str
    role: str


@dataclass(frozen=True)
class Plane:
    """Curves in the coordinates of the paper, and its limits. With `log_y`, y is log10 of the value."""

    curves: list[list[Piece]]
    x_low: float
    x_high: float
    y_low: float
    y_high: float
    log_y: bool

    @property
    def blank(self) -> bool:
        return not any(self.curves)

    @classmethod
    def around(cls, curves: list[list[Piece]], log_y: bool) -> Plane:
        every = [piece for pieces in curves for piece in pieces]
        if not every:
            return cls(curves, 0.0, 1.0, 0.0, 1.0, log_y)
        # Pieces are ordered by x, so their ends are its limits.
        x_low, x_high = min(xs[0] for xs, _ in every), max(xs[-1] for xs, _ in every)
        y_low, y_high = min(min(ys) for _, ys in every), max(max(ys) for _, ys in every)
        return cls(curves, x_low, x_high, y_low, y_high, log_y)


def split(xs: Sequence[float | None], ys: Sequence[float | None], log_y: bool) -> list[Piece]:
    """The gapless pieces of a series; on a logarithmic axis a value that is not positive is a gap too."""
    if log_y:
        ys = [math.log10(y) if y is not None and 0 < y < math.inf else None for y in ys]
    return list(segments(xs, ys))


def pixel_of(value: float, low: float, high: float, size: int) -> int:
    return max(0, min(size - 1, int(fraction(value, low, high) * size)))


# Pixels of a cell, across and down.
_PIXELS: dict[Ink, tuple[int, int]] = {"braille": (2, 4), "block": (2, 2), "ascii": (1, 1)}
_PLOTEXT_MARKER: dict[Ink, str] = {"braille": "braille", "block": "hd"}
# Quadrants by bit: upper left 1, upper right 2, lower left 4, lower right 8.
_QUADRANTS = " \u2598\u259d\u2580\u2596\u258c\u259e\u259b\u2597\u259a\u2590\u259c\u2584\u2599\u259f\u2588"
_MARKS: dict[Ink, str] = {
    "braille": "\u2022\u00d7+\u25c6\u25b2\u25a0\u25cb\u25b3",
    "block": "\u2022\u00d7+\u25c6\u25b2\u25a0\u25cb\u25b3",
    "ascii": "*xo+#@%&",
}
_plotext_lock = threading.Lock()


class Canvas:
    """The cells that curves are inked on; where two meet, both show and the later one gives the colour."""

    def __init__(self, width: int, height: int, ink: Ink) -> None:
        self.width, self.height, self.ink = width, height, ink
        self.chars = [[" "] * width for _ in range(height)]
        self.roles = [["canvas"] * width for _ in range(height)]

    def draw(self, index: int, pieces: list[Piece], plane: Plane) -> None:
        if not pieces or self.width < 1 or self.height < 1:
            return
        across, down = _PIXELS[self.ink]
        mark = mark_of(index, self.ink)
        paths = []
        dots: list[tuple[int, int]] = []
        for xs, ys in pieces:
            points = decimate(xs, ys, plane.x_low, plane.x_high, self.width * across)
            pixels = [
                (
                    pixel_of(x, plane.x_low, plane.x_high, self.width * across),
                    pixel_of(y, plane.y_low, plane.y_high, self.height * down),
                )
                for x, y in points
            ]
            path = [pixel for i, pixel in enumerate(pixels) if i == 0 or pixel != pixels[i - 1]]
            paths.append(path)
            dots.extend(path if index or len(path) == 1 else ())
        marker = mark if self.ink == "ascii" else _PLOTEXT_MARKER[self.ink]
        for row, line in enumerate(_ink_lines(paths, self.width, self.height, across, down, marker)):
            for column, char in enumerate(line):
                if char != " ":
                    self.chars[row][column] = _overlay(self.chars[row][column], char, self.ink)
                    self.roles[row][column] = f"series{index}"
        for x, y in self._spread(dots):
            row, column = self.height - 1 - y // down, x // across
            self.chars[row][column], self.roles[row][column] = mark, f"series{index}"

    def _spread(self, dots: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """All places for marks while they are few, else some of them, evenly."""
        most = max(2, self.width // 4)
        if len(dots) <= most:
            return dots
        stride = math.ceil(len(dots) / max(2, self.width // 12))
        return dots[stride // 2 :: stride]

    def write(self, row: int, text: str) -> None:
        start = max(0, (self.width - width_of(text)) // 2)
        for offset, char in enumerate(text):
            if start + offset < self.width and row < self.height:
                self.chars[row][start + offset], self.roles[row][start + offset] = char, "empty"

    def spans(self) -> list[list[Span]]:
        rows = []
        for chars, roles in zip(self.chars, self.roles, strict=True):
            row: list[Span] = []
            start = 0
            for column in range(1, len(chars) + 1):
                if column == len(chars) or roles[column] != roles[start]:
                    row.append(Span("".join(chars[start:column]), roles[start]))
                    start = column
            rows.append(row)
        return rows


def _ink_lines(
    paths: list[list[tuple[int, int]]], width: int, height: int, across: int, down: int, marker: str
) -> list[str]:
    """Have plotext draw lines through pixels (x, y from the lower left), one path after the other.

    A pixel is passed as its centre, in cells, and the limits are the paper's edges, so that the small margins
    which plotext adds when it scales cannot move it.
    """
    xs = [(x + 0.5) / across for path in paths for x, _ in path]
    ys = [(y + 0.5) / down for path in paths for _, y in path]
    import plotext

    with _plotext_lock:
        figure = plotext.figure
        figure.clear()
        plotext.terminal.limit(False, False)  # else it clips to the terminal, or to 80x24 where there is none
        figure.plot_size(width, height)
        figure.axes(False)
        figure.canvas("default")
        for axis, size in (("x", width), ("y", height)):
            figure.ruler(axis).frequency(0)
            figure.ruler(axis).alignment(lim="edge")
            figure.ruler(axis).lim(0, size)
        signal = figure.signal(xs, ys, marker=marker).lines(True)
        start = 0
        for path in paths:
            signal.line(start, False)  # a gap before each path
            start += len(path)
        figure.draw(signal)
        drawn: str = figure.build().string(colorless=True)
        figure.clear()
    return [line.ljust(width)[:width] for line in drawn.split("\n")[:height]]


def _overlay(below: str, above: str, ink: Ink) -> str:
    if below == " " or ink == "ascii":
        return above
    if ink == "braille" and min(below, above) >= "\u2800" and max(below, above) <= "\u28ff":
        return chr(0x2800 | ord(below) & 0xFF | ord(above) & 0xFF)
    if ink == "block" and below in _QUADRANTS and above in _QUADRANTS:
        return _QUADRANTS[_QUADRANTS.index(below) | _QUADRANTS.index(above)]
    return above


def mark_of(index: int, ink: Ink) -> str:
    return _MARKS[ink][index % len(_MARKS[ink])]
