from __future__ import annotations

import math
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from craft.analysis.inking import Ink
from craft.analysis.plots import Series, View, draw_plot, plot_text
from craft.analysis.ticks import linear_ticks, log_labels, log_ticks, tick_labels
from tests.escapes import HARMFUL, TERMINAL_ESCAPES

STEPS = [float(step) for step in range(1, 301)]
TRAIN = Series("train", STEPS, [1.5 + 2.7 * math.exp(-x / 60) for x in STEPS])
VAL = Series("val", STEPS[::50], [1.7 + 2.5 * math.exp(-x / 60) for x in STEPS[::50]])


def _text(*series: Series, width: int = 60, height: int = 12, ink: Ink = "braille", log_y: bool = False) -> str:
    return draw_plot(series, width=width, height=height, x_label="step", ink=ink, view=View(log_y=log_y)).plain()


def _inked(text: str) -> int:
    """Cells of the canvas with ink: right of the frame, above the axis."""
    canvas = [line.split("\u2502", 1)[-1].split("\u2524", 1)[-1] for line in text.splitlines()[1:-2]]
    return sum(not char.isspace() for line in canvas for char in line)


@pytest.mark.parametrize("ink", ["braille", "block", "ascii"])
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (12, 4), (20, 6), (33, 7), (80, 24), (160, 48), (300, 100)], ids=str)
def test_every_row_is_as_wide_as_asked(size: tuple[int, int], ink: Ink) -> None:
    width, height = size
    hostile = Series("\u65e5\u672c\u8a9e\x1b[31m[/]", STEPS, list(VAL.ys) * 50)
    drawing = draw_plot([TRAIN, VAL, hostile], width=width, height=height, title="loss", x_label="step", ink=ink)
    assert len(drawing.rows) == height
    for row in drawing.rows:
        assert cell_len("".join(span.text for span in row)) == width
    text = drawing.plain()
    assert not HARMFUL & set(text)
    assert ink != "ascii" or text.isascii()


def test_legend_says_the_last_values() -> None:
    text = _text(TRAIN, VAL)
    assert f"train {TRAIN.ys[-1]:.3f}" in text
    assert f"val {VAL.ys[-1]:.3f}" in text


def test_a_curve_that_broke_off_says_so() -> None:
    assert "train not finite" in _text(Series("train", [1, 2, 3], [2.0, 1.0, None]))
    assert "train inf" in _text(Series("train", [1, 2, 3], [2.0, 1.0, math.inf]))
    assert "train not finite" in _text(Series("train", [1, 2], [math.nan, math.nan]))


def test_series_are_told_apart_without_color() -> None:
    text = _text(TRAIN, VAL)
    assert "\u00d7 val" in text, "the legend shows the mark"
    assert text.count("\u00d7") >= 1 + 5, "and the points of a sparse series wear it"
    dense = Series("other", STEPS, [y + 1 for y in TRAIN.ys if y is not None])
    assert _text(TRAIN, dense).count("\u00d7") >= 3, "a dense one wears it here and there"
    ascii_text = _text(TRAIN, VAL, ink="ascii")
    assert "* train" in ascii_text and "x val" in ascii_text and ascii_text.count("x") > 5


def test_a_gap_is_not_bridged() -> None:
    ys = [None if 100 < x < 200 else 1.0 for x in STEPS]
    row = next(line for line in _text(Series("train", STEPS, ys)).splitlines() if line.startswith("1 "))
    canvas = row.split("\u2524", 1)[1]
    left, right = canvas.rstrip().split(" ", 1)
    assert len(right) - len(right.lstrip()) > 15 and left and right.strip()


def test_a_single_point_is_seen() -> None:
    text = _text(Series("train", [7], [2.5]))
    assert "\u2022" in text
    assert re.search(r"^2\.5 \u2524", text, re.MULTILINE)
    assert text.splitlines()[-1].split() == ["6", "7", "step"]


def test_values_that_are_all_equal_draw_a_line_at_their_height() -> None:
    text = _text(Series("train", STEPS, [2.5] * len(STEPS)))
    assert _inked(text) > 50
    assert re.search(r"^2\.5 \u2524\S{50}", text, re.MULTILINE)


@pytest.mark.parametrize("scale", [1e300, 1e-300, 5e-324, 1e17, 1e-9, -3e7])
def test_huge_and_tiny_values(scale: float) -> None:
    series = Series("train", STEPS, [y * scale for y in TRAIN.ys if y is not None])
    text = _text(series)
    assert _inked(text) > 20
    assert "\u2524" in text, "with a scale to read it by"
    assert "nan" not in text.lower()


def test_the_widest_range_that_floats_have() -> None:
    text = _text(Series("train", [0, 1, 2], [-1.7e308, 1.7e308, 0.0]))
    assert _inked(text) > 20 and "1e308" in text


@pytest.mark.parametrize("series", [[], [Series("train", [], [])], [Series("train", [1], [None])]])
def test_nothing_to_draw_is_said(series: list[Series]) -> None:
    text = draw_plot(series, width=40, height=8, title="loss", x_label="step").plain()
    assert ("no value is finite" if series and series[0].xs else "no points yet") in text
    assert "loss" in text and "step" in text


def test_log_axis_leaves_out_what_has_no_logarithm() -> None:
    text = _text(Series("train", [1, 2, 3, 4], [100.0, 0.0, -1.0, 0.01]), log_y=True)
    assert re.search(r"^ *100 \u2524", text, re.MULTILINE) and re.search(r"^0\.01 \u2524", text, re.MULTILINE)
    assert text.count("\u2022") == 2, "two lone points, nothing between them"


def test_color_only_when_asked() -> None:
    plain = plot_text([TRAIN, VAL], width=40, height=8, color=False, braille=True)
    colored = plot_text([TRAIN, VAL], width=40, height=8, color=True, braille=True)
    assert "\x1b" not in plain
    assert "\x1b[36m" in colored and "\x1b[33m" in colored
    assert [line.rstrip() for line in re.sub(r"\x1b\[\d*m", "", colored).splitlines()] == plain.splitlines()


@pytest.mark.parametrize("escape", TERMINAL_ESCAPES.values(), ids=TERMINAL_ESCAPES.keys())
def test_names_pass_the_gate(escape: str) -> None:
    text = plot_text(
        [Series(escape, [1], [1.0])],
        width=70,
        height=8,
        title=escape,
        x_label=escape,
        color=False,
        braille=True,
    )
    assert not HARMFUL & set(text)


def test_no_state_leaks_from_one_plot_into_the_next() -> None:
    fresh = _text(TRAIN)
    _text(TRAIN, VAL, width=120, height=40, log_y=True)
    _text(Series("x", [1], [1.0]), ink="ascii", width=20, height=6)
    assert _text(TRAIN) == fresh


def test_threads_may_draw_at_once() -> None:
    sizes = [(30, 8), (60, 12), (90, 20)] * 6
    alone = [_text(TRAIN, VAL, width=width, height=height) for width, height in sizes]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda size: _text(TRAIN, VAL, width=size[0], height=size[1]), sizes))
    assert together == alone


def test_size_is_not_limited_by_a_terminal_that_is_not_there() -> None:
    program = (
        "from craft.analysis.plots import *\n"
        "series = [Series('a', range(500), range(500))]\n"
        "text = plot_text(series, width=200, height=60, color=False, braille=True)\n"
        "lines = text.splitlines(); assert len(lines) == 60, len(lines); assert max(map(len, lines)) == 200\n"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=60,
    )


def test_a_plot_imports_nothing_that_takes_long() -> None:
    program = (
        "import sys, craft.analysis.svg\nfrom craft.analysis.plots import *\n"
        "draw_plot([Series('a', range(500), range(500))], width=80, height=20)\n"
        "bad = {'numpy', 'textual', 'torch'} & set(sys.modules); assert not bad, bad\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(finite, st.one_of(st.none(), st.floats())), max_size=40),
    st.sampled_from(["braille", "block", "ascii"]),
    st.booleans(),
)
def test_any_numbers_give_a_plot(points: list[tuple[float, float | None]], ink: Ink, log_y: bool) -> None:
    series = Series("s", [x for x, _ in points], [y for _, y in points])
    drawing = draw_plot([series], width=40, height=10, ink=ink, view=View(log_y=log_y))
    assert all(cell_len("".join(span.text for span in row)) == 40 for row in drawing.rows)


@given(finite, finite, st.integers(2, 9))
def test_ticks_lie_inside_and_are_told_apart(a: float, b: float, most: int) -> None:
    low, high = min(a, b), max(a, b)
    ticks = linear_ticks(low, high, most)
    slack = (high / 2 - low / 2) * 1e-6
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    assert 1 <= len(ticks) <= max(most, 2)
    assert len(tick_labels(ticks)) == len(ticks)


def test_ticks_are_round() -> None:
    assert linear_ticks(1.62, 4.17, 6) == [2.0, 2.5, 3.0, 3.5, 4.0]
    assert linear_ticks(1, 500, 6) == [100.0, 200.0, 300.0, 400.0, 500.0]
    assert linear_ticks(0, 3, 9, whole=True) == [0.0, 1.0, 2.0, 3.0]
    assert tick_labels([0.0, 250_000.0, 500_000.0]) == ["0", "250k", "500k"]
    assert tick_labels([0.5, 1.0, 1.5]) == ["0.5", "1.0", "1.5"]
    assert tick_labels([1e-12, 2e-12]) == ["1e-12", "2e-12"]
    assert tick_labels([-1.5, 1.5]) == ["-1.5", "1.5"]
    assert tick_labels([-1.2e292, sys.float_info.max]) == ["-0.00e308", "1.80e308"]
    assert log_ticks(0.05, 200.0, 5) == [0.1, 1.0, 10.0, 100.0]
    assert log_ticks(1.6, 4.2, 5) == [2.0] or log_labels(log_ticks(1.6, 4.2, 5))[0] == "2"
