"""A running average that follows a noisy curve without a lag at its start.

An exponential average starts at zero, or at its first value, and drags that along. Here each value is divided by the
weight that has really come together so far (the correction of Adam's moments), so the first value is the first point
and the second a proper mean of two. The past fades with the distance on the x axis, not with the number of points: a
curve that is logged every step and one that is logged every hundredth are smoothed over the same stretch.

Spikes are in the average, as they are in any mean. But a lone point a million heights of the curve away would be all
that is seen of it for most of the axis, as what fades is a share of it: such points are left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from craft.analysis.ranges import robust_range, stretches

PARTS = 1000.0
"""`weight` is what is left of a value after one part of as many of the x axis."""

LIGHT, STRONG = 0.9, 0.98
"""Averages over about a hundredth and a twentieth of the axis."""

FARTHEST = 1e6
"""A stray point counts where it is no more heights away from the curve, which is measured without its strays."""


def smooth(xs: Sequence[float], ys: Sequence[float], weight: float, span: float) -> list[float]:
    """The average at each point of a curve, `xs` ascending, on an axis `span` long; `weight` from 0 to below 1.

    A point that is left out has the average of those before it, or its own value where there are none.
    """
    if not 0 < weight < 1 or not span > 0 or not math.isfinite(span):
        return list(ys)
    rate = math.log(weight) * PARTS / span
    if not math.isfinite(rate):
        return list(ys)
    exp = math.exp
    smoothed: list[float] = []
    add = smoothed.append
    least, most = _reach(ys)
    mean, total, before, step, fade = 0.0, 0.0, xs[0] if xs else 0.0, 0.0, 1.0
    for x, y in zip(xs, ys, strict=True):
        if y < least or y > most:
            add(mean if total else y)
            continue
        distance = x - before
        if distance != step:  # most curves have even steps, and exp is what costs
            step, fade = distance, exp(min(distance * rate, 0.0))
        total = total * fade + 1.0
        share = 1.0 / total
        mean = mean * (1.0 - share) + y * share  # in this form it cannot overflow
        add(mean)
        before = x
    return smoothed


def _reach(ys: Sequence[float]) -> tuple[float, float]:
    """The least and the most that a value may be to count."""
    if not ys:
        return 0.0, 0.0
    low, high = robust_range(stretches(ys), min(ys), max(ys))
    reach = FARTHEST * (high - low)
    return low - reach, high + reach
