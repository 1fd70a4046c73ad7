"""What a plot is made from: curves, and what happened along them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from craft.analysis.numbers import format_loss

EMPTY = "no points yet"
MOST_CURVES = 50
"""In one plot: colours and marks tell so many apart, and a cursor that moves over them draws in time."""


@dataclass(frozen=True)
class Series:
    """A named curve; None, NaN and infinity are gaps in it. `write` formats its last value."""

    name: str
    xs: Sequence[float | None]
    ys: Sequence[float | None]
    write: Callable[[float | None], str] = format_loss
    low: Sequence[float | None] = ()
    """The lower edge of a band around the curve, a value for each of `xs`; empty for none."""
    high: Sequence[float | None] = ()
    raw: Sequence[float | None] = ()
    """What `ys` were smoothed from, to be drawn faintly behind them; empty for none."""
    look: int | None = None
    """The number that its colour and its mark go by, whichever others are drawn; None: its place among those."""

    @property
    def measured(self) -> Sequence[float | None]:
        """The values as they were measured, also where the curve is smoothed."""
        return self.raw or self.ys


@dataclass(frozen=True)
class Mark:
    """Something that happened at a place of the x axis, as a checkpoint or a change of the rate."""

    x: float
    text: str
    kind: str = ""
    """The event's kind, as events.jsonl names it."""


def last_value(series: Series) -> str:
    """The last value as it was measured, also when it is not finite: a curve that broke off must say so."""
    if not series.measured:
        return series.write(None)
    return written(series, series.measured[-1])


def written(series: Series, value: float | None) -> str:
    """A value of a curve. A log has null for whatever is not finite: an infinite perplexity is not called NaN."""
    return "not finite" if value is None or math.isnan(value) else series.write(value)
