"""Curves drawn in text: lines, a frame with round ticks, and a legend with the last value of each series.

    loss   * train 1.624  x val 1.712        1 point outside      legend: last values, as they were measured
       4 |*       ^                          a point above the range; what is left out is said in the title
         | *      *
         |  x*x   *                          a mark on every point of a sparse series: told apart without colour
       2 |     **x**x****x****               roles name the parts: "series0", "axis", ... (see `canvas.Span`)
         +---o-----------=----o              what happened: o a checkpoint, = a change (see `marks`)
          0        100       200 step

Nothing here is imported that takes long; a plot of two curves of 2000 points takes about two milliseconds.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from craft.analysis.axes import Axis, format_step
from craft.analysis.canvas import BAND, LINE, RAW, Canvas, Span, mark_of
from craft.analysis.curves import Curve, Curves, Piece
from craft.analysis.frame import Foot, frame_of, x_ticks, y_marks
from craft.analysis.inking import PIXELS, Ink, Paper
from craft.analysis.legend import Entry, end_labels, header
from craft.analysis.marks import by_column, said, sign_of
from craft.analysis.ranges import robust_range
from craft.analysis.scales import Scale
from craft.analysis.series import EMPTY, Mark, Series, last_value
from craft.analysis.smoothing import LIGHT, STRONG
from craft.text import clean_line, shorten, shows_unicode, wants_color, width_of

__all__ = ["EMPTY", "Drawing", "Mark", "Series", "View", "draw_plot", "last_value", "plot_text"]

Range = tuple[float, float]


@dataclass(frozen=True)
class View:
    """How curves are looked at."""

    log_x: bool = False
    log_y: bool = False
    x_range: Range | None = None
    """The part of the x axis that is shown; None for all."""
    y_range: Range | None = None
    robust: bool = False
    """Whether a few stray points are left out of the range of y, and said so."""
    smoothing: float = 0.0
    """The weight of `smoothing.smooth`; what was measured is then drawn faintly behind."""
    cross: float | None = None
    """Where the crosshair stands on the x axis."""
    chosen: Range | None = None
    """A part of the x axis that is being chosen."""
    focused: bool = False


@dataclass(frozen=True)
class Drawing:
    """A finished plot: rows of spans, every row exactly `width` columns wide."""

    width: int
    rows: list[list[Span]]
    x: Scale | None = None
    """The axes as drawn; None where there was nothing to draw."""
    y: Scale | None = None
    whole_x: Scale | None = None
    """And all that there is to see."""
    whole_y: Scale | None = None
    left: int = 0
    """The cells of the curves: first column and row, and how many."""
    top: int = 0
    columns: int = 0
    lines: int = 0

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
    log_x: bool = False,
    log_y: bool = False,
    axis: Axis | None = None,
) -> str:
    """Draw `series` into `height` lines of `width` columns, without a newline at the end.

    What is not given is decided by what standard output can show; without braille, plain ASCII.
    """
    color = wants_color(sys.stdout) if color is None else color
    braille = shows_unicode(sys.stdout) if braille is None else braille
    ink: Ink = "braille" if braille else "ascii"
    view = View(log_x=log_x, log_y=log_y)
    drawing = draw_plot(series, width=width, height=height, title=title, x_label=x_label, ink=ink, view=view, axis=axis)
    return drawing.ansi() if color else drawing.plain()


def draw_plot(
    series: Sequence[Series],
    *,
    width: int,
    height: int,
    title: str = "",
    x_label: str = "",
    ink: Ink = "braille",
    view: View = View(),
    axis: Axis | None = None,
    marks: Sequence[Mark] = (),
    empty: str = EMPTY,
    curves: Curves | None = None,
) -> Drawing:
    """Draw `series` into exactly `height` rows of `width` columns; made for 20x6 to 300x100 and safe below.

    Curves are decimated to the pixels there are, without changing one of them. A logarithmic axis leaves out values
    that are not positive, as gaps, and says how many. `empty` is said where there is nothing to draw. `curves` keeps
    what is found out about the series for the next drawing.
    """
    plot = _Plot((curves or Curves()).of(series), max(width, 1), max(height, 1), ink, view, axis, x_label)
    return plot.drawn(title, marks, empty)


@dataclass
class _Plot:
    """One drawing in the making."""

    curves: list[Curve]
    width: int
    height: int
    ink: Ink
    view: View
    axis: Axis | None
    x_label: str
    x: Scale = field(init=False)
    y: Scale = field(init=False)
    whole_x: Scale = field(init=False)
    whole_y: Scale = field(init=False)
    span: float = field(init=False)
    blank: bool = field(init=False)
    outside: int = 0

    def __post_init__(self) -> None:
        log_x, log_y = self.view.log_x, self.view.log_y
        pieces = [
            (xs, ys) for curve in self.curves for xs, ys in curve.fit(("measured",), curve.measured, log_x, log_y)
        ]
        self.blank = not pieces
        ends = [x for xs, _ in pieces for x in (xs[0], xs[-1])]
        ends += [x for curve in self.curves for x in curve.gaps if not log_x or x > 0] if pieces else []
        low, high = (min(ends), max(ends)) if ends else (1.0, 1.0)
        self.whole_x = Scale(low, high, log_x)
        self.span = 2 * (high / 2 - low / 2)
        if self.view.x_range and not self.blank:
            first, last = self.view.x_range
            low, high = (first if first > 0 or not log_x else low), (last if last > 0 or not log_x else high)
        self.x = Scale(low, max(low, high), log_x)
        self.y = self._y_scale()

    def _y_scale(self) -> Scale:
        log = self.view.log_y
        found = [extent for curve in self.curves if (extent := curve.extent(self.x, log))]
        low, high = (min(first for first, _ in found), max(last for _, last in found)) if found else (1.0, 1.0)
        first, last = low, high
        self.whole_y = Scale(low, high, log)
        if self.view.y_range and (self.view.y_range[0] > 0 or not log):
            low, high = self.view.y_range
        elif self.view.robust:
            ends = Scale(low, high, log).ends
            kept = robust_range((one for curve in self.curves for one in curve.stretches(self.x, log)), *ends)
            low = low if kept[0] == ends[0] else _power(kept[0], log)
            high = high if kept[1] == ends[1] else _power(kept[1], log)
        if low > first or high < last:
            self.outside = sum(curve.outside(self.x, log, low, high) for curve in self.curves)
        return Scale(low, max(low, high), log)

    def drawn(self, title: str, marks: Sequence[Mark], empty: str) -> Drawing:
        last = [self._entry(index, curve) for index, curve in enumerate(self.curves)]
        seen = last
        if self.view.cross is not None and not self.blank:
            seen = [self._entry(index, curve, self.view.cross) for index, curve in enumerate(self.curves)]
        ascii_only = self.ink == "ascii"
        most = 0 if self.height < 4 else 1 if self.height < 8 else max(2, self.height // 6)
        notes = self._notes()
        head = header(title, notes, last, self.width, most, ascii_only=ascii_only)
        names = self._names_width(last) if len(head) > 1 else 0
        if names:
            head = header(title, notes, (), self.width, 1, ascii_only=ascii_only)
        elif seen is not last:
            head = header(title, notes, seen, self.width, most, ascii_only=ascii_only, rows=len(head))

        foot_rows = 2 if self.height - len(head) >= 8 else 1 if self.height - len(head) >= 3 else 0
        lines = self.height - len(head) - foot_rows
        y_labels = {} if self.blank else y_marks(self.y, lines, self.width // 3)
        gutter = max((len(label) for label in y_labels.values()), default=0) + 2 if self.width >= 12 else 0
        columns = self.width - gutter - names
        events = {} if self.blank else by_column([*marks, *self._gaps()], self.x, columns)

        canvas = Canvas(columns, lines, self.ink)
        if self.blank:
            words = shorten(self._why_blank() or empty, columns, ascii_only=ascii_only)
            canvas.put(lines // 2, max(0, (columns - width_of(words)) // 2), words, "empty")
        else:
            for index, curve in enumerate(self.curves):
                self._ink(canvas, index, curve)
            for index, curve in enumerate(self.curves):
                self._mark_points(canvas, index, curve)
            self._draw_over(canvas, events)

        art = frame_of(self.ink, self.view.focused)
        labels: list[Span] = []
        if names:
            labels = end_labels(self._ends(seen, lines), names, lines, ascii_only=ascii_only)
        rows = list(head)
        for row, cells in enumerate(canvas.spans()):
            if gutter:
                edge = art["tick"] if row in y_labels else art["left"]
                cells = [Span(y_labels.get(row, "").rjust(gutter - 2) + " ", "label"), Span(edge, "axis"), *cells]
            rows.append([*cells, labels[row]] if names else cells)
        if foot_rows:
            beside = [Span(" " * names, "canvas")] if names else []
            foot = self._foot(columns, foot_rows, events)
            rows.extend([*row, *beside] for row in foot.spans(gutter))
        if self.blank:
            return Drawing(self.width, rows)
        return Drawing(self.width, rows, self.x, self.y, self.whole_x, self.whole_y, gutter, len(head), columns, lines)

    # --- words ---

    def _entry(self, index: int, curve: Curve, cross: float | None = None) -> Entry:
        series = curve.series
        # The first curve is a plain line; the others carry their marks.
        sample = mark_of(index, self.ink) if index or self.ink == "ascii" else "\u2500"
        name, value, place = clean_line(series.name, ascii_only=self.ink == "ascii"), last_value(series), ""
        point = None if cross is None else curve.at(cross, self.x, self.view.smoothing, self.span)
        if cross is not None and point is not None:
            value = series.write(point.y)
            if point.smoothed is not None:
                value += f" (~{series.write(point.smoothed)})"
            place = f"@{self._write_x(point.x)}" if point.x != cross else ""
        return Entry(f"series{index}", sample, name, value, place)

    def _write_x(self, x: float) -> str:
        return self.axis.write(x) if self.axis else format_step(x)

    def _notes(self) -> str:
        """What a reader must know to believe the picture; the gravest first."""
        if self.blank:
            return ""
        view = self.view
        left_out = sum(curve.left_out(view.log_x, view.log_y) for curve in self.curves)
        broken = sum(len(curve.gaps) for curve in self.curves)
        levels = {LIGHT: "lightly smoothed", STRONG: "strongly smoothed"}
        smoothed = view.smoothing and any(not curve.series.raw for curve in self.curves)
        axes = [name for name, log in (("x", view.log_x), ("y", view.log_y)) if log]
        notes = (
            f"{self.outside:,} point{'s' * (self.outside != 1)} outside" if self.outside else "",
            f"{left_out:,} not positive, left out" if left_out else "",
            f"{broken:,} not finite" if broken else "",
            levels.get(view.smoothing, f"smoothed {view.smoothing:g}") if smoothed else "",
            f"log {', '.join(axes)}" if axes else "",
            "zoomed" if view.x_range or view.y_range else "",
        )
        return (", " if self.ink == "ascii" else " \u00b7 ").join(filter(None, notes))

    def _why_blank(self) -> str:
        if any(curve.measured for curve in self.curves):
            return "no point is positive: a logarithmic axis has no place for them"
        return "no value is finite" if any(curve.gaps for curve in self.curves) else ""

    def _gaps(self) -> list[Mark]:
        """Where values are not finite, one of many in a row."""
        named = len(self.curves) > 1
        return [
            Mark(x, f"{clean_line(curve.series.name)} is not finite" if named else "not finite", "nonfinite")
            for curve in self.curves
            for x in curve.gaps[:: max(1, len(curve.gaps) // (4 * self.width))]
        ]

    def _names_width(self, entries: list[Entry]) -> int:
        """Columns for names at the ends of the curves: where there are several curves, and room."""
        if len(entries) < 3 or self.blank or self.height < min(len(entries), 12) + 5:
            return 0
        needed = min(max(width_of(entry.text("value")) for entry in entries) + 2, self.width // 3)
        return needed if self.width - needed >= 60 else 0

    # --- curves ---

    def _lines(self, curve: Curve) -> tuple[tuple[object, ...], list[Piece]]:
        pieces = curve.lines(self.view.smoothing, self.span)
        what = ("measured",) if pieces is curve.measured else ("lines", self.view.smoothing, self.span)
        return what, pieces

    def _paths(
        self, curve: Curve, what: tuple[object, ...], pieces: list[Piece], columns: int, lines: int
    ) -> list[list[tuple[int, int]]]:
        """The pixels that lines join, those of a point beyond either end included."""
        across, down = PIXELS[self.ink]
        width, height = columns * across, lines * down
        x, y = self.x, self.y
        paths = []
        for points in curve.reduced(what, pieces, x, y.log, width):
            pixels = [(x.pixel(px, width), y.pixel(py, height)) for px, py in points]
            paths.append([pixel for i, pixel in enumerate(pixels) if i == 0 or pixel != pixels[i - 1]])
        return paths

    def _ink(self, canvas: Canvas, index: int, curve: Curve) -> None:
        what, pieces = self._lines(curve)
        low, high = curve.band()
        if low and high:
            edges = []
            for side, edge in (("low", low), ("high", high)):
                paper = Paper(canvas.width, canvas.height, self.ink)
                for path in self._paths(curve, (side,), edge, canvas.width, canvas.height):
                    paper.line(path)
                edges.append(paper)
            edges[0].fill_between(edges[1])
            if self.ink != "ascii":
                edges[0].thin()
            canvas.lay(edges[0], index, BAND)
        for name, drawn, rank in ((("measured",), curve.measured, RAW), (what, pieces, LINE)):
            if rank == RAW and pieces is curve.measured:
                continue
            paper = Paper(canvas.width, canvas.height, self.ink)
            for path in self._paths(curve, name, drawn, canvas.width, canvas.height):
                paper.line(path)
            canvas.lay(paper, index, rank)

    def _mark_points(self, canvas: Canvas, index: int, curve: Curve) -> None:
        across, down = PIXELS[self.ink]
        width, height = canvas.width * across, canvas.height * down
        what, pieces = self._lines(curve)
        dots: list[tuple[int, int]] = []
        for path in self._paths(curve, what, pieces, canvas.width, canvas.height):
            dots.extend(path if index or len(path) == 1 else ())
        inside = [(x, y) for x, y in dots if 0 <= x < width and 0 <= y < height]
        for x, y in _spread(inside, index, canvas.width):
            canvas.put(canvas.height - 1 - y // down, x // across, mark_of(index, self.ink), f"series{index}")
        if self.outside:
            above, below = ("^", "v") if self.ink == "ascii" else ("\u25b4", "\u25be")
            for path in self._paths(curve, ("measured",), curve.measured, canvas.width, canvas.height):
                for x, y in path:
                    if not 0 <= y < height and 0 <= x < width:
                        row, arrow = (canvas.height - 1, below) if y < 0 else (0, above)
                        canvas.put(row, x // across, arrow, f"series{index}")

    def _draw_over(self, canvas: Canvas, events: dict[int, list[Mark]]) -> None:
        """Thin lines: of events, of the part that is being chosen, and of the crosshair with its points."""
        thin, thick = (":", "|") if self.ink == "ascii" else ("\u250a", "\u2502")
        telling = {column: sign for column, here in events.items() if (sign := sign_of(here[0].kind)).line}
        if len(telling) <= max(1, canvas.width // 8):
            for column, sign in telling.items():
                for row in range(canvas.height):
                    canvas.put(row, column, thin, sign.role, over=False)
        places = [*(self.view.chosen or ()), *([] if self.view.cross is None else [self.view.cross])]
        for place in places:
            if self.x.holds(place):
                for row in range(canvas.height):
                    canvas.put(row, self.x.near(place, canvas.width), thick, "cross", over=False)
        if self.view.cross is None:
            return
        for index, curve in enumerate(self.curves):
            point = curve.at(self.view.cross, self.x, self.view.smoothing, self.span)
            if point and self.x.holds(point.x) and (self.y.low <= point.y <= self.y.high):
                height = point.y if point.smoothed is None else point.smoothed
                if self.y.holds(height):
                    row = canvas.height - 1 - self.y.near(height, canvas.height)
                    spot = mark_of(index, self.ink) if index or self.ink == "ascii" else "\u25cf"
                    canvas.put(row, self.x.near(point.x, canvas.width), spot, f"series{index}")

    def _ends(self, entries: list[Entry], lines: int) -> list[tuple[int, Entry]]:
        """For each curve the row of its last point that is seen."""
        found = []
        for entry, curve in zip(entries, self.curves, strict=True):
            row = lines - 1
            for points in curve.reduced(*self._lines(curve), self.x, self.y.log, 4 * self.width):
                seen = [y for x, y in points if self.x.holds(x)]
                if seen:
                    row = lines - 1 - self.y.near(seen[-1], lines)
            found.append((row, entry))
        return found

    def _foot(self, columns: int, rows: int, events: dict[int, list[Mark]]) -> Foot:
        foot = Foot(columns, rows, self.ink, self.view.focused)
        room = foot.name(self.x_label)
        if self.blank:
            return foot
        foot.ticks(x_ticks(self.x, max(2, min(9, columns // 12)), self.axis), self.x, room)
        foot.events(events)
        if self.view.chosen:
            foot.chosen(*(self.x.near(place, columns) for place in self.view.chosen))
        if self.view.cross is not None and self.x.holds(self.view.cross):
            column = self.x.near(self.view.cross, columns)
            foot.cross(column, self._write_x(self.view.cross), said(events, column))
        return foot


def _power(value: float, log: bool) -> float:
    return 10.0 ** min(value, 308.25) if log else value


def _spread(dots: list[tuple[int, int]], index: int, width: int) -> list[tuple[int, int]]:
    """All places for marks while they are few, else some of them, evenly, and not where those of other curves are."""
    if len(dots) <= max(2, width // 4):
        return dots
    stride = math.ceil(len(dots) / max(2, width // 12))
    return dots[stride * (index % 4 + 1) // 5 :: stride]


_SGR = {"title": "1", "axis": "2", "label": "2", "empty": "2", "legend": "2", "note": "2", "mark": "2", "cross": "1"}
# Cyan, yellow, magenta, green, blue, red: told apart also by the common colour blindnesses in this order.
_SERIES_SGR = ("36", "33", "35", "32", "34", "31")


def _paint(span: Span) -> str:
    name = span.role.rstrip("0123456789")
    if name in ("series", "raw", "band"):
        code = _SERIES_SGR[int(span.role[len(name) :]) % len(_SERIES_SGR)]
        code = code if name == "series" else f"2;{code}"
    else:
        code = _SGR.get(name, "")
    return f"\x1b[{code}m{span.text}\x1b[0m" if code else span.text
