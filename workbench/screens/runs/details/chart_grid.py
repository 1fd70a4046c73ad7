"""Charts beside and below each other, as many as fit; crosshair, range, smoothing and axes go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual import events, on
from textual.containers import Container
from textual.message import Message

from craft.analysis.axes import Axis
from craft.analysis.plots import Mark, Series
from workbench.screens.runs.details.panels import Panel
from workbench.widgets.chart.chart import Chart

_CHART_WIDTH, _CHART_HEIGHT = 52, 11
_MOST_COLUMNS, _MOST_ROWS = 4, 4
_TOGETHER = ("log_x", "smoothing", "robust")
"""What all charts have alike; `log_y` is each chart's own."""


class ChartGrid(Container):
    """A page of charts. `Turned` is posted when another number of them fits."""

    class Turned(Message):
        """Other charts are seen now."""

    class Changed(Message):
        """A chart was given another look, which the others took too."""

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self.ascii_only = ascii_only
        self.panels: Sequence[Panel] = ()
        self.page = 0
        self.alone: str | None = None
        """The key of the one chart that has all the room."""
        self.log_y: set[str] = set()
        self.looks: dict[str, float | bool] = {"log_x": False, "smoothing": 0.0, "robust": True}
        self._charts: list[Chart] = []
        self._range: tuple[float, float] | None = None

    # --- which charts are seen ---

    @property
    def _fit(self) -> tuple[int, int]:
        """Columns and rows."""
        if self.alone is not None:
            return 1, 1
        columns = max(1, min(_MOST_COLUMNS, self.size.width // _CHART_WIDTH))
        rows = max(1, min(_MOST_ROWS, self.size.height // _CHART_HEIGHT))
        count = max(len(self.panels), 1)
        columns = min(columns, count)
        # Rows that would stand half empty are spread evenly instead.
        rows = min(rows, -(-count // columns))
        return min(columns, -(-count // rows)), rows

    @property
    def per_page(self) -> int:
        """Charts that fit."""
        columns, rows = self._fit
        return columns * rows

    @property
    def pages(self) -> int:
        """Pages that there are."""
        return max(1, -(-len(self.panels) // self.per_page))

    @property
    def seen(self) -> Sequence[Panel]:
        """The charts of this page."""
        if self.alone is not None:
            return [panel for panel in self.panels if panel.key == self.alone]
        first = self.page * self.per_page
        return self.panels[first : first + self.per_page]

    def take_panels(self, panels: Sequence[Panel]) -> None:
        """Take these charts; what is seen of them follows from the room there is."""
        before = [panel.key for panel in self.seen]
        self.panels = panels
        if self.alone is not None and all(panel.key != self.alone for panel in panels):
            self.alone = None
        self._place()
        if [panel.key for panel in self.seen] != before:
            self.post_message(self.Turned())

    def turn(self, by: int) -> None:
        """Another page, or while a chart stands alone another chart."""
        if self.alone is not None:
            keys = [panel.key for panel in self.panels]
            self.alone = keys[(keys.index(self.alone) + by) % len(keys)]
        else:
            self.page = (self.page + by) % self.pages
        self._place()
        self.post_message(self.Turned())

    def enlarge(self) -> None:
        """Give the focused chart all the room, or share it again."""
        panel = self.focused_panel
        if self.alone is not None:
            key, self.alone = self.alone, None
            keys = [one.key for one in self.panels]
            self.page = keys.index(key) // self.per_page if key in keys else 0
        elif panel is not None:
            self.alone = panel.key
        self._place()
        self.post_message(self.Turned())
        if self._charts and panel is not None:
            seen = list(self.seen)
            self._charts[seen.index(panel) if panel in seen else 0].focus()

    def share_again(self) -> bool:
        """All charts, where one stood alone; whether one did."""
        if self.alone is None:
            return False
        self.enlarge()
        return True

    @property
    def focused_panel(self) -> Panel | None:
        """The chart that has the keyboard, else the first."""
        seen = self.seen
        at = next((place for place, chart in enumerate(self._charts) if chart.has_focus), 0)
        return seen[at] if at < len(seen) else None

    def _place(self) -> None:
        """As many chart widgets as are seen; those that are not needed wait unseen."""
        self.page = min(self.page, self.pages - 1)
        columns, rows = self._fit
        self.styles.grid_size_columns, self.styles.grid_size_rows = columns, rows
        seen = self.seen
        while len(self._charts) < len(seen):
            chart = Chart(ascii_only=self.ascii_only)
            for name, value in self.looks.items():
                chart.set_reactive(getattr(Chart, name), value)
            self._charts.append(chart)
            self.mount(chart)
        left_over = columns * rows - len(seen)
        for place, chart in enumerate(self._charts):
            chart.display = place < len(seen)
            # What no chart fills goes to the first.
            chart.styles.column_span = 1 + left_over if place == 0 and left_over < columns else 1
            if place < len(seen):
                chart.log_y = seen[place].key in self.log_y

    def on_resize(self, event: events.Resize) -> None:
        before = sum(chart.display for chart in self._charts)  # `seen` goes by the new size already
        self._place()
        if len(self.seen) != before:
            self.post_message(self.Turned())

    # --- what they show ---

    def show(
        self,
        curves: Mapping[str, Sequence[Series]],
        marks: Sequence[Mark],
        axis: Axis,
        empty: str,
        note: tuple[str, str],
        *,
        live: bool,
    ) -> None:
        """Give each chart that is seen its curves; a chart draws again only what changed."""
        for place, (panel, chart) in enumerate(zip(self.seen, self._charts, strict=False)):
            if panel.key not in curves:
                continue
            if chart.x_range != self._range:
                chart.set_range(self._range)
            chart.show(
                curves[panel.key],
                title=panel.title,
                x_label=axis.label,
                marks=marks,
                empty=empty,
                note=note if place == 0 else ("", ""),
                axis=axis,
                live=live,
            )

    def clear(self) -> None:
        """Another run: no chart keeps the one before's curves or place."""
        self._range, self.alone, self.page = None, None, 0
        for chart in self._charts:
            chart.show((), empty="reading ...")
            chart.set_range(None)
            chart.point_at(None)

    def show_whole(self) -> None:
        """The whole range of x, in all charts."""
        self._range = None
        for chart in self._charts:
            chart.set_range(None)

    # --- what they share ---

    @on(Chart.Pointed)
    def _point(self, message: Chart.Pointed) -> None:
        message.stop()
        for chart in self._charts:
            if chart is not message.chart:
                chart.point_at(message.x)

    @on(Chart.Ranged)
    def _zoom(self, message: Chart.Ranged) -> None:
        message.stop()
        self._range = message.x_range
        for chart in self._charts:
            if chart is not message.chart:
                chart.set_range(message.x_range)

    @on(Chart.Relooked)
    def _look_alike(self, message: Chart.Relooked) -> None:
        """One chart is looked at otherwise: the others too."""
        message.stop()
        self.looks = {name: getattr(message.chart, name) for name in _TOGETHER}
        for chart in self._charts:
            for name, value in self.looks.items():
                setattr(chart, name, value)
        for panel, chart in zip(self.seen, self._charts, strict=False):
            (self.log_y.add if chart.log_y else self.log_y.discard)(panel.key)
        self.post_message(self.Changed())
