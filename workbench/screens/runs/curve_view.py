"""The plot of the selected run. Drawn again only when there are new points, another size or another axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from craft.text import shorten

if TYPE_CHECKING:
    from craft.analysis.plots import Drawing
    from workbench.watch import Curve

_SERIES = 6


class CurveView(Widget):
    """Training and validation loss over steps."""

    COMPONENT_CLASSES = {
        "curve--title",
        "curve--axis",
        "curve--label",
        "curve--legend",
        "curve--empty",
        "curve--canvas",
        "curve--warn",
        "curve--bad",
        *(f"curve--series{index}" for index in range(_SERIES)),
    }

    log_scale: reactive[bool] = reactive(False)

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self.ascii_only = ascii_only
        self.curve: Curve | None = None
        self.empty = ""
        self.note = ("", "")
        self._drawing: Drawing | None = None
        self._drawn_for: tuple[object, ...] = ()

    def show(self, curve: Curve | None, empty: str, note: tuple[str, str] = ("", "")) -> None:
        """Show `curve`; `empty` is said while it has no points, `note` (text, tone) above it when it has."""
        # What is said of an empty plot shows only while it is empty.
        empty, note = ("", note) if curve and curve.series else (empty, ("", ""))
        if (curve, empty, note) != (self.curve, self.empty, self.note):
            self.curve, self.empty, self.note = curve, empty, note
            self.refresh()

    def _draw(self) -> Drawing | None:
        width, height = self.size.width, self.size.height - bool(self.note[0])
        key = (id(self.curve), self.empty, width, height, self.log_scale)
        if key != self._drawn_for:
            self._drawn_for = key
            self._drawing = self._fresh(width, height)
        return self._drawing

    def _fresh(self, width: int, height: int) -> Drawing | None:
        if self.curve is None or width < 4 or height < 2:
            return None
        name = shorten(self.curve.folder.name, max(width // 2, 8), ascii_only=self.ascii_only)
        damaged = self.curve.damaged
        title = f"{name}  loss" + (f"  ({damaged} damaged lines)" if damaged else "")
        from craft.analysis.plots import View, draw_plot

        return draw_plot(
            self.curve.series,
            width=width,
            height=height,
            title=title,
            x_label="step",
            ink="ascii" if self.ascii_only else "braille",
            view=View(log_y=self.log_scale),
            empty=self.empty or "no points yet",
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
            role = f"series{int(role.removeprefix('series')) % _SERIES}"
        return self.get_component_rich_style(f"curve--{role}")
