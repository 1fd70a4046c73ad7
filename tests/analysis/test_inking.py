from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from craft.analysis.canvas import LINE, Canvas
from craft.analysis.inking import Ink, Paper

pixels = st.tuples(st.integers(-30, 60), st.integers(-30, 60))


def _points(paper: Paper) -> set[tuple[int, int]]:
    return {(x, y) for x, column in enumerate(paper.columns) for y in range(paper.height) if column >> y & 1}


def _slow(x0: int, y0: int, x1: int, y1: int) -> set[tuple[int, int]]:
    """The nearest pixel to the line, along its longer side."""
    if x0 == x1:
        return {(x0, y) for y in range(min(y0, y1), max(y0, y1) + 1)}
    slope = (y1 - y0) / (x1 - x0)
    if abs(slope) <= 1:
        return {(x, round(y0 + slope * (x - x0))) for x in range(x0, x1 + 1)}
    return {(round(x0 + (y - y0) / slope), y) for y in range(min(y0, y1), max(y0, y1) + 1)}


@given(pixels, pixels)
def test_a_line_is_the_pixels_nearest_to_it(one: tuple[int, int], other: tuple[int, int]) -> None:
    (x0, y0), (x1, y1) = sorted((one, other))
    paper = Paper(10, 5, "braille")  # 20 by 20 pixels
    paper.line([(x0, y0), (x1, y1)])
    inside = {(x, y) for x, y in _slow(x0, y0, x1, y1) if 0 <= x < 20 and 0 <= y < 20}
    drawn = _points(paper)
    # Where the line runs midway between two pixels, either is right.
    assert len(drawn) == pytest.approx(len(inside), abs=1)
    assert all(any(abs(x - a) + abs(y - b) <= 1 for a, b in inside) for x, y in drawn)
    assert all(any(abs(x - a) + abs(y - b) <= 1 for a, b in drawn) for x, y in inside)


def test_a_line_has_no_holes() -> None:
    paper = Paper(50, 25, "braille")
    paper.line([(0, 0), (3, 90), (60, 10), (99, 99)])
    points = _points(paper)
    assert {x for x, _ in points} == set(range(100))
    for x, y in points:
        near = {(x + a, y + b) for a in (-1, 0, 1) for b in (-1, 0, 1)} - {(x, y)}
        assert near & points


@pytest.mark.parametrize(
    ("ink", "dots", "text"),
    [
        ("braille", [(1, 0)], "\u2880"),
        ("braille", [(0, 3)], "\u2801"),
        ("braille", [(0, 0), (0, 1), (1, 1), (1, 0)], "\u28e4"),
        ("block", [(0, 0), (1, 0), (1, 1)], "\u259f"),
        ("block", [(0, 1)], "\u2598"),
        ("ascii", [(0, 0)], "*"),
    ],
)
def test_every_pixel_of_a_cell_has_its_place(ink: Ink, dots: list[tuple[int, int]], text: str) -> None:
    canvas, paper = Canvas(1, 1, ink), Paper(1, 1, ink)
    for x, y in dots:
        paper.run(x, y, y)
    canvas.lay(paper, 0, LINE)
    assert next(iter(canvas.spans())) == [(text, "series0")]


def test_a_band_is_what_lies_between_its_edges() -> None:
    low, high = Paper(5, 5, "braille"), Paper(5, 5, "braille")
    low.line([(0, 2), (9, 2)])
    high.line([(0, 10), (9, 10)])
    band = Paper(5, 5, "braille")
    band.fill_between(low, high)
    assert _points(band) == {(x, y) for x in range(10) for y in range(2, 11)}
    band.thin()
    assert len(_points(band)) < 30 and _points(band), "a tint"
