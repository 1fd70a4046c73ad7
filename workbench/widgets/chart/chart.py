"""A plot that keys and mouse move over and look into. What works is listed in `workbench.actions.chart`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.message import Message

from workbench.actions import bindings_of
from workbench.widgets.chart.mouse import Mouse
from workbench.widgets.chart.picture import Range

if TYPE_CHECKING:
    from craft.analysis.axes import Axis
    from craft.analysis.plots import Mark, Series
    from workbench.bench import Bench

_ZOOM = 0.5
"""What is left of an axis after one step of zooming."""
_PAN = 0.25
"""The part of it that one step moves."""
_ZOOMED = ("zoom_out", "show_all", "pan_left", "pan_right")


class Chart(Mouse, can_focus=True):
    """One plot of any number of series, as small as 20 by 5 cells.

    Several of one x axis are held together by their messages: `Pointed` goes to the others' `point_at`, `Ranged` to
    their `set_range`, and `Relooked` says that a key changed how this one is looked at.
    """

    app: Bench
    BINDINGS = bindings_of("chart")
    ALLOW_SELECT = False  # dragging chooses a part of the axis

    class Pointed(Message):
        """The crosshair is at a place on the x axis, or nowhere: other charts of the same axis may follow."""

        def __init__(self, chart: Chart, x: float | None) -> None:
            super().__init__()
            self.chart, self.x = chart, x

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Chart.Pointed) and message.chart is self.chart

    class Ranged(Message):
        """A part of the x axis was chosen, or with None all of it."""

        def __init__(self, chart: Chart, x_range: Range | None) -> None:
            super().__init__()
            self.chart, self.x_range = chart, x_range

    class Relooked(Message):
        """Its log axes, smoothing or robust range were changed by a person."""

        def __init__(self, chart: Chart) -> None:
            super().__init__()
            self.chart = chart

    class Named(Message):
        """The name of a curve was clicked; `alone`: only this one is meant to stay."""

        def __init__(self, look: int, alone: bool) -> None:
            super().__init__()
            self.look, self.alone = look, alone

    def named(self, look: int, *, alone: bool) -> None:
        self.post_message(self.Named(look, alone))

    def pointed(self, x: float | None) -> None:
        self.post_message(self.Pointed(self, x))

    def ranged(self, x_range: Range | None) -> None:
        self.post_message(self.Ranged(self, x_range))

    def show(
        self,
        series: Sequence[Series],
        *,
        title: str = "",
        x_label: str = "step",
        marks: Sequence[Mark] = (),
        empty: str = "no points yet",
        note: tuple[str, str] = ("", ""),
        axis: Axis | None = None,
        live: bool = False,
    ) -> None:
        """Show curves, to which points still come where they are `live`. `empty` is said while there are no points;
        `note` (text, tone) stands above the plot; `axis`, one of `craft.analysis.axes.AXES`, says how places are
        written, and is found by `x_label` when not given. The same objects again cost nothing. A range that ends at the
        newest point moves with it."""
        from craft.analysis.axes import AXES

        axis = axis or next((one for one in AXES.values() if x_label in (one.name, one.label)), None)
        other_axis = (axis or x_label) != (self.axis or self.x_label)
        newest = self._newest()
        if not self.put(series, title, x_label, marks, empty, note, axis, live):
            return
        if other_axis or not series:  # another run, or another measure: no place on the old axis means anything
            self.x_range = self.y_range = self.cross = self._pinned = self._anchor = self.chosen = None
        elif self.x_range is not None and newest is not None and (now := self._newest()) is not None:
            from workbench.widgets.chart.ranging import followed

            moved = followed(self.x_range, newest, now)
            if moved != self.x_range:
                self.x_range = moved
                self.ranged(moved)

    def _newest(self) -> float | None:
        ends = [one.xs[-1] for one in self.series if len(one.xs)]
        return max((x for x in ends if x is not None and math.isfinite(x)), default=None)

    # --- keys ---

    def action_cross_right(self) -> None:
        self.go(lambda drawing: self.next_point(drawing, 1))

    def action_cross_left(self) -> None:
        self.go(lambda drawing: self.next_point(drawing, -1))

    def action_cross_first(self) -> None:
        self.go(lambda drawing: self.outermost(drawing, -1))

    def action_cross_last(self) -> None:
        self.go(lambda drawing: self.outermost(drawing, 1))

    def action_next_event(self) -> None:
        self.go(lambda drawing: self.next_event(drawing, 1))

    def action_previous_event(self) -> None:
        self.go(lambda drawing: self.next_event(drawing, -1))

    def action_choose_range(self) -> None:
        if self.cross is None:
            self.action_cross_last()
        if self._anchor is None:
            self._anchor = self.cross
            self.chosen = None if self.cross is None else (self.cross, self.cross)
            self.draw_again()
        else:
            chosen, self._anchor, self.chosen = self.chosen, None, None
            self.draw_again()
            if chosen is not None and chosen[0] < chosen[1]:
                self.choose(chosen)
        self.refresh_bindings()

    def action_zoom_in(self) -> None:
        self.zoom(_ZOOM)

    def action_zoom_out(self) -> None:
        self.zoom(1 / _ZOOM)

    def action_zoom_in_y(self) -> None:
        self.zoom_y(_ZOOM)

    def action_zoom_out_y(self) -> None:
        self.zoom_y(1 / _ZOOM)

    def action_pan_left(self) -> None:
        self.pan(-_PAN)

    def action_pan_right(self) -> None:
        self.pan(_PAN)

    def action_pan_up(self) -> None:
        self.pan_y(_PAN)

    def action_pan_down(self) -> None:
        self.pan_y(-_PAN)

    def action_leave(self) -> None:
        """One level back: the range being chosen, the crosshair, the zoom."""
        if self._anchor is not None or self.chosen is not None:
            self._anchor = self.chosen = None
            self.draw_again()
            self.refresh_bindings()
        elif self.cross is not None:
            self.point(None)
        else:
            self.action_show_all()

    # --- looks ---

    def action_toggle_log_x(self) -> None:
        self.log_x = not self.log_x
        self.post_message(self.Relooked(self))

    def action_toggle_log_y(self) -> None:
        self.log_y = not self.log_y
        self.post_message(self.Relooked(self))

    def action_toggle_smoothing(self) -> None:
        from craft.analysis.smoothing import LIGHT, STRONG

        levels = (0.0, LIGHT, STRONG)
        place = levels.index(self.smoothing) if self.smoothing in levels else -1
        self.smoothing = levels[(place + 1) % len(levels)]
        self.post_message(self.Relooked(self))

    def action_toggle_robust(self) -> None:
        self.robust = not self.robust
        self.post_message(self.Relooked(self))

    def action_copy_values(self) -> None:
        """Copy what the crosshair shows, or without one all that is on the screen."""
        from workbench.widgets.chart import values

        drawing = self.drawing
        if drawing is None or drawing.x is None:
            return
        label = self.axis.name if self.axis else self.x_label
        if self.cross is not None:
            text, what = values.at_place(self.curves, drawing.x, self.cross, label), "the values at the crosshair"
        else:
            text, what = values.on_screen(self.curves, drawing.x, label), "the points on the screen"
        self.app.copy(text, what)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in _ZOOMED:
            return self.x_range is not None or (action == "show_all" and self.y_range is not None)
        if action in ("pan_up", "pan_down", "zoom_out_y"):
            return self.y_range is not None
        if action in ("next_event", "previous_event"):
            return bool(self.marks)
        if action == "leave":
            return any(one is not None for one in (self._anchor, self.chosen, self.cross, self.x_range, self.y_range))
        return True
