"""Where a value lies on an axis, linear or logarithmic, and back."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from craft.analysis.decimate import fraction

# Pixels beyond the paper by more than this are as good as infinitely far: no slope on it changes.
_FAR = 1e6
_LARGEST = 308.25  # log10 of the largest float
_MOST = sys.float_info.max
_NOWHERE = -400.0  # that of the smallest is -323.3
_AROUND = 0.05
"""Of a lone value, what is shown to either side of it."""


def around(value: float, *, log: bool = False) -> tuple[float, float]:
    """An axis for one value alone, so that there is something to read it off from: a twentieth of it to either side, a
    whole number where it is one, or a power of ten on a logarithmic axis."""
    if log:
        return max(value / 10, sys.float_info.min) if value > sys.float_info.min else value, min(value * 10, _MOST)
    room = _AROUND * abs(value)
    if float(value).is_integer() and room < 1e12:
        room = float(max(1, math.ceil(room)))
    return max(value - room, -_MOST), min(value + room, _MOST)


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`, both values of it; with `log` they must be positive."""

    low: float
    high: float
    log: bool = False

    @property
    def ends(self) -> tuple[float, float]:
        """Its ends in its own measure: powers of ten on a logarithmic axis."""
        return self.measure(self.low), self.measure(self.high)

    def measure(self, value: float) -> float:
        """A value in that measure; on a logarithmic axis zero, and what is less, lies far below everything."""
        return value if not self.log else math.log10(value) if value > 0 else _NOWHERE

    def place(self, value: float) -> float:
        """0 at the low end, 1 at the high one, beyond both where it lies beyond."""
        return fraction(self.measure(value), *self.ends)

    def value(self, place: float) -> float:
        """The value at a place."""
        low, high = self.ends
        # Halves, because high - low can be more than a float holds.
        measured = 2 * ((low / 2) * (1 - place) + (high / 2) * place)
        return 10.0 ** min(measured, _LARGEST) if self.log else measured

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def pixel(self, value: float, size: int) -> int:
        """Its pixel of `size`; below 0 or from `size` on where it lies off the axis."""
        return self.pixels([value], size)[0]

    def pixels(self, values: Sequence[float], size: int) -> list[int]:
        """The pixels of many values."""
        low, high = self.ends
        # As `place` has it, to the last bit: a point must not fall into another column than decimation saw it in.
        half, span = low / 2, high / 2 - low / 2
        measured = map(self.measure, values) if self.log else values
        if not span > 0:
            return [size // 2] * len(values)
        places = [(value / 2 - half) / span for value in measured]
        if places and (min(places) < -_FAR or max(places) > _FAR):
            places = [max(-_FAR, min(place, _FAR)) for place in places]
        floor = math.floor
        return [size - 1 if place == 1.0 else floor(place * size) for place in places]

    def near(self, value: float, size: int) -> int:
        """Its pixel, or the nearest one that there is."""
        return max(0, min(self.pixel(value, size), size - 1))

    def zoomed(self, factor: float, around: float) -> Scale:
        """`factor` times as much of the axis, the value at place `around` staying where it is."""
        return self._cut(around - around * factor, around + (1 - around) * factor)

    def moved(self, by: float) -> Scale:
        """The same length of the axis, moved by a part of itself."""
        return self._cut(by, 1 + by)

    def ahead(self, steps: int, *, below: bool = False) -> Scale:
        """A little longer: to the end of a step of its length, which has `steps` to twice as many; with `below`, it
        begins at one too. It stays as it is while its ends stay within their steps."""
        low, high = self.ends
        length = (high - low) / steps
        if not (0 < length < math.inf):
            return self
        step = 2.0 ** math.floor(math.log2(length))
        first = math.floor(low / step) * step if below else low
        last = math.ceil(high / step) * step
        if self.log:
            first, last = (10.0 ** min(end, _LARGEST) for end in (first, last))
        low, high = (min(first, self.low) if below else self.low), max(last, self.high)
        return Scale(low, high, self.log) if math.isfinite(high) and (low > 0 or not self.log) else self

    def _cut(self, low: float, high: float) -> Scale:
        first, last = self.value(low), self.value(high)
        # Where neighbouring floats, or the largest one, are reached, it stays as it is.
        if not (math.isfinite(first) and math.isfinite(last) and first < last) or (self.log and first <= 0):
            return self
        between = self.value((low + high) / 2)
        return Scale(first, last, self.log) if first < between < last else self
