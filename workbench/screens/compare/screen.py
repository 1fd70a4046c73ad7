"""The screen `compare`: runs over each other, in what they differ, their figures, and what follows from those."""

from __future__ import annotations

import time
from typing import Any

from textual import on, work
from textual.widgets import DataTable, Input
from textual.worker import get_current_worker

from craft.analysis.axes import AXES
from workbench.actions import bindings_of
from workbench.screens.compare.choosing import SEEDS
from workbench.screens.compare.exporting import Export
from workbench.screens.compare.hiding import Hiding
from workbench.screens.compare.picker import Picker
from workbench.screens.compare.reading import Compared, Comparer, Reading, Wanted
from workbench.screens.compare.tables import FitTable
from workbench.widgets.chart.chart import Chart

_LOOKS = ("log_x", "log_y", "smoothing", "robust")
"""How the chart is looked at, which is kept."""
_SHARE = 0.05  # of one core, at most, for reading live runs


class CompareScreen(Hiding):
    """A worker reads the runs and reckons; the handlers only show what it found."""

    PLACE = "compare"
    CSS_PATH = "compare.tcss"
    BINDINGS = bindings_of("compare")

    def __init__(self) -> None:
        super().__init__()
        self._comparer = Comparer()
        self._asked: Wanted | None = None  # by the reading that is under way
        self._next_read = 0.0

    def on_mount(self) -> None:
        chart = self.query_one(Chart)
        for look in _LOOKS:
            setattr(chart, look, self.app.session.get(f"compare.{look}", getattr(chart, look)))
        self.query_one("#filter", Input).value = self.app.session.get("compare.filter", "")
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._draw_again())
        self._arrange()
        self._focus_pane()

    # --- news ---

    def show_all(self) -> None:
        """Another screen may have chosen runs, and what to see of them."""
        self._arrange()
        self._focus_pane()
        super().show_all()

    def show_runs(self) -> None:
        self._show_picker()
        seen = self._shown.wanted if self._shown else None
        if self._wanted() != seen or (time.monotonic() >= self._next_read and self._changes()):
            self.read()
        self.refresh_bindings()

    def _changes(self) -> bool:
        """Whether a run of the comparison may have changed since it was read."""
        assert self._shown is not None
        phases = {run.name: run.phase for run in self._shown.found.runs}
        return any(run.observed.is_live or phases.get(run.name) != run.phase for run in self._chosen())

    def read(self) -> None:
        """Read what is wanted now, unless that is under way."""
        wanted = self._wanted()
        if not wanted.folders:
            self._asked = None
            self.workers.cancel_group(self, "compare")
            self._comparer.forget()
            self._show(None, [])
        elif wanted != self._asked:
            self._asked = wanted
            self._read(wanted)

    @work(thread=True, group="compare", description="read", exclusive=True, exit_on_error=False)
    def _read(self, wanted: Wanted) -> None:
        worker = get_current_worker()
        began = time.monotonic()

        def tell(done: int, of: int) -> None:
            if time.monotonic() - began > 0.3:
                self.post_message(Reading(done, of))

        try:
            found = self._comparer.read(wanted, lambda: not worker.is_cancelled, tell)
        finally:
            took = time.monotonic() - began
            self._next_read = time.monotonic() + min(max(0.9, took / _SHARE), 10.0)
            if self._asked is wanted:
                self._asked = None
        if found is not None and not worker.is_cancelled:
            self.post_message(Compared(wanted, *found))

    @on(Reading)
    def _tell_reading(self, message: Reading) -> None:
        if self._asked is not None:
            self._show_look(f"   reading {message.done + 1} of {message.of}")

    @on(Compared)
    def _take(self, message: Compared) -> None:
        if message.wanted == self._wanted():
            self._show(message.shown, message.faults)
        else:
            self._comparer.forget()

    # --- keys ---

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        if not self.is_mounted:
            return True
        if action in ("export", "copy", "metric", "all_settings", "order", "turn_order", "seeds", "axis"):
            return self._shown is not None
        if action in ("log_x", "log_y", "smoothing"):
            return self._shown is not None
        if action in ("reference", "show_run"):
            name = self._run_under_cursor()
            return bool(name) and (action == "show_run" or (name in self._names and name != self._names[0]))
        if action in ("hide", "hide_others"):
            return bool(self._curves_meant())
        if action == "show_curves":
            return bool(self._hidden_looks())
        if action == "unmark_all":
            return bool(self._names)
        if action == "back":
            return isinstance(self.focused, Input) or self._pane != "runs" or self._filter is not None
        return super().check_action(action, parameters)

    def _run_under_cursor(self) -> str:
        """The run under the cursor of the list or table that has the focus; empty where there is none."""
        focused = self.focused
        if isinstance(focused, Picker) and focused.selected and focused.selected.group:
            return ""
        return next(iter(self._under_cursor()), "")

    def action_metric(self) -> None:
        if self._shown is None:
            return
        from workbench.dialogs.choose import Choice, ChooseScreen
        from workbench.screens.runs.details.metric_help import about

        names = self._shown.metrics
        at = names.index(self._shown.wanted.metric) if self._shown.wanted.metric in names else 0

        def take(name: str | None) -> None:
            if name is not None:
                self._set("metric", name)

        titles = {name: known.title for name in names if (known := about(name))}
        choices = [Choice(name, name, titles.get(name, "")) for name in names]
        self.app.push_screen(ChooseScreen("Compare by", choices, at=at), take)

    def _set(self, name: str, value: str | bool) -> None:
        """Look at the comparison in another way."""
        self.app.session.set(f"compare.{name}", value)
        self._show_look()
        self.read()

    def action_axis(self) -> None:
        names = list(AXES)
        self._set("axis", names[(names.index(self._wanted().axis) + 1) % len(names)])

    def action_seeds(self) -> None:
        self._set("seeds", SEEDS[(SEEDS.index(self._wanted().seeds) + 1) % len(SEEDS)] or "")

    def action_all_settings(self) -> None:
        self._set("every_setting", not self._wanted().every_setting)

    def action_log_y(self) -> None:
        self.query_one(Chart).action_toggle_log_y()

    def action_log_x(self) -> None:
        self.query_one(Chart).action_toggle_log_x()

    def action_smoothing(self) -> None:
        self.query_one(Chart).action_toggle_smoothing()

    @on(Chart.Relooked)
    def _keep_look(self) -> None:
        chart = self.query_one(Chart)
        for look in _LOOKS:
            self.app.session.set(f"compare.{look}", getattr(chart, look))
        self._show_look()

    def action_order(self) -> None:
        if self._shown is None:
            return
        rows = self._shown.rows
        names = ["", *(one.name for one in self._shown.found.figures if any(row.values(one) for row in rows))]
        now = self._wanted().sort or ""
        self._order_by(names[(names.index(now) + 1) % len(names)] if now in names else "")

    def _order_by(self, figure: str) -> None:
        self.app.session.set("compare.descending", "")
        self._set("sort", figure)
        self.query_one("#figures", FitTable).show_column(figure)

    def action_turn_order(self) -> None:
        if self._shown is None or not self._wanted().sort:
            return
        found = self._shown.found
        figure = next(one for one in found.figures if one.name == found.sort)
        falling = figure.mode(found.rows) == "max" if found.descending is None else found.descending
        self._set("descending", "no" if falling else "yes")

    @on(DataTable.HeaderSelected, "#figures")
    def _order_by_heading(self, event: DataTable.HeaderSelected) -> None:
        name = str(event.column_key.value)
        if name == "run":
            self._order_by("")
        elif name == self._wanted().sort:
            self.action_turn_order()
        else:
            self._order_by(name)

    def action_reference(self) -> None:
        self._measure_against(self._run_under_cursor())

    def action_unmark_all(self) -> None:
        self._choose([])

    def action_show_run(self) -> None:
        name = self._run_under_cursor()
        if name:
            self.app.show_run(name)

    @on(FitTable.Opened)
    def _open_row(self) -> None:
        self.action_show_run()

    def action_export(self) -> None:
        if self._shown is not None:
            from craft.analysis.comparison.export import Look

            chart, hidden = self.query_one(Chart), frozenset(self._hidden_looks())
            Export(self.app, self._shown, Look(chart.log_x, chart.log_y, chart.smoothing, hidden)).ask()

    def action_copy(self) -> None:
        if self._shown is not None:
            from craft.analysis.comparison.written import markdown

            self.app.copy(markdown(self._shown.found, self._shown.rows), "the comparison, as Markdown,")

    def action_back(self) -> None:
        if isinstance(self.focused, Input):
            self.query_one(Picker).focus()
        elif self._pane != "runs":
            self.action_pane("runs")
        else:
            self.query_one("#filter", Input).value = ""
