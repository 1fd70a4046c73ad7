"""A curve that goes on: only what is new is drawn, and the picture is that of all its points."""

from __future__ import annotations

import math
import random
from array import array
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from craft.analysis import painter
from craft.analysis.curves import Curves
from craft.analysis.inking import Ink, Paper
from craft.analysis.plots import Drawing, Series, View, draw_plot
from craft.analysis.scales import Scale

VIEWS = {
    "whole": View(live=True),
    "robust": View(live=True, robust=True),
    "log": View(live=True, log_x=True, log_y=True),
    "zoomed": View(live=True, x_range=(50.0, 900.0), y_range=(1.0, 3.0)),
    "smoothed": View(live=True, smoothing=0.9),
}


def _drawn(series: list[Series], view: View, ink: Ink, kept: Curves | None = None) -> Drawing:
    return draw_plot(series, width=60, height=14, ink=ink, view=view, curves=kept)


def _curve(count: int, seed: int, odd: dict[int, float]) -> tuple[array[float], array[float]]:
    chance = random.Random(seed)
    xs = array("d", (5.0 * step for step in range(1, count + 1)))
    ys = array("d", (1.0 + 3 * math.exp(-x / 400) + chance.gauss(0, 0.1) for x in xs))
    for place, value in odd.items():
        if place < count:
            ys[place] = value
    return xs, ys


@pytest.mark.parametrize("ink", ["braille", "ascii"])
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
@given(
    sizes=st.lists(st.integers(1, 700), min_size=2, max_size=6),
    odd=st.dictionaries(st.integers(0, 700), st.sampled_from([math.nan, math.inf, 9.0, -2.0, 0.0]), max_size=3),
)
@example(sizes=[1, 2, 3, 4], odd={})
@example(sizes=[400, 410, 420, 421], odd={})
@example(sizes=[600, 610, 100, 110, 700], odd={605: 9.0})
def test_the_picture_is_that_of_all_points(view: View, ink: Ink, sizes: list[int], odd: dict[int, float]) -> None:
    kept = Curves()
    for turn, size in enumerate(sizes):
        restarted = turn > 0 and size < sizes[turn - 1]  # a run that went on from an earlier step, with other values
        train = Series("train", *_curve(size, seed=int(restarted), odd=odd))
        few = _curve(size, 7, {})
        val = Series("val", few[0][::50], few[1][::50])
        drawing = _drawn([train, val], view, ink, kept)
        assert drawing.rows == _drawn([train, val], view, ink).rows


def test_only_what_is_new_is_inked(monkeypatch: pytest.MonkeyPatch) -> None:
    inked: list[int] = []
    line = Paper.line

    def count(self: Paper, path: object) -> None:
        pixels = list(path)  # type: ignore[call-overload]
        inked.append(len(pixels))
        line(self, pixels)

    monkeypatch.setattr(painter.Paper, "line", count)
    kept, seen = Curves(), []
    xs, ys = _curve(500, 0, {})
    for size in range(400, 500):
        drawing = _drawn([Series("train", xs[:size], ys[:size])], VIEWS["whole"], "braille", kept)
        seen.append((drawing.x, drawing.y))
    anew = sum(now != before for before, now in pairwise(seen))
    assert anew < 20, "the axes go in steps"
    assert sorted(inked)[: 99 - anew] == [2] * (99 - anew), "the last point, and the one before it"


@pytest.mark.parametrize("log", [False, True])
@given(st.floats(1e-3, 1e12), st.floats(1e-3, 1.0))
def test_an_axis_ahead_holds_all_and_little_more(log: bool, high: float, share: float) -> None:
    scale = Scale(high * (1 - share), high, log) if share < 1 and high * (1 - share) > 0 else Scale(high / 2, high, log)
    if not scale.low < scale.high:
        return
    for below in (False, True):
        ahead = scale.ahead(16, below=below)
        assert ahead.low <= scale.low and ahead.high >= scale.high
        assert below or ahead.low == scale.low
        (first, last), (low, high_) = scale.ends, ahead.ends
        assert (high_ - low) <= (last - first) * (1 + (1 + below) / 16 + 1e-6)
        again = Scale(scale.low, scale.value(0.999999), log).ahead(16, below=below)
        assert again.high >= scale.value(0.99)


@pytest.mark.parametrize(
    "scale", [Scale(1.0, 1.0), Scale(-1e308, 1e308), Scale(5e-324, 1e-323), Scale(1e-300, 1e308, True)]
)
def test_an_axis_without_length_or_without_end_stays_an_axis(scale: Scale) -> None:
    ahead = scale.ahead(16, below=True)
    assert math.isfinite(ahead.low) and math.isfinite(ahead.high)
    assert ahead.low <= scale.low and ahead.high >= scale.high
