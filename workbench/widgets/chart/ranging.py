"""Which part of the axes is shown, and how keys and mouse change it."""

from __future__ import annotations

from craft.analysis.plots import Drawing
from craft.analysis.scales import Scale

Range = tuple[float, float]


def zoomed(shown: Scale, whole: Scale, factor: float, around: float) -> Range | None:
    """The part of an axis after a zoom around a place of it, between 0 and 1; None for all of it. At an end of the axis
    it grows the other way."""
    part = shown.zoomed(factor, around)
    if factor > 1:
        low, high = whole.ends
        first, last = part.ends
        beyond = low - first if first < low else high - last if last > high else 0.0
        part = part.moved(beyond / (last - first)) if beyond else part
    return within(part, whole)


def panned(shown: Scale, whole: Scale, by: float) -> Range | None:
    """The part after moving by a share of itself, not beyond the ends."""
    low, high = whole.ends
    first, last = shown.ends
    by *= last - first
    by = max(by, min(low - first, 0.0)) if by < 0 else min(by, max(high - last, 0.0))
    span = last - first
    return within(shown.moved(by / span), whole) if span > 0 and by else within(shown, whole)


def within(part: Scale, whole: Scale) -> Range | None:
    """The part that there is; None for all."""
    low, high = max(part.low, whole.low), min(part.high, whole.high)
    # All but what rounding has left of it is all.
    everything = whole.place(low) < 1e-9 and whole.place(high) > 1 - 1e-9
    return None if everything or low >= high else (low, high)


def followed(shown: Range, newest: float, newest_now: float) -> Range:
    """A range that held the newest point holds it still, as long as it was."""
    if shown[1] < newest or newest_now <= shown[1]:
        return shown
    return newest_now - (shown[1] - shown[0]), newest_now


def x_at(drawing: Drawing, column: int) -> float | None:
    """The value of the x axis in the middle of a column of the widget."""
    if drawing.x is None or not drawing.columns:
        return None
    return drawing.x.value((max(0, min(column - drawing.left, drawing.columns - 1)) + 0.5) / drawing.columns)


def x_place(drawing: Drawing, column: int) -> float:
    """Where along the x axis a column of the widget lies, 0 to 1; the outermost ones stand for the ends."""
    inside, last = column - drawing.left, drawing.columns - 1
    return 0.0 if inside <= 0 else 1.0 if inside >= last else (inside + 0.5) / drawing.columns


def y_place(drawing: Drawing, row: int) -> float:
    """Where along the y axis, from below, a row of the widget lies, 0 to 1."""
    return max(0.0, min(1 - (row - drawing.top + 0.5) / max(drawing.lines, 1), 1.0))
