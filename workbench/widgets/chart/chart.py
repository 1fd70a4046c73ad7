"""Curves on the screen: drawn again only when there are new points, another size or another look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from craft.text import shorten
from workbench.actions import bindings_of

if TYPE_CHECKING:
    from craft.analysis.plots import Drawing, Mark, Series

SERIES_LOOKS = 8


class Chart(Widget, can_focus=True):
    """One plot of any number of series."""

    BINDINGS = bindings_of("chart")
    COMPONENT_CLASSES = {
        "chart--title",
        "chart--axis",
        "chart--label",
        "chart--legend",
        "chart--empty",
        "chart--canvas",
        "chart--mark",
        "chart--cross",
        "chart--raw",
        "chart--band",
        "chart--quiet",
        "chart--live",
        "chart--good",
        "chart--warn",
        "chart--bad",
        *(f"chart--series{index}" for index in range(SERIES_LOOKS)),
    }

    log_x: reactive[bool] = reactive(False)
    log_y: reactive[bool] = reactive(False)
    smoothing: reactive[float] = reactive(0.0)
    """Weight of the past in an exponential average, 0 (none) to below 1."""
    robust: reactive[bool] = reactive(False)
    """Whether a few far-off values are left out of the range of y."""

    class Pointed(Message):
        """The crosshair is at a place on the x axis, or nowhere: other charts of the same axis may follow."""

        def __init__(self, chart: Chart, x: float | None) -> None:
            super().__init__()
            self.chart, self.x = chart, x

    class Ranged(Message):
        """A part of the x axis was chosen, or with None all of it."""

        def __init__(self, chart: Chart, x_range: tuple[float, float] | None) -> None:
            super().__init__()
            self.chart, self.x_range = chart, x_range

    def __init__(self, *, ascii_only: bool, name: str | None = None, id: str | None = None) -> None:
        super().__init__(name=name, id=id)
        self.ascii_only = ascii_only
        self.series: Sequence[Series] = ()
        self.title = self.x_label = self.empty = ""
        self.marks: Sequence[Mark] = ()
        self.note = ("", "")
        self._drawing: Drawing | None = None
        self._drawn_for: tuple[object, ...] = ()

    def show(
        self,
        series: Sequence[Series],
        *,
        title: str = "",
        x_label: str = "step",
        marks: Sequence[Mark] = (),
        empty: str = "no points yet",
        note: tuple[str, str] = ("", ""),
    ) -> None:
        """Show curves. `empty` is said while there are no points; `note` (text, tone) stands above the plot. The same
        objects again cost nothing."""
        asked = (series, title, x_label, marks, empty, note)
        if asked != (self.series, self.title, self.x_label, self.marks, self.empty, self.note):
            self.series, self.title, self.x_label, self.marks, self.empty, self.note = asked
            self._drawn_for = ()
            self.refresh()

    def point_at(self, x: float | None) -> None:
        """Put the crosshair at a place of the x axis, or away; nothing is posted."""

    def set_range(self, x_range: tuple[float, float] | None) -> None:
        """Show a part of the x axis, or all of it; nothing is posted."""

    def _draw(self) -> Drawing | None:
        width, height = self.size.width, self.size.height - bool(self.note[0])
        key = (width, height, self.log_y)
        if key != self._drawn_for:
            self._drawn_for = key
            self._drawing = self._fresh(width, height)
        return self._drawing

    def _fresh(self, width: int, height: int) -> Drawing | None:
        if width < 4 or height < 2:
            return None
        from craft.analysis.plots import draw_plot

        return draw_plot(
            self.series,
            width=width,
            height=height,
            title=shorten(self.title, max(width // 2, 8), ascii_only=self.ascii_only),
            x_label=self.x_label,
            ink="ascii" if self.ascii_only else "braille",
            log_y=self.log_y,
            empty=self.empty,
        )

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        text, tone = self.note
        if text:
            if y == 0:
                said = shorten(text, width, ascii_only=self.ascii_only)
                return Strip([Segment(said, self._look(tone))]).adjust_cell_length(width, self.rich_style)
            y -= 1
        drawing = self._draw()
        if drawing is None or y >= len(drawing.rows):
            return Strip.blank(width, self.rich_style)
        segments = [Segment(span.text, self._look(span.role)) for span in drawing.rows[y]]
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _look(self, role: str) -> Style:
        if role.startswith("series"):
            role = f"series{int(role.removeprefix('series')) % SERIES_LOOKS}"
        return self.get_component_rich_style(f"chart--{role or 'quiet'}")
