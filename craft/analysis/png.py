"""Curves as PNG, for slides and chats: the SVG's picture on white, in twice as many pixels."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from craft.analysis.layout import SIZE, Area, Layout, Line, Place, Ring, Words

if TYPE_CHECKING:
    from PIL import ImageFont

SCALE = 2
"""Pixels of the picture for one of the layout."""
_FINE = 2  # lines are drawn so many times larger and made smaller, which smooths them
_INK, _PAPER = "#505050", "#ffffff"
# Letters beyond Latin are not in Pillow's own font; these are looked for where systems keep theirs.
_FONTS = {
    False: ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf"),
    True: ("DejaVuSans-Bold.ttf", "NotoSans-Bold.ttf"),
}


def png_of(layout: Layout) -> bytes:
    """A PNG file of a layout. Imports Pillow: 0.1 s."""
    from PIL import Image, ImageDraw

    fine = SCALE * _FINE
    picture = Image.new("RGB", (layout.width * fine, layout.height * fine), _PAPER)
    draw = ImageDraw.Draw(picture, "RGBA")  # which mixes what is not opaque with what lies below
    for shape in layout.shapes:
        match shape:
            case Area(places, color, opacity) if len(places) > 2:
                draw.polygon(_enlarged(places, fine), fill=_mixed(color, opacity))
            case Ring((x, y), color, radius):
                box = [(x - radius) * fine, (y - radius) * fine, (x + radius) * fine, (y + radius) * fine]
                draw.ellipse(box, outline=color, width=2 * fine)
            case Line(places, color, thick, dashes, opacity):
                for piece in dashed(places, dashes):
                    draw.line(
                        _enlarged(piece, fine), fill=_mixed(color, opacity), width=round(thick * fine), joint="curve"
                    )
    picture = picture.reduce(_FINE)
    draw = ImageDraw.Draw(picture)
    fonts = {bold: _font(bold) for bold in (False, True)}
    anchors = {"start": "ls", "middle": "ms", "end": "rs"}
    for shape in layout.shapes:
        if isinstance(shape, Words):
            x, y = shape.place
            draw.text(
                (x * SCALE, y * SCALE), shape.text, fill=_INK, font=fonts[shape.bold], anchor=anchors[shape.anchor]
            )
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


def dashed(places: Sequence[Place], dashes: Sequence[float]) -> Iterator[list[Place]]:
    """The pieces of a line that dashes ink: lengths of ink and of gaps, by turns, along the line from its beginning."""
    if not dashes:
        yield list(places)
        return
    turn, left = 0, float(dashes[0])
    piece = [places[0]]
    for (x1, y1), (x2, y2) in pairwise(places):
        length = math.hypot(x2 - x1, y2 - y1)
        gone = 0.0
        while length - gone > left:
            gone += left
            at = (x1 + (x2 - x1) * gone / length, y1 + (y2 - y1) * gone / length)
            if turn % 2 == 0:
                yield [*piece, at]
            turn += 1
            left = float(dashes[turn % len(dashes)])
            piece = [at]
        left -= length - gone
        piece.append((x2, y2))
    if turn % 2 == 0 and len(piece) > 1:
        yield piece


def _mixed(color: str, opacity: float) -> tuple[int, int, int, int]:
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return red, green, blue, round(255 * opacity)


def _enlarged(places: Sequence[Place], by: int) -> list[Place]:
    return [(x * by, y * by) for x, y in places]


def _font(bold: bool) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    for name in _FONTS[bold]:
        try:
            return ImageFont.truetype(name, SIZE * SCALE)
        except OSError:
            continue
    return ImageFont.load_default(SIZE * SCALE)
