"""PNG is painted from the same layout as SVG."""

from __future__ import annotations

import io
import math
from xml.etree import ElementTree

from PIL import Image

from craft.analysis.axes import AXES
from craft.analysis.comparison.export import smoothed
from craft.analysis.layout import COLORS, Area, Line, Words, lay_out, look_of
from craft.analysis.png import SCALE, dashed, png_of
from craft.analysis.series import Series
from craft.analysis.svg import svg_of

SVG = "{http://www.w3.org/2000/svg}"


def some(count: int, points: int = 200) -> list[Series]:
    xs = [float(x) for x in range(points)]
    return [Series(f"run-{rank}", xs, [rank + math.exp(-x / 40) for x in xs]) for rank in range(count)]


def colours(picture: bytes) -> dict[tuple[int, int, int], int]:
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    counted = image.getcolors(image.width * image.height)
    return {colour: count for count, colour in counted or []}  # type: ignore[misc]


def test_a_picture_has_ink_of_every_series() -> None:
    picture = png_of(lay_out(some(4), width=400, height=200, title="val/loss", x_label="step", axis=AXES["step"]))
    image = Image.open(io.BytesIO(picture))
    assert image.format == "PNG" and image.size == (400 * SCALE, 200 * SCALE)
    inked = colours(picture)
    for rank in range(4):
        red, green, blue = (int(COLORS[rank][place : place + 2], 16) for place in (1, 3, 5))
        assert inked.get((red, green, blue), 0) > 50, f"series {rank} is not there"
    assert max(inked, key=inked.__getitem__) == (255, 255, 255)


def test_a_band_lies_between_its_edges_and_below_its_line() -> None:
    xs = [0.0, 50.0, 100.0]
    banded = Series("seeds x3", xs, [2.0, 1.5, 1.0], low=[1.8, 1.4, 0.9], high=[2.2, 1.6, 1.1])
    layout = lay_out([banded], width=400, height=200)
    (area,) = [shape for shape in layout.shapes if isinstance(shape, Area)]
    assert len(area.places) == 6
    (line,) = [shape for shape in layout.shapes if isinstance(shape, Line) and shape.rank == 0]
    assert layout.shapes.index(area) < layout.shapes.index(line)
    for (x, y), (low_x, low_y), (high_x, high_y) in zip(
        line.places, area.places[:3], reversed(area.places[3:]), strict=True
    ):
        assert x == low_x == high_x and high_y < y < low_y
    tree = ElementTree.fromstring(svg_of(lay_out([banded], width=400, height=200)))
    (polygon,) = tree.findall(f"{SVG}polygon")
    assert float(polygon.attrib["fill-opacity"]) < 0.5
    plain = png_of(lay_out([Series("seeds x3", xs, banded.ys)], width=400, height=200))
    assert len(colours(png_of(lay_out([banded], width=400, height=200)))) > len(colours(plain))


def test_a_gap_in_a_band_is_a_gap_in_both_edges() -> None:
    xs = [0.0, 1.0, 2.0, 3.0, 4.0]
    banded = Series(
        "a", xs, [1.0, 1.0, None, 1.0, 1.0], low=[0.9, 0.9, None, 0.9, 0.9], high=[1.1, 1.1, None, 1.1, 1.1]
    )
    areas = [shape for shape in lay_out([banded]).shapes if isinstance(shape, Area)]
    assert [len(area.places) for area in areas] == [4, 4]


def test_a_long_legend_goes_below_and_every_entry_stays_in_the_picture() -> None:
    series = [Series("a-rather-long-name-of-a-run-" * 2 + str(rank), [0.0, 1.0], [1.0, 2.0]) for rank in range(9)]
    layout = lay_out(series, width=480, height=240, x_label="step")
    assert layout.height > 240
    words = [shape for shape in layout.shapes if isinstance(shape, Words) and shape.text.endswith("2.000")]
    assert len(words) == 9
    assert all(shape.place[1] > 240 and shape.place[1] < layout.height for shape in words)
    assert all(shape.place[0] + 6.6 * len(shape.text) <= 480 for shape in words)
    few = lay_out(series[:1], width=480, height=240)
    assert few.height == 240
    assert all(shape.place[1] < 60 for shape in few.shapes if isinstance(shape, Words) and "2.000" in shape.text)


def test_no_two_of_many_series_look_alike() -> None:
    assert len({look_of(rank) for rank in range(12)}) == 12
    tree = ElementTree.fromstring(svg_of(lay_out(some(12))))
    looks = [(line.attrib["stroke"], line.attrib.get("stroke-dasharray")) for line in tree.findall(f"{SVG}polyline")]
    assert len(looks) == len(set(looks)) == 12


def test_dashes_lie_along_the_line() -> None:
    pieces = list(dashed([(0.0, 0.0), (10.0, 0.0), (10.0, 10.0)], (7, 4)))
    assert pieces == [[(0.0, 0.0), (7.0, 0.0)], [(10.0, 1.0), (10.0, 8.0)]]
    assert list(dashed([(0.0, 0.0), (10.0, 0.0)], ())) == [[(0.0, 0.0), (10.0, 0.0)]]


def test_names_of_any_script_and_nothing_at_all_can_be_painted() -> None:
    for series in (
        [],
        [Series("\u8bad\u7ec3 \U0001f600 \x1b[31m", [1.0], [2.0])],
        [Series("a", [1.0, 2.0], [math.nan, None])],
    ):
        assert Image.open(io.BytesIO(png_of(lay_out(series, title="\u202eabc")))).size[0] == 720 * SCALE


def test_a_logarithmic_x_axis_leaves_out_what_is_not_positive() -> None:
    xs = [0.0, 1.0, 10.0, 100.0]
    layout = lay_out([Series("a", xs, [4.0, 3.0, 2.0, 1.0])], log_x=True, axis=AXES["time"], width=640)
    (line,) = [shape for shape in layout.shapes if isinstance(shape, Line) and shape.rank == 0]
    places = [x for x, _ in line.places]
    assert len(places) == 3
    assert math.isclose(places[1] - places[0], places[2] - places[1])
    assert {"1s", "10s"} <= {shape.text for shape in layout.shapes if isinstance(shape, Words)}


def test_a_smoothed_curve_has_what_was_measured_behind_it() -> None:
    xs = [float(x) for x in range(100)]
    noisy = [math.sin(x) for x in xs]
    (line,) = smoothed([Series("a", xs, noisy)], 0.98)
    assert list(line.raw) == noisy and max(line.ys[50:]) < 0.5 * max(noisy)  # type: ignore[type-var, operator]
    lines = [shape for shape in lay_out([line]).shapes if isinstance(shape, Line) and shape.rank == 0]
    assert [one.opacity < 0.5 for one in lines] == [True, False]
