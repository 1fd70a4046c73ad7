"""What the mouse does in a chart: moving shows values, a click keeps the crosshair, dragging chooses a part to look at
or moves the picture, the wheel zooms."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from textual import events
from textual.widget import Widget

from craft.text import width_of
from workbench.widgets.chart.moving import Moving
from workbench.widgets.chart.picture import Range

if TYPE_CHECKING:
    from craft.analysis.plots import View

_CLICK = 2  # columns that a mouse may move in a click
_WHEEL = 0.8
"""What is left of an axis after one step of the wheel."""
_SLIDE = 0.1
"""The part of it that a step sideways moves."""


class Mouse(Moving):
    """A picture that the mouse moves."""

    names_act = False
    """Whether a click on a curve's name is posted by `named`."""

    def named(self, look: int, *, alone: bool) -> None:
        """The name of a curve was clicked here; `alone`: with shift."""

    def _name_at(self, event: events.MouseEvent) -> int | None:
        """The look of the curve whose name stands there, above the curves or at their ends."""
        drawing = self.drawing
        column, row = self._column(event), int(event.y) - self.gutter.top - self._note_rows
        if drawing is None or not 0 <= row < len(drawing.rows):
            return None
        if 0 <= row - drawing.top < drawing.lines and column < drawing.left + drawing.columns:
            return None
        for span in drawing.rows[row]:
            column -= width_of(span.text)
            if column < 0:
                return int(span.role.removeprefix("series")) if span.role.startswith("series") else None
        return None

    _grip: tuple[int, Range | None] | None = None
    """While a button is down: its column, and the range to move, or None while a part is chosen."""

    def view(self) -> View:
        """Without the crosshair while a part is chosen: its two ends are lines enough."""
        view = super().view()
        return replace(view, cross=None) if self._grip is not None and self.chosen is not None else view

    def action_show_all(self) -> None:
        """Show everything again."""
        if self.y_range is not None:
            self.choose_y(None)
        self.choose(None)

    def _column(self, event: events.MouseEvent) -> int:
        return int(event.x) - self.gutter.left

    def _snapped(self, column: int) -> float | None:
        """The x of the point nearest to a column."""
        from workbench.widgets.chart.ranging import x_at

        drawing = self.drawing
        if drawing is None or drawing.x is None or (place := x_at(drawing, column)) is None:
            return None
        x = drawing.x
        target = x.place(place)
        found = [near for curve in self.curves if (near := curve.nearest(place, x)) is not None and x.holds(near)]
        return min(found, key=lambda near: abs(x.place(near) - target), default=None)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if self.names_act and (look := self._name_at(event)) is not None:
            event.stop()
            self.named(look, alone=event.shift)
            return
        if event.button not in (1, 2) or self.drawing is None or self.drawing.x is None:
            return
        shown = self.drawing.x
        moves = event.shift or event.button == 2
        self._grip = (self._column(event), (shown.low, shown.high) if moves else None)
        self.capture_mouse()
        event.stop()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        column = self._column(event)
        if self._grip is None:
            self.point(self._snapped(column), keep=False)
            return
        event.stop()
        start, moving = self._grip
        drawing = self.drawing
        if drawing is None or drawing.x is None or drawing.whole_x is None:
            return
        if moving is not None:
            from craft.analysis.scales import Scale
            from workbench.widgets.chart.ranging import panned

            by = (start - column) / max(drawing.columns, 1)
            self.choose(panned(Scale(*moving, drawing.x.log), drawing.whole_x, by))
        elif abs(column - start) >= _CLICK or self.chosen is not None:
            from workbench.widgets.chart.ranging import x_at

            first, last = x_at(drawing, min(start, column)), x_at(drawing, max(start, column))
            if first is not None and last is not None and (first, last) != self.chosen:
                self.chosen = (first, last)
                self.draw_again()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        if self._grip is None:
            return
        event.stop()
        self.release_mouse()
        (start, moving), self._grip = self._grip, None
        chosen, self.chosen = self.chosen, None
        if moving is not None:
            return
        self.draw_again()
        if chosen is not None and abs(self._column(event) - start) >= _CLICK:
            self._anchor = None
            self.choose(chosen)
        else:
            self.point(self._snapped(start))

    def on_click(self, event: events.Click) -> None:
        if event.chain == 2:
            self.action_show_all()

    def on_leave(self, event: events.Leave) -> None:
        if self._grip is None:
            self.point(self._pinned, keep=False)

    def _on_wheel(self, event: events.MouseEvent, factor: float) -> None:
        """Zoom. On a page that scrolls the wheel is the page's, but in the chart that has the focus, or with ctrl."""
        drawing = self.drawing
        if drawing is None or drawing.x is None:
            return
        if not (self.has_focus or event.ctrl) and any(
            isinstance(one, Widget) and one.allow_vertical_scroll for one in self.ancestors
        ):
            return
        from workbench.widgets.chart.ranging import x_place, y_place

        event.stop()
        event.prevent_default()
        column, row = self._column(event), int(event.y) - self.gutter.top - self._note_rows
        if event.shift:
            self.pan(_SLIDE if factor > 1 else -_SLIDE)
        elif column < drawing.left:
            self.zoom_y(factor, y_place(drawing, row))
        else:
            self.zoom(factor, x_place(drawing, column))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._on_wheel(event, _WHEEL)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._on_wheel(event, 1 / _WHEEL)

    def on_mouse_scroll_left(self, event: events.MouseScrollLeft) -> None:
        if self.has_focus:
            self.pan(-_SLIDE)
            event.stop()

    def on_mouse_scroll_right(self, event: events.MouseScrollRight) -> None:
        if self.has_focus:
            self.pan(_SLIDE)
            event.stop()
