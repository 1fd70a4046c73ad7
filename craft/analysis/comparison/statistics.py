"""Whether the means of two samples differ by more than the samples scatter: Welch's t-test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from craft.analysis.comparison.seeds import mean_and_std

LEVEL = 0.05
"""A p value below this is called a difference; by convention, no more."""


@dataclass(frozen=True)
class Welch:
    """Two-sided: how probable a difference of means as large would be if there were none, of normal samples."""

    t: float
    freedom: float
    """Degrees of freedom, by Welch and Satterthwaite."""
    p: float


def welch(one: Sequence[float], other: Sequence[float]) -> Welch | None:
    """Welch's t-test, which does not take the variances for equal; None for samples of fewer than two values, and for
    such as do not scatter at all.

    Source: B. L. Welch, "The generalization of 'Student's' problem when several different population variances are
    involved", Biometrika 34 (1947).
    """
    ours, theirs = mean_and_std(one), mean_and_std(other)
    if ours is None or theirs is None or min(len(one), len(other)) < 2:
        return None
    a, b = ours[1] / math.sqrt(len(one)), theirs[1] / math.sqrt(len(other))
    both = math.hypot(a, b)
    if both == 0:
        return None
    t = (theirs[0] - ours[0]) / both
    # Of their shares in it, as the squares of large values themselves would be too large.
    freedom = 1 / ((a / both) ** 4 / (len(one) - 1) + (b / both) ** 4 / (len(other) - 1))
    return Welch(t, freedom, incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5))


def incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularized incomplete beta function I_x(a, b), to about 12 digits.

    The continued fraction of the "Digital Library of Mathematical Functions", 8.17.22, evaluated by Lentz's method.
    """
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # where the fraction converges slowly, its mirror image does not
        return 1 - incomplete_beta(1 - x, b, a)
    front = math.exp(
        a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) - math.log(a)
    )
    tiny = 1e-300
    value = c = 1.0
    d = 0.0
    for place in range(1, 1000):
        m = place // 2
        if place % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / (1 + term * d or tiny)
        c = 1 + term / c or tiny
        value *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return front / value
