from __future__ import annotations

import math
import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from craft.analysis.smoothing import LIGHT, PARTS, STRONG, smooth

STEPS = [float(step) for step in range(1001)]


def test_the_first_points_are_not_dragged_towards_zero() -> None:
    smoothed = smooth(STEPS, [5.0] * len(STEPS), STRONG, 1000.0)
    assert smoothed == pytest.approx([5.0] * len(STEPS))
    assert smooth([0.0, 1.0], [4.0, 2.0], STRONG, 1000.0) == pytest.approx([4.0, (4 * STRONG + 2) / (STRONG + 1)])


def test_noise_gets_less_the_stronger_the_smoothing() -> None:
    chance = random.Random(1)
    noise = [chance.gauss(0, 1.0) for _ in STEPS]
    spread = [
        math.sqrt(sum(y * y for y in smooth(STEPS, noise, weight, PARTS)) / len(STEPS)) for weight in (LIGHT, STRONG)
    ]
    # An exponential average leaves sqrt((1 - w) / (1 + w)) of white noise.
    assert spread == pytest.approx([0.23, 0.10], abs=0.05)


def test_the_past_fades_with_distance_not_with_points() -> None:
    """The same course logged every step and every tenth one is smoothed to the same curve, with a gap too."""
    ys = [math.sin(x / 100) for x in STEPS]
    dense, sparse = smooth(STEPS, ys, STRONG, 1000.0), smooth(STEPS[::10], ys[::10], STRONG, 1000.0)
    assert max(abs(a - b) for a, b in zip(dense[200::10], sparse[20:], strict=True)) < 0.06
    after_gap = smooth([0.0, 1.0, 901.0], [10.0, 10.0, 0.0], LIGHT, PARTS)
    assert after_gap[-1] == pytest.approx(0.0, abs=1e-6), "what is far away counts for nothing"


def test_off_is_off() -> None:
    ys = [3.0, 1.0, 2.0]
    assert smooth([0.0, 1.0, 2.0], ys, 0.0, 2.0) == ys
    assert smooth([1.0, 1.0], [1.0, 2.0], LIGHT, 0.0) == [1.0, 2.0], "an axis without length"


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50), st.floats(0.01, 0.999))
def test_an_average_lies_between_the_values(ys: list[float], weight: float) -> None:
    xs = [float(index) for index in range(len(ys))]
    slack = 1e-9 * max(map(abs, ys)) + sys.float_info.min
    low, high = min(ys), max(ys)
    for value in smooth(xs, ys, weight, 100.0):
        assert math.isfinite(value) and low - slack <= value <= high + slack


def test_a_stray_point_is_forgotten() -> None:
    chance = random.Random(2)
    plain = [-3 + chance.gauss(0, 0.5) for _ in STEPS]
    strayed = list(plain)
    strayed[600], strayed[620] = 1e35, -1e35
    usual, seen = (smooth(STEPS, ys, STRONG, PARTS) for ys in (plain, strayed))
    assert seen[:600] == usual[:600]
    assert seen[600] == usual[599], "it is left out"
    assert seen[621:] == pytest.approx(usual[621:], abs=0.1)
    assert smooth(STEPS, [1e35, *plain[1:]], STRONG, PARTS)[:2] == [1e35, plain[1]]
    spiked = [5.0 if step == 600 else y for step, y in enumerate(plain)]
    assert smooth(STEPS, spiked, STRONG, PARTS)[600] - usual[600] == pytest.approx((5 - plain[600]) / 50, rel=0.01)


@pytest.mark.parametrize(("spike", "noise"), [(50.0, 0.05), (1.0, 1e-3), (1e4, 0.05)])
def test_spikes_are_in_the_mean(spike: float, noise: float) -> None:
    chance = random.Random(3)
    steps = range(4000)
    ys = [spike if step % 100 == 99 else chance.gauss(0, noise) for step in steps]
    smoothed = smooth(steps, ys, STRONG, 4000.0)
    assert math.fsum(smoothed[2000:]) == pytest.approx(math.fsum(ys[2000:]), rel=0.05)


def test_a_steep_start_and_a_late_rise_are_not_cut() -> None:
    chance = random.Random(4)
    ys = [11 * math.exp(-step) + chance.gauss(3, 0.02) for step in STEPS]
    assert smooth(STEPS, ys, LIGHT, PARTS)[0] == ys[0]
    ys[-5:] = [1e3] * 5
    assert smooth(STEPS, ys, LIGHT, PARTS)[-1] == pytest.approx(1e3 * (1 - LIGHT**5) + 3 * LIGHT**5, rel=1e-3)


@pytest.mark.parametrize("stray", [math.inf, -math.inf, 1e308])
def test_a_stray_point_may_be_as_large_as_a_float(stray: float) -> None:
    ys = [math.sin(x) for x in STEPS]
    ys[500] = stray
    assert smooth(STEPS, ys, LIGHT, PARTS)[-1] == pytest.approx(0.0, abs=1.0)
