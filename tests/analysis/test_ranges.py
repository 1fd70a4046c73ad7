from __future__ import annotations

import math
import random

from craft.analysis.ranges import robust_range, stretches


def _range(*curves: list[float]) -> tuple[float, float]:
    every = [y for ys in curves for y in ys]
    return robust_range((part for ys in curves for part in stretches(ys)), min(every), max(every))


def _course(count: int = 400) -> list[float]:
    chance = random.Random(3)
    return [1.5 + 3 * math.exp(-x / 50) + chance.gauss(0, 0.1) for x in range(count)]


def test_spikes_are_left_out_and_the_steep_beginning_is_not() -> None:
    ys = _course()
    whole = _range(ys)
    assert whole == (min(ys), max(ys)), "nothing strays"
    for place in (0, 200, 201, 399):
        spiked = [*ys[:place], 60.0, *ys[place + 1 :]]
        low, high = _range(spiked)
        rest = [y for y in spiked if y != 60.0]
        assert low == min(spiked) and max(rest) <= high < 60.0, f"a spike at {place}"
    low, high = _range([*ys[:100], -500.0, *ys[100:], 700.0])
    assert low > -10 and high < 10, "at either end"


def test_a_curve_that_goes_up_for_good_is_shown_whole() -> None:
    ys = [*_course(300), *(1.5 * 1.2**step for step in range(100))]
    assert _range(ys)[1] >= sorted(ys)[-10]


def test_a_second_curve_on_another_level_is_not_a_stray() -> None:
    assert _range(_course(), [40.0, 41.0, 40.5])[1] == 41.0


def test_too_few_points_to_tell_and_values_that_are_all_one() -> None:
    assert _range([1.0, 2.0, 900.0]) == (1.0, 900.0)
    assert _range([3.0, 2.9, 2.8, 9.0, 2.7, 2.6]) == (2.6, 9.0), "a run that has just begun"
    assert _range([1.0] * 50 + [5.0]) == (1.0, 5.0), "the one that differs is the news"
    assert robust_range([], 0.0, 1.0) == (0.0, 1.0)


def test_a_long_curve_is_sampled() -> None:
    ys = [math.sin(x / 1000) for x in range(100_000)]
    ys[50_000] = 1e6
    low, high = _range(ys)
    assert low == min(ys) and 0.9 < high < 1.5
