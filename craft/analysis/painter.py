"""Curves inked on a canvas: bands and what was measured faintly, lines, their marks, and what stands over them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

from craft.analysis.canvas import BAND, LINE, RAW, TOP, Canvas, mark_of
from craft.analysis.curves import Curve, Curves, Key, Piece
from craft.analysis.inking import PIXELS, Ink, Paper
from craft.analysis.marks import sign_of
from craft.analysis.series import Mark
from craft.analysis.sight import Sight

_MEASURED: Key = ("measured",)
Path = list[tuple[int, int]]
"""Pixels that a line joins, those of a point beyond either end included."""


def painted(sight: Sight, width: int, height: int, ink: Ink, kept: Curves) -> Canvas:
    """A canvas with the curves on it. While only the crosshair moves they are not drawn again."""
    key = (tuple(sight.curves), sight.x, sight.y, sight.view.smoothing, sight.view.top, width, height, ink)
    if kept.painting is None or kept.painting[0] != key:
        canvas = Canvas(width, height, ink)
        Painter(canvas, sight).paint_curves()
        kept.painting = key, canvas
    return kept.painting[1].copy()


class Painter:
    """Inks what a sight shows on one canvas."""

    def __init__(self, canvas: Canvas, sight: Sight) -> None:
        self.canvas, self.sight = canvas, sight
        self.across, self.down = PIXELS[canvas.ink]
        self.width, self.height = canvas.width * self.across, canvas.height * self.down
        self._shown = sight.x, sight.y, self.width, self.height, canvas.ink

    def paint_curves(self) -> None:
        """What no crosshair changes."""
        for index, curve in self.sight.ranked:
            self._ink(index, curve)
        for index, curve in self.sight.ranked:
            self._mark(index, curve)

    def paint_over(self, events: Mapping[int, Sequence[Mark]]) -> None:
        """What stands over the curves; `events` by column."""
        self._draw_events(events)
        view = self.sight.view
        for place in view.chosen or ():
            self._upright(place)
        if view.cross is not None:
            self._upright(view.cross)
            self._mark_crossed(view.cross)

    def _paths(self, curve: Curve, what: Key, pieces: list[Piece]) -> list[Path]:
        x, y = self.sight.x, self.sight.y

        def find() -> list[Path]:
            found = []
            for points in curve.reduced(what, pieces, x, y.log, self.width):
                columns = x.pixels([px for px, _ in points], self.width)
                rows = y.pixels([py for _, py in points], self.height)
                found.append([pixel for pixel, _ in groupby(zip(columns, rows, strict=True))])
            return found

        return curve.once((*what, "paths", *self._shown), find)

    def _paper(self, curve: Curve, what: Key, pieces: list[Piece]) -> Paper:
        """Kept by the curve: when another one changes, or comes to the top, it is not drawn again; and when it goes on,
        only what is new in it is."""
        key = (*what, "paper", *self._shown)

        def draw() -> Paper:
            x, y = self.sight.x, self.sight.y
            earlier, size = curve.earlier(key)
            if earlier is not None and what == _MEASURED and curve.fit(what, pieces, x.log, y.log) == pieces:
                paper, [(xs, ys)] = earlier.copy(), pieces
                columns, rows = x.pixels(xs[size - 1 :], self.width), y.pixels(ys[size - 1 :], self.height)
                paper.line(zip(columns, rows, strict=True))
                return paper
            paper = Paper(self.canvas.width, self.canvas.height, self.canvas.ink)
            for path in self._paths(curve, what, pieces):
                paper.line(path)
            return paper

        return curve.once(key, draw)

    def _band(self, curve: Curve) -> Paper | None:
        low, high = curve.band()
        if not (low and high):
            return None
        band = Paper(self.canvas.width, self.canvas.height, self.canvas.ink)
        band.fill_between(self._paper(curve, ("low",), low), self._paper(curve, ("high",), high))
        if self.canvas.ink != "ascii":
            band.thin()
        return band

    def _ink(self, index: int, curve: Curve) -> None:
        if band := self._band(curve):
            self.canvas.lay(band, index, BAND)
        what, pieces = self.sight.lines(curve)
        if what != _MEASURED:
            self.canvas.lay(self._paper(curve, _MEASURED, curve.measured), index, RAW)
        self.canvas.lay(self._paper(curve, what, pieces), index, TOP if index == self.sight.view.top else LINE)

    def _mark(self, index: int, curve: Curve) -> None:
        """The marks of a curve, and arrows at the edges beyond which it has points."""
        role = f"series{index}"
        dots: Path = []
        for path in self._paths(curve, *self._marked(index, curve)):
            dots.extend(path if index or len(path) == 1 else ())
        inside = [(x, y) for x, y in dots if 0 <= x < self.width and 0 <= y < self.height]
        for x, y in _spread(inside, index, self.canvas.width):
            row = self.canvas.height - 1 - y // self.down
            self.canvas.put(row, x // self.across, mark_of(index, self.canvas.ink), role)
        if not self.sight.outside:
            return
        above, below = ("^", "v") if self.canvas.ink == "ascii" else ("\u25b4", "\u25be")
        for path in self._paths(curve, _MEASURED, curve.measured):
            for x, y in path:
                if 0 <= x < self.width and y >= self.height:
                    self.canvas.put(0, x // self.across, above, role)
                elif 0 <= x < self.width and y < 0:
                    self.canvas.put(self.canvas.height - 1, x // self.across, below, role)

    def _marked(self, index: int, curve: Curve) -> tuple[Key, list[Piece]]:
        """What of a curve may carry marks. The first one is a plain line, but for points that no line leads to."""
        what, pieces = self.sight.lines(curve)
        if index:
            return what, pieces
        x = self.sight.x

        def find() -> list[Piece]:
            fit = curve.fit(what, pieces, x.log, self.sight.y.log)
            return [piece for piece in fit if x.pixel(piece[0][0], self.width) == x.pixel(piece[0][-1], self.width)]

        lone = (*what, "lone", *self._shown)
        return lone, curve.once(lone, find)

    def _draw_events(self, events: Mapping[int, Sequence[Mark]]) -> None:
        """Thin lines where something bends the curves; where they are too many, none."""
        telling = {column: sign for column, here in events.items() if (sign := sign_of(here[0].kind)).line}
        if len(telling) <= max(1, self.canvas.width // 8):
            for column, sign in telling.items():
                self._line_up(column, ":" if self.canvas.ink == "ascii" else "\u250a", sign.role)

    def _upright(self, place: float) -> None:
        if self.sight.x.holds(place):
            column = self.sight.x.near(place, self.canvas.width)
            self._line_up(column, "|" if self.canvas.ink == "ascii" else "\u2502", "hair")

    def _line_up(self, column: int, char: str, role: str) -> None:
        for row in range(self.canvas.height):
            self.canvas.put(row, column, char, role, over=False)

    def _mark_crossed(self, cross: float) -> None:
        """The points that the crosshair reads."""
        x, y, ink = self.sight.x, self.sight.y, self.canvas.ink
        for index, curve in self.sight.ranked:
            point = self.sight.at(curve, cross)
            if point is None or not x.holds(point.x):
                continue
            height = point.y if point.smoothed is None else point.smoothed
            if y.holds(height):
                row = self.canvas.height - 1 - y.near(height, self.canvas.height)
                spot = mark_of(index, ink) if index or ink == "ascii" else "\u25cf"
                self.canvas.put(row, x.near(point.x, self.canvas.width), spot, f"series{index}")


def _spread(dots: Path, index: int, width: int) -> Path:
    """All places for marks while they are few, else some of them, evenly, and not where those of other curves are."""
    if len(dots) <= max(2, width // 4):
        return dots
    stride = math.ceil(len(dots) / max(2, width // 12))
    return dots[stride * (index % 4 + 1) // 5 :: stride]
