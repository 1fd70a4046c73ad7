"""A plot on the screen: drawn again only when there is something new in it, and sent only where it differs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual import work
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from craft.text import shorten, width_of

if TYPE_CHECKING:
    from craft.analysis.axes import Axis
    from craft.analysis.curves import Curve, Curves
    from craft.analysis.plots import Drawing, Mark, Series, View

LOOKS = 8
"""Colours of series; the marks go on where these begin again."""
_LONG = 20_000
"""Points that are drawn at once; of more, what was not looked at in this way before is drawn in a thread."""
_ONE_AT_A_TIME = threading.Lock()  # such a thread takes turns with the event loop: with many, it would wait for each
_LEAST_WIDTH, _LEAST_HEIGHT = 4, 2

Range = tuple[float, float]


class Picture(Widget):
    """What is shown, and how it is looked at. Keys and mouse are `Chart`'s."""

    COMPONENT_CLASSES = {
        *(
            f"chart--{look}"
            for look in (
                *("title", "focused", "axis", "label", "legend", "note", "empty", "canvas", "mark", "cross", "hair"),
                *("quiet", "live", "good", "warn", "bad"),
            )
        ),
        *(f"chart--{look}{index}" for look in ("series", "faint") for index in range(LOOKS)),
    }

    log_x: reactive[bool] = reactive(False, repaint=False)
    log_y: reactive[bool] = reactive(False, repaint=False)
    smoothing: reactive[float] = reactive(0.0, repaint=False)
    """Weight of the past in an exponential average, 0 (none) to below 1; see `craft.analysis.smoothing`."""
    robust: reactive[bool] = reactive(True, repaint=False)
    """Whether a few far-off values are left out of the range of y, and said so."""

    class LookedThrough(Message):
        """Long curves were drawn for the first time in this way."""

        def __init__(self, asked: tuple[object, ...], drawing: Drawing, curves: Curves) -> None:
            super().__init__()
            self.asked, self.drawing, self.curves = asked, drawing, curves

    def __init__(self, *, ascii_only: bool, name: str | None = None, id: str | None = None) -> None:
        super().__init__(name=name, id=id)
        self.ascii_only = ascii_only
        self.series: Sequence[Series] = ()
        self.title = self.x_label = self.empty = ""
        self.marks: Sequence[Mark] = ()
        self.note = ("", "")
        self._sizes: Sequence[int] = ()
        self.axis: Axis | None = None
        self.live = False
        """Whether points are still to come."""
        self.x_range: Range | None = None
        """The part of the x axis that is shown; None for all."""
        self.y_range: Range | None = None
        self.top: int | None = None
        """The look of the curve that lies above the others."""
        self.cross: float | None = None
        """Where the crosshair stands on the x axis."""
        self.chosen: Range | None = None
        """The part of the x axis that is being chosen."""
        self._curves: Curves | None = None
        self._looked_through: tuple[object, ...] = ()
        """The long curves, and the looks, that `_curves` knows."""
        self._under_way = False
        self._drawing: Drawing | None = None
        self._sent: Drawing | None = None
        """The plot whose lines are being sent."""
        self._strips: dict[int, Strip] = {}
        self._looks: dict[str, Style] = {}
        self._stale = True
        self.drawings = 0
        """How often it was drawn."""

    def put(
        self,
        series: Sequence[Series],
        title: str,
        x_label: str,
        marks: Sequence[Mark],
        empty: str,
        note: tuple[str, str],
        axis: Axis | None,
        live: bool,
    ) -> bool:
        """Show all this; whether anything of it is new."""
        sizes = [len(one.ys) for one in series]
        asked = (series, title, x_label, marks, empty, note, axis, live, sizes)
        shown = (self.series, self.title, self.x_label, self.marks, self.empty, self.note, self.axis, self.live)
        if asked[:-1] == shown and sizes == self._sizes:
            return False
        self.series, self.title, self.x_label, self.marks, self.empty, self.note, self.axis, self.live, self._sizes = (
            asked
        )
        self.draw_again()
        return True

    # --- drawing ---

    def draw_again(self) -> None:
        """Draw at the next chance; asked for several times, it is done once."""
        if not self._stale:
            self._stale = True
            self.call_later(self._renew)

    def _renew(self) -> None:
        before = self._drawing
        if not self._stale:
            return
        if before is None or not self.is_attached or not self.is_on_screen or self._size_of(before) != self._room():
            self._drawing = None
            self.refresh()
            return
        self._draw()
        if self._drawing is None:
            self.refresh()
        elif self._drawing is not before:
            changed = _changed(before, self._drawing, self._note_rows)
            self.refresh(*(region.translate(self.gutter.top_left) for region in changed))

    def _room(self) -> tuple[int, int]:
        return self.size.width, self.size.height - self._note_rows

    @property
    def _note_rows(self) -> int:
        return 1 if self.note[0] else 0

    @staticmethod
    def _size_of(drawing: Drawing) -> tuple[int, int]:
        return drawing.width, len(drawing.rows)

    @property
    def drawing(self) -> Drawing | None:
        """The plot with all that was asked for; None where there is no room for one."""
        self._renew()
        return self._on_screen()

    def _on_screen(self) -> Drawing | None:
        """The plot of which some lines may have been sent already."""
        if not self._fits(self._drawing):
            self._draw()
        return self._drawing if self._fits(self._drawing) else None

    def _fits(self, drawing: Drawing | None) -> bool:
        return drawing is not None and self._size_of(drawing) == self._room()

    def _draw(self) -> None:
        self._stale = False
        width, height = self._room()
        if width < _LEAST_WIDTH or height < _LEAST_HEIGHT:
            self._drawing = None
            return
        from craft.analysis.curves import Curves

        self._curves = self._curves or Curves()
        looks = (self.log_x, self.log_y, self.smoothing, self.robust, self.x_range, self.live)
        asked = (self.series, self._sizes, self._room(), *looks)
        is_short = sum(self._sizes) <= _LONG
        if is_short or asked == self._looked_through:
            self._take_drawing(self._plot()(curves=self._curves))
            self._looked_through = () if is_short else asked  # what is known is of these curves
        elif not self._under_way:  # what is seen stays until then
            self._under_way = True
            self._look_through(asked, self._plot(), self._curves.copy())

    def _take_drawing(self, drawing: Drawing) -> None:
        self._strips.clear()
        self._drawing = drawing
        self.drawings += 1

    @work(thread=True, group="chart", description="draw")
    def _look_through(self, asked: tuple[object, ...], plot: Callable[..., Drawing], curves: Curves) -> None:
        """Draw long curves beside the event loop, which draws them again from what was found out about them."""
        with _ONE_AT_A_TIME:
            drawing = plot(curves=curves)
        self.post_message(self.LookedThrough(asked, drawing, curves))

    def on_picture_looked_through(self, message: LookedThrough) -> None:
        message.stop()
        self._under_way = False
        if message.asked[:2] == (self.series, self._sizes):  # else these are the curves of another run by now
            self._looked_through, self._curves = message.asked, message.curves
            if self._fits(message.drawing):
                self._take_drawing(message.drawing)
                self.refresh()
        self.draw_again()

    def _plot(self) -> Callable[..., Drawing]:
        """How to draw what is asked for now."""
        from craft.analysis.plots import draw_plot

        width, height = self._room()
        return partial(
            draw_plot,
            self.series,
            width=width,
            height=height,
            title=shorten(self.title, max(width // 2, 8), ascii_only=self.ascii_only),
            x_label=self.axis.label if self.axis else self.x_label,
            ink="ascii" if self.ascii_only else "braille",
            view=self.view(),
            axis=self.axis,
            marks=self.marks,
            empty=self.empty,
        )

    def view(self) -> View:
        """How it is looked at now."""
        from craft.analysis.plots import View

        return View(
            log_x=self.log_x,
            log_y=self.log_y,
            x_range=self.x_range,
            y_range=self.y_range,
            live=self.live,
            robust=self.robust,
            smoothing=self.smoothing,
            cross=self.cross,
            chosen=self.chosen,
            focused=self.has_focus,
            top=self.top,
        )

    def raise_curve(self, look: int | None) -> None:
        """Draw one curve above the others, or none."""
        if look != self.top:
            self.top = look
            self.draw_again()

    @property
    def curves(self) -> list[Curve]:
        """What is known of the series; while they are looked through, of those that are still seen."""
        from craft.analysis.curves import Curves

        self._curves = self._curves or Curves()
        return self._curves.last if self._under_way else self._curves.of(self.series)

    def watch_log_x(self) -> None:
        self.draw_again()

    def watch_log_y(self) -> None:
        self.y_range = None  # chosen by eye on the other axis
        self.draw_again()

    def validate_smoothing(self, weight: float) -> float:
        return weight if 0 <= weight < 1 else 0.0

    def watch_smoothing(self) -> None:
        self.draw_again()

    def watch_robust(self) -> None:
        self.draw_again()

    def on_focus(self) -> None:
        self._looks.clear()
        self.draw_again()

    def on_blur(self) -> None:
        self._looks.clear()
        self.draw_again()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()
        self._looks.clear()

    def render_lines(self, crop: Region) -> list[Strip]:
        self._sent = self._on_screen()  # asked once, and not for each line
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        text, tone = self.note
        if text and y == 0:
            width = self.size.width
            said = shorten(text, width, ascii_only=self.ascii_only)
            return Strip([Segment(said, self._look(tone))]).adjust_cell_length(width, self.rich_style)
        drawing = self._sent
        row = y - self._note_rows
        if drawing is None or row >= len(drawing.rows):
            return Strip.blank(self.size.width, self.rich_style)
        strip = self._strips.get(row)
        if strip is None:
            segments = [Segment(span.text, self._look(span.role)) for span in drawing.rows[row]]
            strip = self._strips[row] = Strip(segments, drawing.width)
        return strip

    def _look(self, role: str) -> Style:
        known = self._looks.get(role)
        if known is None:
            name, part = role.rstrip("0123456789"), role
            if name in ("series", "raw", "band"):
                index = int(role[len(name) :]) % LOOKS
                part = f"{'series' if name == 'series' else 'faint'}{index}"
            elif role == "title" and self.has_focus:
                part = "focused"
            known = self._looks[role] = self.get_component_rich_style(f"chart--{part or 'quiet'}")
        return known


def _changed(before: Drawing, after: Drawing, top: int) -> list[Region]:
    """The cells in which two drawings of one size differ, as few regions as rows."""
    regions = []
    for y, (old, new) in enumerate(zip(before.rows, after.rows, strict=True)):
        if old == new:
            continue
        same = min(len(old), len(new))
        start = next((i for i in range(same) if old[i] != new[i]), same)
        end = next((i for i in range(1, same - start + 1) if old[-i] != new[-i]), same - start + 1) - 1
        left = sum(width_of(span.text) for span in new[:start])
        right = sum(width_of(span.text) for span in new[len(new) - end :]) if end else 0
        regions.append(Region(left, y + top, max(after.width - left - right, 1), 1))
    return regions
