"""Curves as SVG, for reports and the README: no dependency, readable on light and on dark pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from craft.analysis.layout import INK, SIZE, Area, Layout, Line, Place, Ring, Words

_FONT = "ui-sans-serif, system-ui, sans-serif"


def svg_of(layout: Layout) -> str:
    """An SVG document of a layout."""
    return "\n".join(_document(layout)) + "\n"


def _document(layout: Layout) -> Iterator[str]:
    width, height = layout.width, layout.height
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="{_FONT}" font-size="{SIZE}" fill="{INK}" role="img">'
    )
    yield f"<title>{escape(layout.title or 'plot')}</title>"
    for shape in layout.shapes:
        match shape:
            case Words((x, y), text, anchor, bold):
                look = ("" if anchor == "start" else f' text-anchor="{anchor}"') + (
                    ' font-weight="600"' if bold else ""
                )
                yield f'<text x="{x:.1f}" y="{y:.1f}"{look}>{escape(text)}</text>'
            case Area(places, color, opacity):
                yield f'<polygon points="{_points(places)}" fill="{color}" fill-opacity="{opacity:g}"/>'
            case Ring((x, y), color, radius):
                look = f'fill="none" stroke="{color}" stroke-width="2"'
                yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" {look}/>'
            case Line(places, color, thick, dashes, opacity, rank):
                dash = f' stroke-dasharray="{" ".join(map(str, dashes))}"' if dashes else ""
                faint = f' stroke-opacity="{opacity:g}"' if opacity < 1 else ""
                look = f'stroke="{color}" stroke-width="{thick:g}"{dash}{faint}'
                if rank < 0:
                    (x1, y1), (x2, y2) = places
                    yield f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {look}/>'
                else:
                    yield f'<polyline points="{_points(places)}" fill="none" {look}/>'
    yield "</svg>"


def _points(places: Sequence[Place]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
