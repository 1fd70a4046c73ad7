"""Round places for the marks of an axis, and what to write beside them."""

from __future__ import annotations

import math
from itertools import pairwise

_UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def linear_ticks(low: float, high: float, most: int, *, whole: bool = False) -> list[float]:
    """At most `most` (but two at least, where they can be told apart) round values from `low` to `high`.

    Steps are 1, 2, 2.5 or 5 times a power of ten; with `whole`, whole numbers only.
    """
    if not high > low:
        return [low]
    # A tenth of each end first: high - low can be more than a float holds.
    span = high / 10 - low / 10
    rough = span / max(most - 1, 1) * 10
    if not math.isfinite(rough) or rough < 1e-300:
        return [low, high]
    exponent = math.floor(math.log10(rough))
    # Read as text, powers of ten are exact to the last bit, and infinite above the largest float.
    candidates = [
        float(f"{factor}e{power}") for power in range(exponent - 1, exponent + 2) for factor in ("1", "2", "2.5", "5")
    ]
    best: list[float] = []
    for step in reversed(candidates):
        if math.isinf(step) or (whole and not step.is_integer()):
            continue
        values = _multiples(low, high, step)
        if len(values) > max(most, 2):
            break
        best = values
    return best if len(best) >= 2 else [low, high]


def round_places(low: float, high: float, most: int, *, log: bool, whole: bool = False) -> list[tuple[float, str]]:
    """Round places of an axis and their labels. With `whole`, whole numbers only where both ends are."""
    whole = whole and float(low).is_integer() and float(high).is_integer()
    values = log_ticks(low, high, most, whole=whole) if log else linear_ticks(low, high, most, whole=whole)
    labels = log_labels(values) if log else tick_labels(values)
    if len(set(labels)) < len(labels):  # a piece of a logarithmic axis that is short beside its place
        labels = tick_labels(values)
    return list(zip(values, labels, strict=True))


def log_ticks(low: float, high: float, most: int, *, whole: bool = False) -> list[float]:
    """Round values on a logarithmic axis, 0 < `low` <= `high`: powers of ten, or 1, 2 and 5 times them."""
    if not high > low:
        return [low]
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    # Read as text they are exact: 10.0**-5 is not 1e-5.
    powers = [float(f"1e{power}") for power in range(max(first, -307), min(last, 308) + 1)]
    decades = [value for value in powers if low <= value <= high]
    if len(decades) >= 3 or len(decades) > most:
        skip = math.ceil(len(decades) / max(most, 2))
        return decades[::skip]
    finer = [value * factor for value in powers for factor in (1.0, 2.0, 5.0) if low <= value * factor <= high]
    if 2 <= len(finer) <= most:
        return finer
    return decades if len(decades) >= 2 else linear_ticks(low, high, most, whole=whole)


# Seconds: what clocks are read by, up to a day; then days in the manner of other numbers.
_DAY = 86_400.0
_TIME_STEPS = (
    *(1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10_800, 21_600, 43_200),
)

_TIME_DECADES = (1, 10, 60, 600, 3600, 36_000)


def time_ticks(low: float, high: float, most: int) -> list[float]:
    """`linear_ticks` for seconds: whole minutes, quarters of an hour, hours, days."""
    if not high > low or high / 2 - low / 2 < max(most, 2) / 2 or abs(high) > 1e12 or abs(low) > 1e12:
        return linear_ticks(low, high, most)
    for step in _TIME_STEPS:
        values = _multiples(low, high, step)
        if len(values) <= max(most, 2):
            return values if len(values) >= 2 else linear_ticks(low, high, most)
    return [day * _DAY for day in linear_ticks(low / _DAY, high / _DAY, most)]


def log_time_ticks(low: float, high: float, most: int) -> list[float]:
    """`log_ticks` for seconds: powers of ten below a minute, then what clocks are read by, then days."""
    if not high > low:
        return [low]
    if low < 1e-3 or high > 1e12:
        return log_ticks(low, high, most)
    for steps in (_TIME_DECADES, _TIME_STEPS):
        places = [1e-3, 1e-2, 0.1, *steps, *(_DAY * 10**power for power in range(8))]
        found = [place for place in places if low <= place <= high]
        if len(found) >= 3 and (len(found) >= most or high > 30 * low):  # else they leave gaps
            return found[:: math.ceil(len(found) / max(most, 2))]
    return time_ticks(low, high, most)


def time_labels(values: list[float]) -> list[str]:
    """Seconds as 45s, 1m30, 2h, 1h15, 3d, 1d12h; shorter than in a sentence, for the room below an axis."""
    return [_time_label(value) for value in values]


def _time_label(seconds: float) -> str:
    if seconds == 0:
        return "0"
    if seconds < 0:
        return f"-{_time_label(-seconds)}"
    if seconds < 60 or abs(seconds) > 1e12 or not float(seconds).is_integer():
        return f"{seconds:.4g}s".replace("e+", "e")
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60}m" + (f"{whole % 60:02d}" if whole % 60 else "")
    if whole < _DAY:
        return f"{whole // 3600}h" + (f"{whole % 3600 // 60:02d}" if whole % 3600 // 60 else "")
    return f"{whole // 86_400}d" + (f"{whole % 86_400 // 3600}h" if whole % 86_400 // 3600 else "")


def tick_labels(values: list[float]) -> list[str]:
    """Labels of one form for all: the same unit (k, M, B, T) or power of ten, the same decimals."""
    largest = max(map(abs, values), default=0.0)
    if largest == 0:
        return ["0"] * len(values)
    # No greater than the largest: between two ends it can be more than a float holds.
    step = min([largest, *(b - a for a, b in pairwise(values) if b > a)])
    scale, suffix = 1.0, ""
    if largest >= 1e15 or largest < 1e-3:
        exponent = math.floor(math.log10(largest))
        scale, suffix = 10.0**exponent, f"e{exponent}"
    elif largest >= 1e4:
        scale, suffix = next((size, name) for size, name in _UNITS if largest >= size)
    if scale == 0:  # below the smallest power of ten that a float holds
        return [f"{value:.1e}" for value in values]
    decimals = _decimals(step / scale, largest / scale)
    return ["0" if value == 0 else f"{value / scale:.{decimals}f}{suffix}" for value in values]


def log_labels(values: list[float]) -> list[str]:
    """Labels for a logarithmic axis, each in its own shortest form."""
    labels = []
    for value in values:
        if 1e-3 <= value < 1e4:
            labels.append(f"{value:.6g}")
        else:
            mantissa, _, exponent = f"{value:.3g}".partition("e")
            labels.append(f"{mantissa}e{int(exponent)}" if exponent else mantissa)
    return labels


def _multiples(low: float, high: float, step: float) -> list[float]:
    # The slack lets 0.30000000000000004 count as 0.3.
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if last - first > 1000:
        return [low] * 1001  # far too many; only their number is looked at
    return [index * step for index in range(first, last + 1)]


def _decimals(step: float, largest: float) -> int:
    """Decimals that tell neighbours apart, and write a lone value with three figures."""
    for decimals in range(12):
        scaled = step * 10**decimals
        if abs(scaled - round(scaled)) < 1e-6 * max(scaled, 1) and round(scaled) > 0:
            return decimals
        if step == largest and scaled >= 100:
            return decimals
    return 12
