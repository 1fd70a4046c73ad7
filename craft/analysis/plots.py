"""Curves drawn in text: lines, a frame with round ticks, and a legend with the last value of each series.

    1.62 |train 1.624  x val 1.712      legend: the last value of each series
       4 |.                             roles colour the parts: "series0", "axis", ...
         |'\\.
       2 |   '-x---x                    a mark on every point of a sparse series: told apart without colour
         +--------------
          0    100   200 step

plotext (in `canvas`) inks the lines. It is imported at the first plot, because that takes 0.1 s.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from craft.analysis.canvas import Canvas, Ink, Plane, Span, mark_of, pixel_of, split
from craft.analysis.numbers import format_loss
from craft.analysis.ticks import linear_ticks, log_labels, log_ticks, tick_labels
from craft.text import clean_line, shorten, shows_unicode, wants_color, width_of

EMPTY = "no points yet"


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


@dataclass(frozen=True)
class Mark:
    """Something that happened at a place of the x axis, as a checkpoint or a change of the rate."""

    x: float
    text: str
    kind: str = ""
    """The event's kind, as events.jsonl names it."""


@dataclass(frozen=True)
class Drawing:
    """A finished plot: rows of spans, every row exactly `width` columns wide."""

    width: int
    rows: list[list[Span]]

    def plain(self) -> str:
        return "\n".join("".join(span.text for span in row).rstrip() for row in self.rows)

    def ansi(self) -> str:
        """With the colours of the terminal's own palette, which fit its light or dark background."""
        return "\n".join("".join(_paint(span) for span in row) for row in self.rows)


def plot_text(
    series: Sequence[Series],
    *,
    width: int,
    height: int,
    title: str = "",
    x_label: str = "",
    color: bool | None = None,
    braille: bool | None = None,
    log_y: bool = False,
) -> str:
    """Draw `series` into `height` lines of `width` columns, without a newline at the end.

    What is not given is decided by what standard output can show; without braille, plain ASCII.
    """
    color = wants_color(sys.stdout) if color is None else color
    braille = shows_unicode(sys.stdout) if braille is None else braille
    drawing = draw_plot(
        series,
        width=width,
        height=height,
        title=title,
        x_label=x_label,
        ink="braille" if braille else "ascii",
        log_y=log_y,
    )
    return drawing.ansi() if color else drawing.plain()


def draw_plot(
    series: Sequence[Series],
    *,
    width: int,
    height: int,
    title: str = "",
    x_label: str = "",
    ink: Ink = "braille",
    log_y: bool = False,
    empty: str = EMPTY,
) -> Drawing:
    """Draw `series` into exactly `height` rows of `width` columns; made for 20x6 to 300x100 and safe below.

    Curves are decimated to the pixels there are, without changing one of them. A logarithmic y axis leaves
    out values that are not positive, as gaps. `empty` is said where there is nothing to draw.
    """
    width, height = max(width, 1), max(height, 1)
    plane = Plane.around([split(one.xs, one.ys, log_y) for one in series], log_y)
    head = _header(series, title, width, height, ink)
    foot_rows = 2 if height - len(head) >= 4 else 0
    canvas_height = height - len(head) - foot_rows
    y_marks = _y_marks(plane, canvas_height, width // 3)
    gutter = max((len(label) for label in y_marks.values()), default=0) + 2 if width >= 12 else 0
    canvas_width = width - gutter

    canvas = Canvas(canvas_width, canvas_height, ink)
    for index, pieces in enumerate(plane.curves):
        canvas.draw(index, pieces, plane)
    if plane.blank:
        canvas.write(canvas_height // 2, shorten(empty, canvas_width, ascii_only=ink == "ascii"))

    art = _FRAME[ink]
    rows = list(head)
    for row, cells in enumerate(canvas.spans()):
        label = y_marks.get(row, "")
        if gutter:
            edge = art["tick"] if row in y_marks else art["left"]
            rows.append([Span(label.rjust(gutter - 2) + " ", "label"), Span(edge, "axis"), *cells])
        else:
            rows.append(cells)
    if foot_rows:
        rows.extend(_footer(plane, gutter, canvas_width, x_label, art, ink))
    return Drawing(width, rows)


def _y_marks(plane: Plane, rows: int, room: int) -> dict[int, str]:
    """Labels by canvas row, top row 0, each at most `room` columns wide."""
    if plane.blank or rows < 1 or room < 3:
        return {}
    most = max(2, min(7, rows // 3 + 1))
    if plane.log_y:
        low, high = (10 ** min(y, 308.25) for y in (plane.y_low, plane.y_high))  # where floats end
        values = log_ticks(low, high, most)
        labels = log_labels(values)
        places = [math.log10(value) for value in values]
    else:
        values = places = linear_ticks(plane.y_low, plane.y_high, most)
        labels = tick_labels(values)
    if max(map(len, labels)) > room:
        labels = [f"{value:.2g}" for value in values]
    marks: dict[int, str] = {}
    for place, label in zip(places, labels, strict=True):
        row = rows - 1 - pixel_of(place, plane.y_low, plane.y_high, rows)
        if len(label) <= room:
            marks.setdefault(row, label)
    return marks


_FRAME: dict[Ink, dict[str, str]] = {
    "braille": {"left": "\u2502", "tick": "\u2524", "low": "\u2500", "mark": "\u252c", "corner": "\u2514"},
    "block": {"left": "\u2502", "tick": "\u2524", "low": "\u2500", "mark": "\u252c", "corner": "\u2514"},
    "ascii": {"left": "|", "tick": "+", "low": "-", "mark": "+", "corner": "+"},
}


def _header(series: Sequence[Series], title: str, width: int, height: int, ink: Ink) -> list[list[Span]]:
    """Title and legend: on one line where they fit, else on two where there is height for it."""
    if height < 4:
        return []
    ascii_only = ink == "ascii"
    entries = _entries(series, width, ink)
    title = clean_line(title, ascii_only=ascii_only)
    legend_width = _width_with_gaps(entries)
    if not title and not entries:
        return []
    if title and entries and width_of(title) + 3 + legend_width > width:
        if height >= 8:
            return [_filled([Span(title, "title")], width, ascii_only), _legend(entries, width, ascii_only)]
        title = ""
    if not entries:
        return [_filled([Span(title, "title")], width, ascii_only)]
    row = _legend(entries, width - (width_of(title) + 3 if title else 0), ascii_only)
    return [[Span(title, "title"), Span("   ", "canvas"), *row] if title else row]


def _entries(series: Sequence[Series], width: int, ink: Ink) -> list[tuple[str, str]]:
    """Text and role a series; without the values where they would not all fit."""
    named, valued = [], []
    for index, one in enumerate(series):
        # The first curve is a plain line; the others carry their marks.
        sample = mark_of(index, ink) if index or ink == "ascii" else "\u2500"
        name = f"{sample} {clean_line(one.name, ascii_only=ink == 'ascii')}"
        named.append((name, f"series{index}"))
        valued.append((f"{name} {last_value(one)}", f"series{index}"))
    return valued if _width_with_gaps(valued) <= width or _width_with_gaps(named) > width else named


def _width_with_gaps(entries: list[tuple[str, str]]) -> int:
    return sum(width_of(text) for text, _ in entries) + 2 * max(len(entries) - 1, 0)


def _legend(entries: list[tuple[str, str]], width: int, ascii_only: bool) -> list[Span]:
    """As many entries as fit, the rest as a number."""
    row: list[Span] = []
    used = 0
    for index, (text, role) in enumerate(entries):
        gap = 2 if row else 0
        left = len(entries) - index
        more = f"  +{left} more"
        last = left == 1
        room = width - used - gap - (0 if last else width_of(f"  +{left - 1} more"))
        if width_of(text) > room and row:
            row.append(Span(shorten(more, width - used, ascii_only=ascii_only), "legend"))
            break
        if width_of(text) > room:
            text = shorten(text, max(room, 1), ascii_only=ascii_only)
        if gap:
            row.append(Span(" " * gap, "canvas"))
        row.append(Span(text, role))
        used += gap + width_of(text)
    return _filled(row, width, ascii_only)


def last_value(series: Series) -> str:
    """The last value as it is, also when it is not finite: a curve that broke off must say so."""
    if not series.ys:
        return series.write(None)
    value = series.ys[-1]
    return series.write(math.nan if value is None else value)


def _filled(row: list[Span], width: int, ascii_only: bool) -> list[Span]:
    """Make a row exactly `width` columns wide."""
    used = 0
    out: list[Span] = []
    for span in row:
        text = shorten(span.text, width - used, ascii_only=ascii_only)
        if text:
            out.append(Span(text, span.role))
            used += width_of(text)
    return [*out, Span(" " * (width - used), "canvas")] if used < width else out


def _footer(plane: Plane, gutter: int, width: int, x_label: str, art: dict[str, str], ink: Ink) -> list[list[Span]]:
    """The x axis and its labels, the axis' own name at the right end where there is room."""
    line, below = [art["low"]] * width, [" "] * width
    name = clean_line(x_label, ascii_only=ink == "ascii")
    room = width - len(name) - 2 if name.isascii() and name and width >= len(name) + 20 else width
    if not plane.blank:
        whole = all(float(x).is_integer() for x in (plane.x_low, plane.x_high))
        values = linear_ticks(plane.x_low, plane.x_high, max(2, min(9, width // 12)), whole=whole)
        end = -1
        for value, label in zip(values, tick_labels(values), strict=True):
            column = pixel_of(value, plane.x_low, plane.x_high, width)
            start = max(0, min(column - len(label) // 2, width - len(label)))
            if start <= end or start + len(label) > room:
                continue
            line[column] = art["mark"]
            below[start : start + len(label)] = label
            end = start + len(label)
    if room < width:
        below[width - len(name) :] = name
    left = [Span(" " * (gutter - 1), "canvas"), Span(art["corner"], "axis")] if gutter else []
    indent = [Span(" " * gutter, "canvas")] if gutter else []
    return [[*left, Span("".join(line), "axis")], [*indent, Span("".join(below), "label")]]


_SGR = {"title": "1", "axis": "2", "label": "2", "empty": "2", "legend": "2"}
# Cyan, yellow, magenta, green, blue, red: told apart also by the common colour blindnesses in this order.
_SERIES_SGR = ("36", "33", "35", "32", "34", "31")


def _paint(span: Span) -> str:
    if span.role.startswith("series"):
        code = _SERIES_SGR[int(span.role.removeprefix("series")) % len(_SERIES_SGR)]
    else:
        code = _SGR.get(span.role, "")
    return f"\x1b[{code}m{span.text}\x1b[0m" if code else span.text
