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

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from craft.analysis.axes import Axis, format_step
from craft.analysis.canvas import Canvas, Span, mark_of
from craft.analysis.curves import Curve, Curves
from craft.analysis.frame import Foot, frame_of, y_marks
from craft.analysis.inking import Ink
from craft.analysis.legend import Entry, end_labels, header, says_all, value_box
from craft.analysis.marks import by_column, said
from craft.analysis.painter import Painter, painted
from craft.analysis.scales import Scale
from craft.analysis.series import EMPTY, Mark, Series, last_value, written
from craft.analysis.sight import Sight, View
from craft.analysis.ticks import round_places
from craft.text import clean_line, shorten, shows_unicode, wants_color, width_of

__all__ = ["EMPTY", "Drawing", "Mark", "Series", "View", "draw_plot", "last_value", "plot_text"]

_WHOLE = View()
_MANY = 8  # curves that may not all find room for their names
_BOX = 14
"""Columns that a box of values takes at least."""


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
    view: View = _WHOLE,
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
    kept = Curves() if curves is None else curves
    sight = Sight(kept.of(series), view)
    return _Plot(sight, kept, max(width, 1), max(height, 1), ink, axis, x_label).drawn(title, marks, empty)


@dataclass
class _Plot:
    """One drawing in the making: what stands where around the curves."""

    sight: Sight
    kept: Curves
    width: int
    height: int
    ink: Ink
    axis: Axis | None
    x_label: str

    def drawn(self, title: str, marks: Sequence[Mark], empty: str) -> Drawing:
        sight, view, ascii_only = self.sight, self.sight.view, self.ink == "ascii"
        head, names, entries = self._head(title)
        foot_rows = 2 if self.height - len(head) >= 8 else 1 if self.height - len(head) >= 3 else 0
        lines = self.height - len(head) - foot_rows
        y_labels = {} if sight.blank else y_marks(sight.y, lines, self.width // 3)
        gutter = max((len(label) for label in y_labels.values()), default=0) + 2 if self.width >= 12 else 0
        columns = self.width - gutter - names

        canvas = Canvas(columns, lines, self.ink)
        events: dict[int, list[Mark]] = {}
        if sight.blank:
            words = shorten(sight.why_blank() or empty, columns, ascii_only=ascii_only)
            canvas.put(lines // 2, max(0, (columns - width_of(words)) // 2), words, "empty")
        else:
            events = by_column([*marks, *self._gaps()], sight.x, columns)
            canvas = painted(sight, columns, lines, self.ink, self.kept)
            Painter(canvas, sight).paint_over(events)
            if view.cross is not None and not names and not says_all(head, entries):
                self._write_values(canvas, entries, view.cross)

        art = frame_of(self.ink, view.focused)
        labels = end_labels(self._ends(entries), names, lines, ascii_only=ascii_only) if names else []
        rows = list(head)
        for row, cells in enumerate(canvas.spans()):
            if gutter:
                edge = art["tick"] if row in y_labels else art["left"]
                cells = [Span(y_labels.get(row, "").rjust(gutter - 2) + " ", "label"), Span(edge, "axis"), *cells]
            rows.append([*cells, labels[row]] if names else cells)
        if foot_rows:
            beside = [Span(" " * names, "canvas")] if names else []
            rows.extend([*row, *beside] for row in self._foot(columns, foot_rows, events).spans(gutter))
        if sight.blank:
            return Drawing(self.width, rows)
        axes = sight.x, sight.y, sight.whole_x, sight.whole_y
        return Drawing(self.width, rows, *axes, gutter, len(head), columns, lines)

    def _write_values(self, canvas: Canvas, entries: list[Entry], cross: float) -> None:
        """The values at the crosshair in a box on its far side, where there is no room for them above."""
        width = canvas.width * 2 // 3
        if width < _BOX or not canvas.height:
            return
        left = self.sight.x.place(cross) > 0.5
        for row, span in enumerate(value_box(entries, width, canvas.height, ascii_only=self.ink == "ascii")):
            canvas.put(row, 0 if left else canvas.width - width_of(span.text), span.text, span.role)

    # --- words ---

    def _head(self, title: str) -> tuple[list[list[Span]], int, list[Entry]]:
        """The lines above the curves, columns for names at their ends, and what those say."""
        ascii_only, cross = self.ink == "ascii", self.sight.view.cross
        most = 0 if self.height < 4 else 1 if self.height < 8 else max(2 if self.height < 10 else 3, self.height // 6)
        notes = self.sight.notes(", " if ascii_only else " \u00b7 ")
        last = [self._entry(index, curve) for index, curve in self._named]
        head = header(title, notes, last, self.width, most, ascii_only=ascii_only)
        names = self._names_width(last) if len(head) > 1 else 0
        if names:
            head = header(title, notes, (), self.width, 1, ascii_only=ascii_only)
        if cross is None or self.sight.blank:
            return head, names, last
        entries = [self._entry(index, curve, cross) for index, curve in self._named]
        if not names:
            head = header(title, notes, entries, self.width, most, ascii_only=ascii_only, rows=len(head))
        return head, names, entries

    @property
    def _named(self) -> list[tuple[int, Curve]]:
        """Looks and curves in the order in which they are named: of many the one on top first, which must find room."""
        pairs = list(zip(self.sight.looks, self.sight.curves, strict=True))
        return pairs if len(pairs) < _MANY else sorted(pairs, key=lambda pair: pair[0] != self.sight.view.top)

    def _entry(self, index: int, curve: Curve, cross: float | None = None) -> Entry:
        """What is said of a curve: its last value, or that at the crosshair."""
        series = curve.series
        # The first curve is a plain line; the others carry their marks.
        sample = mark_of(index, self.ink) if index or self.ink == "ascii" else "\u2500"
        name, value = clean_line(series.name, ascii_only=self.ink == "ascii"), last_value(series)
        smoothed = place = ""
        if cross is not None and (point := self.sight.at(curve, cross)) is not None:
            value = written(series, point.y)
            if point.smoothed is not None:
                smoothed = f"(~{series.write(point.smoothed)})"
            place = f"@{self._write_x(point.x)}" if point.x != cross else ""
        return Entry(f"series{index}", sample, name, value, smoothed, place)

    def _write_x(self, x: float) -> str:
        return self.axis.write(x) if self.axis else format_step(x)

    def _gaps(self) -> list[Mark]:
        """Where values are not finite, one of many in a row."""
        curves = self.sight.curves
        return [
            Mark(x, f"{clean_line(curve.series.name)} is not finite" if len(curves) > 1 else "not finite", "nonfinite")
            for curve in curves
            for x in curve.gaps[:: max(1, len(curve.gaps) // (4 * self.width))]
        ]

    def _names_width(self, entries: list[Entry]) -> int:
        """Columns for names at the ends of the curves: where there are several curves, and room."""
        if len(entries) < 3 or self.sight.blank or self.height < min(len(entries), 12) + 5:
            return 0
        needed = min(max(width_of(entry.text("value")) for entry in entries) + 2, self.width // 3)
        return needed if self.width - needed >= 60 else 0

    def _ends(self, entries: list[Entry]) -> list[tuple[float, Entry]]:
        """For each curve how high its last point lies that is seen, 0 to 1."""
        sight = self.sight
        found = []
        for entry, (_, curve) in zip(entries, self._named, strict=True):
            last = curve.last(*sight.lines(curve), sight.x, sight.y.log)
            found.append((0.0 if last is None else sight.y.place(last), entry))
        return found

    def _x_ticks(self, most: int) -> list[tuple[float, str]]:
        x = self.sight.x
        if self.sight.blank:
            return []
        if self.axis is not None:
            return self.axis.ticks(x.low, x.high, most, log=x.log)
        return round_places(x.low, x.high, most, log=x.log, whole=True)

    def _foot(self, columns: int, rows: int, events: dict[int, list[Mark]]) -> Foot:
        x, view = self.sight.x, self.sight.view
        foot = Foot(columns, rows, self.ink, view.focused)
        foot.write(self.x_label, self._x_ticks, x)
        if self.sight.blank:
            return foot
        foot.events(events)
        if view.chosen:
            foot.chosen(*(x.near(place, columns) for place in view.chosen))
        if view.cross is not None and x.holds(view.cross):
            column = x.near(view.cross, columns)
            foot.cross(column, self._write_x(view.cross), said(events, column))
        return foot


_SGR = {
    "title": "1",
    "axis": "2",
    "label": "2",
    "empty": "2",
    "legend": "2",
    "note": "2",
    "mark": "2",
    "cross": "1",
    "hair": "2",
}
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
