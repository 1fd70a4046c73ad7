"""Curves looked at closely: zoomed, on logarithmic axes, smoothed, with a crosshair and with events."""

from __future__ import annotations

import math
import random
import re
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from craft.analysis.axes import AXES
from craft.analysis.canvas import mark_of
from craft.analysis.curves import Curve, Curves
from craft.analysis.inking import Ink
from craft.analysis.plots import Drawing, Mark, Series, View, draw_plot
from craft.analysis.smoothing import LIGHT, STRONG

STEPS = [float(step) for step in range(401)]
TRAIN = Series("train", STEPS, [1.5 + 3 * math.exp(-x / 50) for x in STEPS])
VAL = Series("val", STEPS[::50], [1.7 + 3 * math.exp(-x / 50) for x in STEPS[::50]])
INKS: list[Ink] = ["braille", "block", "ascii"]


WHOLE = View()


def _draw(
    *series: Series, view: View = WHOLE, width: int = 90, height: int = 18, ink: Ink = "braille", **more: object
) -> Drawing:
    return draw_plot(series, width=width, height=height, title="loss", x_label="step", ink=ink, view=view, **more)  # type: ignore[arg-type]


def _roles(drawing: Drawing) -> set[str]:
    return {span.role for row in drawing.rows for span in row if span.text.strip()}


def _spiked() -> Series:
    ys = list(TRAIN.ys)
    ys[200], ys[201] = 60.0, 45.0
    return Series("train", STEPS, ys)


# --- range ---


@pytest.mark.parametrize("ink", INKS)
def test_strays_are_counted_pointed_at_and_do_not_flatten_the_curve(ink: Ink) -> None:
    whole, robust = _draw(_spiked(), ink=ink), _draw(_spiked(), view=View(robust=True), ink=ink)
    assert whole.y and robust.y and whole.y.high == 60.0 and robust.y.high < 6.0
    assert "2 points outside" in robust.plain() and "outside" not in whole.plain()
    top = robust.plain().splitlines()[robust.top]
    assert ("^" if ink == "ascii" else "\u25b4") in top
    assert "1 point outside" in _draw(_spiked(), view=View(robust=True, x_range=(150, 200)), ink=ink).plain()


def test_the_last_digits_of_a_value_are_not_blown_up() -> None:
    drawing = _draw(Series("train", [0, 1], [4.56434676, 4.56434678]))
    assert drawing.y and drawing.y.high - drawing.y.low == pytest.approx(4.56e-4, rel=0.01)
    assert _draw(Series("train", [0, 1], [2.5, 2.5])).y == _draw(Series("train", [0], [2.5])).y, "one value is one"


def test_a_zoom_shows_its_part_and_the_curve_leaves_at_the_edges() -> None:
    drawing = _draw(TRAIN, VAL, view=View(x_range=(100.0, 200.0)))
    assert drawing.x and (drawing.x.low, drawing.x.high) == (100.0, 200.0)
    assert drawing.whole_x and (drawing.whole_x.low, drawing.whole_x.high) == (0.0, 400.0)
    assert drawing.y and drawing.y.high == VAL.ys[2], "y fits what is seen"
    assert "zoomed" in drawing.plain()
    # Between two points of val there is still a line.
    between = _draw(VAL, view=View(x_range=(110.0, 140.0)))
    lines = between.plain().splitlines()[between.top : between.top + between.lines]
    assert all(
        any(not line[between.left + c].isspace() for line in lines if len(line) > between.left + c) for c in (1, 40)
    )


def test_a_zoom_draws_what_the_whole_drawing_would() -> None:
    """Every second pixel of a picture twice as wide: decimation sees the same points."""
    chance = random.Random(5)
    noisy = Series("a", [float(x) for x in range(5000)], [chance.gauss(0, 1) for _ in range(5000)])
    part = Series("a", noisy.xs[1000:2001], noisy.ys[1000:2001])
    zoomed, alone = _draw(noisy, view=View(x_range=(1000.0, 2000.0))), _draw(part)
    assert zoomed.y == alone.y

    def cells(drawing: Drawing) -> list[str]:
        rows = drawing.rows[drawing.top : drawing.top + drawing.lines]
        return ["".join(span.text for span in row)[drawing.left : -1] for row in rows]

    assert [row[1:] for row in cells(zoomed)] == [row[1:] for row in cells(alone)], "but for the lines to the outside"


def test_ranges_that_hold_nothing_are_safe() -> None:
    for view in (View(x_range=(500.0, 600.0)), View(y_range=(90.0, 91.0)), View(x_range=(5.0, 5.0))):
        for log in (False, True):
            drawing = _draw(TRAIN, view=View(log_x=log, log_y=log, x_range=view.x_range, y_range=view.y_range))
            assert len(drawing.rows) == 18


# --- logarithmic axes ---


@pytest.mark.parametrize("ink", INKS)
def test_what_has_no_logarithm_is_counted(ink: Ink) -> None:
    ys: list[float | None] = [100.0, 0.0, -1.0, 10.0, 1.0]
    text = _draw(Series("a", [1, 2, 3, 4, 5], ys), view=View(log_y=True), ink=ink).plain()
    assert "2 not positive, left out" in text and "log y" in text
    text = _draw(TRAIN, view=View(log_x=True), ink=ink).plain()
    assert "1 not positive, left out" in text, "step 0"
    assert re.search(r"\b1 +10 +100\b", text.splitlines()[-1])


def test_nothing_positive_is_said() -> None:
    drawing = _draw(Series("a", STEPS, [-y for y in STEPS]), view=View(log_y=True))
    assert "no point is positive" in drawing.plain() and drawing.x is None


def test_a_power_law_is_a_straight_line_on_two_log_axes() -> None:
    xs = [float(x) for x in range(1, 2000)]
    drawing = _draw(Series("a", xs, [x**-0.5 for x in xs]), view=View(log_x=True, log_y=True))
    rows = drawing.plain().splitlines()[drawing.top : drawing.top + drawing.lines]
    first = [next((i for i, char in enumerate(row[drawing.left :]) if not char.isspace()), None) for row in rows]
    places = [(row, column) for row, column in enumerate(first) if column is not None]
    (row0, column0), (row1, column1) = places[0], places[-1]
    for row, column in places:
        assert abs(column - (column0 + (column1 - column0) * (row - row0) / (row1 - row0))) < 6


# --- smoothing ---


@pytest.mark.parametrize("ink", INKS)
def test_what_was_measured_stands_faintly_behind_the_smoothed_line(ink: Ink) -> None:
    chance = random.Random(1)
    noisy = Series("train", STEPS, [y + chance.gauss(0, 0.3) for y in TRAIN.ys if y is not None])
    plain, smooth = _draw(noisy, ink=ink), _draw(noisy, view=View(smoothing=STRONG), ink=ink)
    assert "raw0" not in _roles(plain) and {"raw0", "series0"} <= _roles(smooth)
    assert "strongly smoothed" in smooth.plain()
    last = noisy.write(noisy.ys[-1])
    assert f"train {last}" in smooth.plain(), "the legend says what was measured"


def test_a_curve_that_comes_smoothed_is_not_smoothed_again() -> None:
    given = Series("train", STEPS, [2.0] * len(STEPS), raw=TRAIN.ys)
    assert _draw(given, view=View(smoothing=STRONG)).rows == _draw(given).rows
    assert {"raw0", "series0"} <= _roles(_draw(given))
    assert f"train {TRAIN.write(TRAIN.ys[-1])}" in _draw(given).plain()


# --- crosshair and events ---


@pytest.mark.parametrize("ink", INKS)
def test_a_crosshair_reads_the_nearest_point_of_every_curve(ink: Ink) -> None:
    view = View(cross=120.0, smoothing=LIGHT)
    drawing = _draw(TRAIN, VAL, view=view, ink=ink, axis=AXES["step"])
    text = drawing.plain()
    smoothed = Curve(TRAIN).at(120.0, drawing.x, LIGHT, 400.0) if drawing.x else None
    assert smoothed and smoothed.smoothed is not None
    assert f"train {TRAIN.write(TRAIN.ys[120])} (~{TRAIN.write(smoothed.smoothed)})" in text
    assert f"val {VAL.write(VAL.ys[2])}" in text and "@100" in text
    assert " 120 " in text.splitlines()[-1]
    assert len(_draw(TRAIN, VAL, ink=ink).rows) == len(drawing.rows)
    assert drawing.top == _draw(TRAIN, VAL, view=View(smoothing=LIGHT), ink=ink).top, "nothing jumps"


def test_a_crosshair_reads_more_curves_than_there_is_room_for_above() -> None:
    for place in (0.0, 400.0):
        drawing = _draw(*_many(10), width=80, height=16, view=View(cross=place))
        text = drawing.plain()
        for k in range(10):
            assert f"transformer-{k:03d} {k + math.exp(-place / 50):.3f}" in text
        box = drawing.plain().splitlines()[drawing.top]
        assert (box.index("transformer") > 40) == (place == 0.0), "on the far side"
    assert re.search(r"\+\d+ more", _draw(*_many(30), width=80, height=16, view=View(cross=0.0)).plain())


def test_a_crosshair_at_a_gap_says_that_the_value_was_not_finite() -> None:
    ys = [None if x == 50 else 1.0 for x in STEPS]
    text = _draw(Series("train", STEPS, ys), view=View(cross=50.0)).plain()
    assert "train not finite" in text and "1 not finite" in text


@pytest.mark.parametrize("ink", INKS)
def test_events_stand_on_the_axis_each_kind_with_its_sign(ink: Ink) -> None:
    marks = [
        Mark(100, "step-100", "checkpoint"),
        Mark(200, "lr halved", "changed"),
        Mark(300, "nan in loss", "warning"),
    ]
    drawing = _draw(TRAIN, marks=marks, ink=ink)
    axis = drawing.plain().splitlines()[-2]
    signs = ("o", "=", "!") if ink == "ascii" else ("\u25aa", "\u25c6", "\u25b2")
    assert all(sign in axis for sign in signs)
    assert "warn" in _roles(drawing)
    near = _draw(TRAIN, marks=marks, view=View(cross=200.0), ink=ink).plain().splitlines()[-1]
    assert "lr halved" in near and "step-100" not in near
    hostile = _draw(TRAIN, marks=[Mark(200, "\x1b[31m[/]\n\u202e", "changed")], view=View(cross=200.0), ink=ink).plain()
    assert "\x1b" not in hostile and "\u202e" not in hostile and "[/]" in hostile


def test_no_label_of_the_axis_is_cut_by_what_the_crosshair_says() -> None:
    marks = [Mark(float(step), "checkpoint", "checkpoint") for step in STEPS]
    whole = set(_draw(TRAIN).plain().splitlines()[-1].split())
    for x in STEPS:
        said = _draw(TRAIN, marks=marks, view=View(cross=x)).plain().splitlines()[-1].split()
        assert set(said) <= {*whole, "checkpoint", f"{x:g}"}, said


def test_gaps_are_marked_where_they_are() -> None:
    ys = [None if 100 <= x < 120 else 1.0 + x for x in STEPS]
    drawing = _draw(Series("train", STEPS, ys))
    axis = drawing.plain().splitlines()[-2]
    first, last = axis.index("\u2205") - drawing.left, axis.rindex("\u2205") - drawing.left
    assert first == pytest.approx(drawing.columns / 4, abs=1) and last == pytest.approx(drawing.columns * 0.3, abs=1)
    assert "20 not finite" in drawing.plain()


# --- many curves ---


def _many(count: int) -> list[Series]:
    return [Series(f"transformer-{k:03d}", STEPS, [k + math.exp(-x / 50) for x in STEPS]) for k in range(count)]


def test_many_runs_are_named_at_the_ends_of_their_curves() -> None:
    drawing = _draw(*_many(8), width=140, height=30)
    rows = drawing.plain().splitlines()
    at = {k: next(i for i, row in enumerate(rows) if f"transformer-{k:03d} {k}.000" in row) for k in range(8)}
    assert sorted(at.values(), reverse=True) == [at[k] for k in range(8)], "in the order of the curves"
    assert {f"series{k}" for k in range(8)} <= _roles(drawing)
    crossed = _draw(*_many(8), width=140, height=30, view=View(cross=0.0)).plain()
    assert "transformer-003 4.000" in crossed


def test_more_runs_than_there_is_room_for_are_counted() -> None:
    text = _draw(*_many(40), width=140, height=24).plain()
    assert re.search(r"\+\d+ more", text)
    text = _draw(*_many(12), width=80, height=12).plain()
    assert re.search(r"\+\d+ more", text)


def test_a_curve_keeps_its_look_when_others_are_not_drawn_and_lies_on_top_when_it_is_asked_for() -> None:
    lines = [Series(f"run-{k}", [0, 1], [1.0, 1.0 + (k == 2) / 1000], look=k) for k in range(3)]

    def roles(series: list[Series], top: int | None) -> set[str]:
        drawing = draw_plot(series, width=60, height=10, view=View(y_range=(0, 2), top=top))
        row = next(row for row in drawing.rows[1:] if any(span.role.startswith("series") for span in row))
        return {span.role for span in row if span.role.startswith("series") and not span.text.isspace()}

    assert roles(lines, None) == {"series2"} == roles(lines[:1] + lines[2:], None), "the last lies on top"
    assert roles(lines[1:], 1) == {"series1"} and "series0" in roles(lines, 0)
    many = [Series(f"run-{k}", [0, 1], [float(k), float(k)], look=k) for k in range(50)]
    assert "run-49" in draw_plot(many, width=120, height=20, view=View(top=49)).plain()
    assert len({(mark_of(k, "braille"), k % 8) for k in range(50)}) == 50, "told apart by mark and colour"


def test_a_band_is_seen_with_and_without_braille() -> None:
    band = Series("seeds", STEPS, TRAIN.ys, low=[y - 0.3 for y in TRAIN.ys if y], high=[y + 0.3 for y in TRAIN.ys if y])
    for ink in INKS:
        drawing = _draw(band, ink=ink)
        assert "band0" in _roles(drawing)
        assert drawing.y and drawing.y.high == pytest.approx(4.8), "and is within the range"


@pytest.mark.parametrize("ink", INKS)
def test_thirty_by_eight_still_reads(ink: Ink) -> None:
    drawing = _draw(TRAIN, VAL, width=30, height=8, ink=ink)
    text = drawing.plain()
    assert "train 1.501" in text and "val 1.701" in text and "step" in text
    assert drawing.lines >= 5 and any(label in text for label in ("2", "4"))


# --- any numbers, any look ---

finite = st.floats(allow_nan=False, allow_infinity=False)
ranges = st.one_of(st.none(), st.tuples(finite, finite).filter(lambda ends: ends[0] < ends[1]))
points = st.lists(st.tuples(finite, st.one_of(st.none(), st.floats())), max_size=30)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(points, max_size=4),
    st.sampled_from(INKS),
    st.builds(
        View,
        log_x=st.booleans(),
        log_y=st.booleans(),
        x_range=ranges,
        y_range=ranges,
        robust=st.booleans(),
        smoothing=st.sampled_from([0.0, LIGHT, STRONG]),
        cross=st.one_of(st.none(), finite),
        chosen=ranges,
        focused=st.booleans(),
    ),
    st.sampled_from([(90, 20), (30, 8), (12, 4), (3, 2)]),
    st.one_of(st.none(), st.sampled_from(list(AXES.values()))),
)
def test_any_look_at_any_numbers_is_a_picture(
    curves: list[list[tuple[float, float | None]]], ink: Ink, view: View, size: tuple[int, int], axis: object
) -> None:
    series = [
        Series(str(i), [x for x, _ in one], [y for _, y in one], low=[y for _, y in one], high=[y for _, y in one])
        for i, one in enumerate(curves)
    ]
    marks = [Mark(x, "x", "changed") for one in curves for x, _ in one]
    drawing = _draw(*series, view=view, width=size[0], height=size[1], ink=ink, marks=marks, axis=axis)
    assert len(drawing.rows) == size[1]
    assert all(cell_len("".join(span.text for span in row)) == size[0] for row in drawing.rows)
    assert ink != "ascii" or drawing.plain().isascii()


# --- cost ---


def test_what_was_found_out_about_a_curve_is_not_found_out_again() -> None:
    count = 300_000
    xs = [float(x) for x in range(count)]
    series = Series("a", xs, [math.sin(x / 1000) for x in xs])
    kept = Curves()

    def seconds(view: View) -> float:
        start = process_time()
        _draw(series, view=view, curves=kept)
        return process_time() - start

    first = seconds(View(robust=True))
    again = min(seconds(View(robust=True, cross=float(x))) for x in range(5))
    assert again < first / 4
    near = min(seconds(View(robust=True, x_range=(1000.0 + x, 3000.0))) for x in range(5))
    assert near < first / 4, "a zoom costs what is seen"
