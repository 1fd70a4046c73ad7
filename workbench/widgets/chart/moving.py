"""Where the crosshair stands and which part of the axes is shown, whatever moves them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.widgets.chart.picture import Picture, Range

if TYPE_CHECKING:
    from craft.analysis.plots import Drawing
    from craft.analysis.scales import Scale


class Moving(Picture):
    """A picture with a crosshair and with ranges. Those who move it post what they did by `pointed` and `ranged`."""

    def __init__(self, *, ascii_only: bool, name: str | None = None, id: str | None = None) -> None:
        super().__init__(ascii_only=ascii_only, name=name, id=id)
        self._pinned: float | None = None
        """Where the crosshair goes back to when the mouse leaves."""
        self._anchor: float | None = None
        """Where a range that keys choose begins."""

    def pointed(self, x: float | None) -> None:
        """The crosshair was moved here."""

    def ranged(self, x_range: Range | None) -> None:
        """A part of the x axis was chosen here."""

    def point_at(self, x: float | None) -> None:
        """Put the crosshair at a place of the x axis, or away; nothing is posted."""
        if x != self.cross:
            self.cross = x
            self.draw_again()

    def set_range(self, x_range: Range | None) -> None:
        """Show a part of the x axis, or all of it; nothing is posted."""
        if x_range != self.x_range:
            self.x_range = x_range
            self.draw_again()
            self.refresh_bindings()

    # --- crosshair ---

    def point(self, x: float | None, *, keep: bool = True) -> None:
        if keep:
            self._pinned = x
        if x != self.cross:
            self.cross = x
            if self._anchor is not None and x is not None:
                self.chosen = (min(self._anchor, x), max(self._anchor, x))
            self.draw_again()
            self.pointed(x)
        if keep:
            self.refresh_bindings()

    def go(self, find: Callable[[Drawing], float | None], *, keep: bool = True) -> None:
        """Put the crosshair where `find` says, and move the picture there."""
        drawing = self.drawing
        if drawing is None or drawing.x is None:
            return
        place = find(drawing)
        if place is None:
            return
        shown, whole = drawing.x, drawing.whole_x
        if whole is not None and not shown.holds(place) and self.x_range is not None:
            from workbench.widgets.chart.ranging import within

            # As little as brings it in, and a tenth more, so that it does not stick to the edge.
            by = shown.place(place)
            by = by - 0.1 if by < 0 else by - 0.9
            self.choose(within(shown.moved(by), whole))
        self.point(place, keep=keep)

    def next_point(self, drawing: Drawing, step: int) -> float | None:
        """The next point of any curve; of many in one column the first one beyond it."""
        x = drawing.x
        assert x is not None
        if self.cross is None:
            return self.outermost(drawing, 1)
        column = x.near(self.cross, drawing.columns)

        def beyond(place: float) -> float | None:
            found = [near for curve in self.curves if (near := curve.next(place, step)) is not None]
            found = [near for near in found if not x.log or near > 0]
            return (min(found) if step > 0 else max(found)) if found else None

        place = beyond(self.cross)
        if place is not None and x.holds(place) and x.near(place, drawing.columns) == column:
            edge = x.value((column + (step > 0)) / drawing.columns)
            further = beyond(math.nextafter(edge, -math.inf if step > 0 else math.inf))
            return place if further is None else further
        return place

    def outermost(self, drawing: Drawing, side: int) -> float | None:
        """The last point of any curve, or with -1 the first."""
        log = drawing.x is not None and drawing.x.log
        beyond = math.inf if side > 0 else 0.0 if log else -math.inf
        found = [near for curve in self.curves if (near := curve.next(beyond, -side)) is not None]
        found = [near for near in found if not log or near > 0]
        return (max(found) if side > 0 else min(found)) if found else None

    def next_event(self, drawing: Drawing, step: int) -> float | None:
        whole = drawing.whole_x
        places = sorted({mark.x for mark in self.marks if whole is not None and whole.holds(mark.x)})
        here = self.cross if self.cross is not None else -math.inf * step
        beyond = [x for x in places if (x > here if step > 0 else x < here)]
        return (beyond or places)[0 if step > 0 else -1] if places else None

    # --- ranges ---

    def choose(self, x_range: Range | None) -> None:
        if x_range != self.x_range:
            self.set_range(x_range)
            self.ranged(x_range)

    def _part(self, drawing: Drawing) -> Scale | None:
        """The part of the x axis that is asked for, which a drawing under way may not show yet."""
        from craft.analysis.scales import Scale

        if self.x_range is None or drawing.x is None:
            return drawing.whole_x
        return Scale(*self.x_range, drawing.x.log) if self.x_range[0] > 0 or not drawing.x.log else drawing.x

    def zoom(self, factor: float, around: float | None = None) -> None:
        from workbench.widgets.chart.ranging import zoomed

        drawing = self.drawing
        if drawing is None or (shown := self._part(drawing)) is None or drawing.whole_x is None:
            return
        if around is None:
            around = shown.place(self.cross) if self.cross is not None and shown.holds(self.cross) else 0.5
        self.choose(zoomed(shown, drawing.whole_x, factor, around))

    def zoom_y(self, factor: float, around: float = 0.5) -> None:
        from workbench.widgets.chart.ranging import zoomed

        drawing = self.drawing
        if drawing is not None and drawing.y is not None and drawing.whole_y is not None:
            self.choose_y(zoomed(drawing.y, drawing.whole_y, factor, around))

    def choose_y(self, y_range: Range | None) -> None:
        self.y_range = y_range
        self.draw_again()
        self.refresh_bindings()

    def pan(self, by: float) -> None:
        from workbench.widgets.chart.ranging import panned

        drawing = self.drawing
        if drawing is not None and (shown := self._part(drawing)) is not None and drawing.whole_x is not None:
            self.choose(panned(shown, drawing.whole_x, by))

    def pan_y(self, by: float) -> None:
        from workbench.widgets.chart.ranging import panned

        drawing = self.drawing
        if drawing is not None and drawing.y is not None and drawing.whole_y is not None:
            self.choose_y(panned(drawing.y, drawing.whole_y, by))
