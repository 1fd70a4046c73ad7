from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from craft.analysis import curves as curves_module
from craft.analysis.decimate import decimate, fraction, segments
from craft.analysis.inking import Ink
from craft.analysis.plots import Series, draw_plot


def _noisy(count: int, seed: int) -> tuple[list[float], list[float]]:
    """A falling curve with noise and rare spikes, at uneven steps."""
    chance = random.Random(seed)
    xs, x = [], 0.0
    for _ in range(count):
        x += chance.choice([1, 1, 1, 7])
        xs.append(x)
    ys = [4 * math.exp(-x / (2 * count)) + chance.gauss(0, 0.05) for x in xs]
    for _ in range(count // 500):
        ys[chance.randrange(count)] += chance.choice([-3.0, 5.0])
    return xs, ys


@pytest.mark.parametrize("ink", ["braille", "block", "ascii"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_inked_cell_differs_from_the_full_drawing(ink: Ink, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    xs, ys = _noisy(6000, seed)
    reduced = draw_plot([Series("s", xs, ys)], width=60, height=20, ink=ink).plain()

    handed_over = []

    def keep_all(xs: list[float], ys: list[float], *_: float, **__: object) -> list[tuple[float, float]]:
        handed_over.append(len(xs))
        return list(zip(xs, ys, strict=True))

    monkeypatch.setattr(curves_module, "decimate", keep_all)
    full = draw_plot([Series("s", xs, ys)], width=60, height=20, ink=ink).plain()
    assert handed_over == [6000]
    assert reduced == full


def test_a_lone_spike_among_a_million_points_survives() -> None:
    xs = [float(step) for step in range(1_000_000)]
    ys = [1.0] * len(xs)
    ys[765_432] = 9.0
    kept = decimate(xs, ys, 0.0, xs[-1], 200)
    assert (765_432.0, 9.0) in kept
    assert len(kept) <= 4 * 200
    assert kept[0] == (0.0, 1.0) and kept[-1] == (999_999.0, 1.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(1, 20))
def test_each_column_keeps_its_first_lowest_highest_and_last(ys: list[float], columns: int) -> None:
    xs = [float(index) for index in range(len(ys))]
    high = max(xs[-1], 1.0)
    kept = decimate(xs, ys, 0.0, high, columns)
    assert kept == sorted(kept, key=lambda point: point[0]), "the order of time is kept"
    for column in range(columns):
        mine = [
            (x, y)
            for x, y in zip(xs, ys, strict=True)
            if min(columns - 1, int(fraction(x, 0.0, high) * columns)) == column
        ]
        if mine:
            values = [y for _, y in mine]
            assert {mine[0], mine[-1]} <= set(kept)
            assert {min(values), max(values)} <= {y for point in kept for y in [point[1]] if point in mine}


def test_missing_values_are_gaps() -> None:
    xs = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    ys = [1.0, None, 3.0, math.nan, math.inf, 6.0]
    assert list(segments(xs, ys)) == [([0.0], [1.0]), ([2.0], [3.0]), ([5.0], [6.0])]
    assert list(segments([], [])) == []
    assert list(segments([1.0], [None])) == []


def test_points_out_of_order_are_put_in_order() -> None:
    assert list(segments([3.0, 1.0, 2.0], [30.0, 10.0, 20.0])) == [([1.0, 2.0, 3.0], [10.0, 20.0, 30.0])]


def test_limits_too_far_apart_for_a_float() -> None:
    assert fraction(0.0, -1.7e308, 1.7e308) == 0.5
    assert fraction(5.0, 5.0, 5.0) == 0.5
