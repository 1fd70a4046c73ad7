"""Curves as SVG, for reports and the README: no dependency, readable on light and on dark pages.

A series is told apart by colour and by its dashes; the decimation is the terminal's, which keeps files small.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from craft.analysis.canvas import Plane, split
from craft.analysis.decimate import decimate, fraction
from craft.analysis.plots import EMPTY, Series, last_value
from craft.analysis.ticks import linear_ticks, log_labels, log_ticks, tick_labels
from craft.text import clean_line

# Okabe and Ito's palette ("Color Universal Design", 2008), which stays apart for colour-blind readers;
# the ones that are dark enough for white pages and light enough for black ones.
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9")
_DASHES = ("", "7 4", "2 3", "9 3 2 3", "4 2", "1 4")
_INK, _FAINT = "#808080", "#80808040"
_FONT = "ui-sans-serif, system-ui, sans-serif"
_SIZE = 12
_CHAR = 6.6  # width of an average character at that size


def plot_svg(
    series: Sequence[Series],
    *,
    width: int = 720,
    height: int = 360,
    title: str = "",
    x_label: str = "",
    log_y: bool = False,
) -> str:
    """An SVG document of `width` by `height` pixels. Gaps, limits and ticks are those of `draw_plot`."""
    plane = Plane.around([split(one.xs, one.ys, log_y) for one in series], log_y)
    y_ticks = _y_ticks(plane, most=max(2, height // 60))
    x_ticks = _x_ticks(plane, most=max(2, width // 110))
    left = 16 + _CHAR * max((len(label) for _, label in y_ticks), default=0)
    top, right, bottom = (48.0 if title else 30.0), width - 16.0, height - (42.0 if x_label else 26.0)

    def at_x(x: float) -> float:
        return left + fraction(x, plane.x_low, plane.x_high) * (right - left)

    def at_y(y: float) -> float:
        return bottom - fraction(y, plane.y_low, plane.y_high) * (bottom - top)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="{_FONT}" font-size="{_SIZE}" fill="{_INK}" role="img">',
        f"<title>{_text(title or 'plot')}</title>",
    ]
    if title:
        parts.append(f'<text x="{left:.1f}" y="18" font-weight="600">{_text(title)}</text>')
    parts.extend(_legend(series, left, top - 12))
    for place, label in y_ticks:
        y = at_y(place)
        parts.append(_line(left, y, right, y, _FAINT))
        parts.append(f'<text x="{left - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for place, label in x_ticks:
        x = at_x(place)
        parts.append(_line(x, bottom, x, bottom + 4, _INK))
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18:.1f}" text-anchor="middle">{label}</text>')
    parts.append(_line(left, bottom, right, bottom, _INK))
    if x_label:
        middle = (left + right) / 2
        parts.append(f'<text x="{middle:.1f}" y="{height - 8}" text-anchor="middle">{_text(x_label)}</text>')
    if plane.blank:
        middle = (left + right) / 2
        parts.append(f'<text x="{middle:.1f}" y="{(top + bottom) / 2:.1f}" text-anchor="middle">{EMPTY}</text>')
    for index, pieces in enumerate(plane.curves):
        look = f'stroke="{_COLORS[index % len(_COLORS)]}"'
        for xs, ys in pieces:
            points = decimate(xs, ys, plane.x_low, plane.x_high, max(1, int(right - left)))
            places = [(at_x(x), at_y(y)) for x, y in points]
            if len(places) == 1:
                x, y = places[0]
                parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="none" {look} stroke-width="2"/>')
                continue
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            parts.append(f'<polyline points="{path}" fill="none" {look} stroke-width="1.5"{_dash(index)}/>')
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _y_ticks(plane: Plane, most: int) -> list[tuple[float, str]]:
    if plane.blank:
        return []
    if not plane.log_y:
        values = linear_ticks(plane.y_low, plane.y_high, most)
        return list(zip(values, tick_labels(values), strict=True))
    values = log_ticks(10**plane.y_low, 10 ** min(plane.y_high, 308.25), most)
    return list(zip(map(math.log10, values), log_labels(values), strict=True))


def _x_ticks(plane: Plane, most: int) -> list[tuple[float, str]]:
    if plane.blank:
        return []
    whole = all(float(x).is_integer() for x in (plane.x_low, plane.x_high))
    values = linear_ticks(plane.x_low, plane.x_high, most, whole=whole)
    return list(zip(values, tick_labels(values), strict=True))


def _legend(series: Sequence[Series], left: float, y: float) -> list[str]:
    parts = []
    for index, one in enumerate(series):
        label = f"{one.name} {last_value(one)}"
        color = _COLORS[index % len(_COLORS)]
        parts.append(
            f'<line x1="{left:.1f}" y1="{y - 4:.1f}" x2="{left + 22:.1f}" y2="{y - 4:.1f}" '
            f'stroke="{color}" stroke-width="2"{_dash(index)}/>'
        )
        parts.append(f'<text x="{left + 28:.1f}" y="{y:.1f}">{_text(label)}</text>')
        left += 28 + _CHAR * len(label) + 18
    return parts


def _line(x1: float, y1: float, x2: float, y2: float, color: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}"/>'


def _dash(index: int) -> str:
    dashes = _DASHES[index % len(_DASHES)]
    return f' stroke-dasharray="{dashes}"' if dashes else ""


def _text(text: str) -> str:
    return escape(clean_line(text))
