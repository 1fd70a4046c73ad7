"""Which part of the y axis is worth the paper."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

_PARTS = 32
_PART_LEAST = 10
_FEW = 20  # fewer points have no stray among them: a run that has just begun
_SAMPLED = 64
"""Values looked at in each stretch of a long curve."""
_NEAR = 0.5
"""Strays are kept up to half a range away from the others."""
_WORTH = 0.33
"""And further ones too, where no more than a third as much paper again would be needed for them."""


class Stretch(NamedTuple):
    """A few points of a curve, one after the other: where most of them lie, and the others."""

    low: float
    high: float
    strays: tuple[float, ...] = ()
    """In their order."""


def robust_range(stretches: Iterable[Stretch], low: float, high: float) -> tuple[float, float]:
    """The part of `low` to `high` that holds curves but for their stray points, from the `stretches` of each.

    A spike is a few points among others, while a steep beginning, or a curve that goes up for good, is many. Strays
    that cost little are kept.
    """
    parts = list(stretches)
    if not parts:
        return low, high
    inner_low, inner_high = min(part.low for part in parts), max(part.high for part in parts)
    room = _NEAR * (inner_high / 2 - inner_low / 2)
    if not room > 0:
        # All is one value but for strays: they are the news.
        return low, high
    # Halves: high - low can be more than a float holds.
    below = [part.strays for part in parts if part.strays and part.strays[0] < inner_low]
    above = [part.strays for part in parts if part.strays and part.strays[-1] > inner_high]
    first = min([inner_low, *(y for strays in below for y in strays if 0 < inner_low / 2 - y / 2 <= room)])
    last = max([inner_high, *(y for strays in above for y in strays if 0 < y / 2 - inner_high / 2 <= room)])
    cost = _WORTH * (last / 2 - first / 2)
    return (first if first / 2 - low / 2 > cost else low), (last if high / 2 - last / 2 > cost else high)


def stretches(values: Sequence[float]) -> Iterator[Stretch]:
    """A curve in short stretches; the strays are the outermost fifth at either end."""
    if len(values) < _FEW:
        yield Stretch(min(values), max(values))
        return
    size = min(len(values), max(_PART_LEAST, -(-len(values) // _PARTS)))
    for place in range(0, len(values), size):
        # The last stretch is as long as the others, or a spike at the end would be alone in it.
        start = min(place, len(values) - size)
        part = sorted(values[start : start + size : max(1, size // _SAMPLED)])
        stray = max(1, len(part) // 5)
        yield Stretch(part[stray], part[-1 - stray], (*part[:stray], *part[-stray:]))
