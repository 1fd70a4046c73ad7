from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from craft.analysis.layout import lay_out
from craft.analysis.plots import Series
from craft.analysis.svg import svg_of
from tests.escapes import HARMFUL, MARKUP, TERMINAL_ESCAPES

SVG = "{http://www.w3.org/2000/svg}"


def test_curves_lie_inside_the_picture() -> None:
    steps = list(range(5000))
    series = [
        Series("train", steps, [4 * math.exp(-x / 800) for x in steps]),
        Series("val", [0, 2500, 4999], [4, 1, 0.5]),
    ]
    root = ElementTree.fromstring(svg_of(lay_out(series, width=600, height=300, title="loss", x_label="step")))
    lines = root.findall(f"{SVG}polyline")
    assert len(lines) == 2
    for line in lines:
        points = [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
        assert all(0 <= x <= 600 and 0 <= y <= 300 for x, y in points)
        assert points == sorted(points, key=lambda point: point[0])
    assert len(lines[0].attrib["points"].split()) < 4 * 600, "decimated"
    assert "stroke-dasharray" not in lines[0].attrib and lines[1].attrib["stroke-dasharray"]
    words = [element.text or "" for element in root.iter(f"{SVG}text")]
    assert "loss" in words and "step" in words and "val 0.500" in words


def test_gaps_single_points_and_nothing() -> None:
    root = ElementTree.fromstring(svg_of(lay_out([Series("a", [1, 2, 3, 4], [1.0, 2.0, None, 3.0])])))
    assert len(root.findall(f"{SVG}polyline")) == 1
    assert len(root.findall(f"{SVG}circle")) == 1
    assert "no points yet" in svg_of(lay_out([]))


@pytest.mark.parametrize("name", [*TERMINAL_ESCAPES.values(), *MARKUP, "<script>alert(1)</script>", "a&b", '"'])
def test_names_can_neither_break_nor_command_the_picture(name: str) -> None:
    picture = svg_of(lay_out([Series(name, [1, 2], [1.0, 2.0])], title=name, x_label=name, log_y=True))
    assert not HARMFUL & set(picture)
    root = ElementTree.fromstring(picture)
    assert {element.tag for element in root.iter()} <= {
        f"{SVG}{tag}" for tag in ("svg", "title", "text", "line", "polyline", "circle")
    }
