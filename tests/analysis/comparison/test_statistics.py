"""Welch's test against figures that were reckoned elsewhere."""

from __future__ import annotations

import math

import pytest

from craft.analysis.comparison.statistics import incomplete_beta, welch


@pytest.mark.parametrize(
    ("t", "freedom", "p"),
    # The tables of Student's t, two-sided.
    [
        (12.7062, 1, 0.05),
        (4.3027, 2, 0.05),
        (2.7764, 4, 0.05),
        (3.7469, 4, 0.02),
        (2.2281, 10, 0.05),
        (1.96, 1e7, 0.05),
    ],
)
def test_p_values_are_those_of_the_tables(t: float, freedom: float, p: float) -> None:
    assert incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5) == pytest.approx(p, rel=1e-3)


def test_the_incomplete_beta_function_where_it_is_a_polynomial() -> None:
    for x in (0.0, 0.1, 0.5, 0.9, 1.0):
        assert incomplete_beta(x, 1, 1) == pytest.approx(x, abs=1e-12)
        assert incomplete_beta(x, 2, 1) == pytest.approx(x * x, abs=1e-12)
        assert incomplete_beta(x, 1, 3) == pytest.approx(1 - (1 - x) ** 3, abs=1e-12)


def test_welch_by_hand() -> None:
    # Means 2 and 4, variances 1 and 4, three and four values: t = 2 / sqrt(1/3 + 1).
    one, other = [1.0, 2.0, 3.0], [4 - math.sqrt(6), 4.0, 4.0, 4 + math.sqrt(6)]
    found = welch(one, other)
    assert found is not None
    assert found.t == pytest.approx(2 / math.sqrt(4 / 3))
    assert found.freedom == pytest.approx((4 / 3) ** 2 / ((1 / 3) ** 2 / 2 + 1 / 3))
    assert 0.1 < found.p < 0.2
    turned = welch(other, one)
    assert turned is not None and turned.t == -found.t and turned.p == pytest.approx(found.p)


def test_too_few_values_and_such_that_do_not_scatter_say_nothing() -> None:
    assert welch([1.0], [2.0, 3.0]) is None
    assert welch([], []) is None
    assert welch([1.0, 1.0], [2.0, 2.0]) is None
    found = welch([1.0, 1.0], [2.0, 2.1])
    assert found is not None and 0 < found.p < 0.1
