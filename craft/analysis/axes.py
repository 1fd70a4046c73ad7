"""The axes that a curve can be drawn over: what a place on one is called, and where its round places are."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from craft.analysis.numbers import format_count, format_duration, format_number
from craft.analysis.ticks import log_time_ticks, round_places, time_labels, time_ticks


@dataclass(frozen=True)
class Axis:
    """One way to measure how far a run has come."""

    name: str
    """As metrics, commands and a person's settings call it."""
    label: str
    """As it is written beside the axis."""
    write: Callable[[float | None], str]
    """A place on it: 1,240, 1.2M, 3m 20s, 1.2e15."""

    def ticks(self, low: float, high: float, most: int, *, log: bool = False) -> list[tuple[float, str]]:
        """Round places from `low` to `high` and their labels; at most `most`, but two at least."""
        if self.name == "time":
            places = log_time_ticks(low, high, most) if log else time_ticks(low, high, most)
            return list(zip(places, time_labels(places), strict=True))
        return round_places(low, high, most, log=log, whole=self.name in ("step", "tokens"))


def format_step(value: float | None) -> str:
    """A step, exactly: 1,240."""
    if value is None or not math.isfinite(value) or not float(value).is_integer() or abs(value) >= 1e15:
        return format_number(value)
    return f"{int(value):,}"


def format_flops(value: float | None) -> str:
    """Floating-point operations: 1.2e15."""
    if value is None or not math.isfinite(value) or abs(value) < 1e4:
        return format_number(value)
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


AXES: dict[str, Axis] = {
    axis.name: axis
    for axis in (
        Axis("step", "step", format_step),
        Axis("tokens", "tokens", format_count),
        Axis("time", "training time", format_duration),
        Axis("flops", "FLOPs", format_flops),
    )
}
"""The four, in the order in which a key goes through them."""
