"""The numbers behind a chart, as a table to paste elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

from craft.analysis.curves import Curve
from craft.analysis.scales import Scale
from craft.text import clean_line


def at_place(curves: Sequence[Curve], x: Scale, place: float, x_label: str) -> str:
    """A line a series: the measured value nearest to a place, and where it stands."""
    lines = [("series", x_label, "value")]
    for curve in curves:
        point = curve.at(place, x, 0.0, 0.0)
        if point:
            lines.append((clean_line(curve.series.name), _number(point.x), _number(point.y)))
    return _table(lines)


def on_screen(curves: Sequence[Curve], x: Scale, x_label: str) -> str:
    """The measured points between the ends of the x axis: a row a place, a column a series."""
    columns = []
    for curve in curves:
        points = {px: py for xs, ys in curve.measured for px, py in zip(xs, ys, strict=True) if x.holds(px)}
        points.update({px: math.nan for px in curve.gaps if x.holds(px)})
        columns.append(points)
    rows = [(x_label, *(clean_line(curve.series.name) for curve in curves))]
    for place in sorted(set().union(*columns)):
        values = (_number(points[place]) if place in points else "" for points in columns)
        rows.append((_number(place), *values))
    return _table(rows)


def _number(value: float) -> str:
    return "NaN" if math.isnan(value) else str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    """With tabs, as spreadsheets take it."""
    return "".join("\t".join(row) + "\n" for row in rows)
