"""The panes of the screen `compare`, and which of them are seen: all where there is room, else the chart and one."""

from __future__ import annotations

from typing import Any, Literal

from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from workbench.actions import bindings_of
from workbench.screens.base import WorkbenchScreen
from workbench.screens.compare.parts_line import Part, PartsLine
from workbench.screens.compare.picker import Picker
from workbench.screens.compare.tables import FitTable
from workbench.widgets.chart.chart import Chart
from workbench.widgets.split import Split
from workbench.widgets.typed import Line

Pane = Literal["runs", "chart", "figures", "settings", "words"]
PANES: dict[Pane, str] = {"runs": "p", "chart": "c", "figures": "f", "settings": "s", "words": "w"}
"""The panes and their keys."""


class Sentences(VerticalScroll, can_focus=True):
    """What follows from the figures."""

    BINDINGS = bindings_of("compare words")


class Panes(WorkbenchScreen):
    """What stands where."""

    def compose_body(self) -> ComposeResult:
        ascii_only = self.app.ascii_only
        words = "words, or val/loss < 1.9 and lr > 1e-3"
        picker = _pane(
            "runs",
            Line(placeholder=words, id="filter", compact=True),
            Static(id="filter-fault"),
            Picker(ascii_only=ascii_only, id="picker"),
            ascii_only=ascii_only,
        )
        curves = Chart(ascii_only=ascii_only, name="compare", id="chart")
        curves.names_act = True
        chart = Vertical(
            PartsLine(ascii_only=ascii_only, id="look"),
            Static(id="nothing"),
            curves,
            id="chart-pane",
            classes="pane",
        )
        settings = _pane(
            "settings", FitTable(self._series_style, ascii_only=ascii_only, id="settings"), ascii_only=ascii_only
        )
        figures = _pane(
            "figures", FitTable(self._series_style, ascii_only=ascii_only, id="figures"), ascii_only=ascii_only
        )
        said = _pane("words", Sentences(Static(id="said"), id="words"), ascii_only=ascii_only)
        top = Split(chart, settings, name="compare.settings", share=0.64, id="top")
        tables = Split(figures, said, name="compare.words", share=0.5, stacked=True, id="tables")
        right = Split(top, tables, name="compare.tables", share=0.56, stacked=True, id="right")
        yield PartsLine(ascii_only=ascii_only, id="panes")
        yield Split(picker, right, name="compare.runs", share=0.25, id="outer")

    def _series_style(self, name: str) -> Style:
        """The colour of a curve: series0, series1, ..."""
        return Style(color=self.query_one(Chart).get_component_rich_style(f"chart--{name}").color)

    @property
    def _pane(self) -> Pane:
        """The pane that was chosen last."""
        name: Any = self.app.session.get("compare.pane", "runs")
        return name if name in PANES else "runs"

    @property
    def _is_wide(self) -> bool:
        return self.size.width >= 148 and self.size.height >= 28

    def _arrange(self) -> None:
        """All panes where there is room, else the chart and the chosen one, beside the runs where those fit."""
        wide, here = self._is_wide, self._pane
        low = self.size.height < 16
        panes = self.query_one("#panes", PartsLine)
        panes.display = not wide
        panes.show([part for name, key in PANES.items() for part in _tab(name, key, name == here)])
        shown: set[Pane] = {here} if low or here == "runs" else {here, "chart"}
        if wide:
            shown = set(PANES)
        elif self.size.width >= 120 and not low:
            shown |= {"runs", "chart", "figures"} if here == "runs" else {"runs", "chart"}
        for name in PANES:
            self.query_one(f"#{name}-pane").display = name in shown
        outer, right, top, tables = (self.query_one(f"#{name}", Split) for name in ("outer", "right", "top", "tables"))
        tables.display = bool(shown & {"figures", "words"})
        top.display = bool(shown & {"chart", "settings"})
        right.display = tables.display or top.display
        for split, pair in (
            (outer, ("runs" in shown, right.display)),
            (right, (top.display, tables.display)),
            (top, ("chart" in shown, "settings" in shown)),
            (tables, ("figures" in shown, "words" in shown)),
        ):
            split.set_class(not all(pair), "-single")
        top.stacked = not wide

    def on_resize(self, event: events.Resize) -> None:
        self._arrange()
        self.call_after_refresh(self._fit_settings)

    def _focus_pane(self) -> None:
        name = self._pane
        target: Widget = self.query_one("#picker" if name == "runs" else f"#{name}")
        target.focus()

    def action_pane(self, name: Pane) -> None:
        self.app.session.set("compare.pane", name)
        self._arrange()
        self._focus_pane()
        self.call_after_refresh(self._fit_settings)

    def _fit_settings(self) -> None:
        """Lay out anew what depends on the width."""
        raise NotImplementedError


def _pane(name: Pane, *children: Widget, ascii_only: bool) -> Vertical:
    head = PartsLine(ascii_only=ascii_only, id=f"{name}-head")
    return Vertical(head, *children, id=f"{name}-pane", classes="pane")


def _tab(name: str, key: str, here: bool) -> list[Part]:
    action = f"pane('{name}')"
    return [Part(f" {key}", "key", action), Part(f" {name} ", "here" if here else "plain", action)]
