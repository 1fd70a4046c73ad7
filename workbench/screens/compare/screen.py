"""The screen `compare`: runs over each other, in what they differ, their figures, and what follows from those."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

from rich.style import Style
from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import DataTable, Input, Static
from textual.worker import get_current_worker

from craft.analysis.axes import AXES
from craft.text import clean, clean_line
from workbench.actions import bindings_of
from workbench.screens.base import WorkbenchScreen
from workbench.screens.compare.exporting import Export
from workbench.screens.compare.filtering import Filtered, FilterRan, filtered
from workbench.screens.compare.parts_line import Part, PartsLine
from workbench.screens.compare.picker import Picker
from workbench.screens.compare.reading import Compared, Comparer, Reading, Shown, Wanted
from workbench.screens.compare.tables import FitTable, figure_cells, setting_cells
from workbench.widgets.chart.chart import Chart
from workbench.widgets.chart.picture import LOOKS
from workbench.widgets.split import Split

if TYPE_CHECKING:
    from craft.analysis.comparison.seeds import Spread
    from craft.runs.store import RunSummary

Pane = Literal["runs", "chart", "figures", "settings", "words"]
PANES: dict[Pane, str] = {"runs": "p", "chart": "c", "figures": "f", "settings": "s", "words": "w"}
"""The panes and their keys."""
SEEDS: tuple[Spread | None, ...] = (None, "range", "std")
_SEEDS_SAID = {"": "apart", "range": "as one, least to greatest", "std": "as one, mean \u00b1 deviation"}
_LOOKS = ("log_x", "log_y", "smoothing", "robust")
"""How the chart is looked at, which is kept."""
_SHARE = 0.05  # of one core, at most, for reading live runs
_FILTER_PAUSE = 3.0  # seconds between two filterings of runs that change by themselves


class Words(VerticalScroll, can_focus=True):
    """Sentences."""

    BINDINGS = bindings_of("compare words")


class CompareScreen(WorkbenchScreen):
    """A worker reads the runs and reckons; the handlers here only show what it found."""

    PLACE = "compare"
    CSS_PATH = "compare.tcss"
    BINDINGS = bindings_of("compare")

    def __init__(self) -> None:
        super().__init__()
        self._comparer = Comparer()
        self._asked: Wanted | None = None  # by the reading that is under way
        self._shown: Shown | None = None
        self._faults_said: list[str] = []
        self._next_read = 0.0
        self._filter: Filtered | None = None
        self._next_filter = 0.0

    def compose_body(self) -> ComposeResult:
        ascii_only = self.app.ascii_only
        words = "words, or val/loss < 1.9 and lr > 1e-3"
        picker = _pane(
            "runs",
            Input(placeholder=words, id="filter", compact=True),
            Static(id="filter-fault"),
            Picker(ascii_only=ascii_only, id="picker"),
        )
        chart = Vertical(
            PartsLine(ascii_only=ascii_only, id="look"),
            Static(id="nothing"),
            Chart(ascii_only=ascii_only, name="compare", id="chart"),
            id="chart-pane",
            classes="pane",
        )
        settings = _pane("settings", FitTable(self._series_style, ascii_only=ascii_only, id="settings"))
        figures = _pane("figures", FitTable(self._series_style, ascii_only=ascii_only, id="figures"))
        said = _pane("words", Words(Static(id="said"), id="words"))
        top = Split(chart, settings, name="compare.settings", share=0.64, id="top")
        tables = Split(figures, said, name="compare.words", share=0.5, stacked=True, id="tables")
        right = Split(top, tables, name="compare.tables", share=0.56, stacked=True, id="right")
        yield PartsLine(ascii_only=ascii_only, id="panes")
        yield Split(picker, right, name="compare.runs", share=0.25, id="outer")

    def on_mount(self) -> None:
        super().on_mount()
        chart = self.query_one(Chart)
        for look in _LOOKS:
            setattr(chart, look, self.app.session.get(f"compare.{look}", getattr(chart, look)))
        self.query_one("#filter", Input).value = self.app.session.get("compare.filter", "")
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._draw_again())
        self._arrange()
        self._focus_pane()

    # --- what is compared ---

    @property
    def _names(self) -> list[str]:
        """The runs to compare, the reference first, as far as they are there."""
        there = {run.name for run in self.app.runs}
        return [name for name in self.app.session.get("compare.runs", []) if name in there]

    def _chosen(self) -> list[RunSummary]:
        by_name = {run.name: run for run in self.app.runs}
        return [by_name[name] for name in self._names]

    def _wanted(self) -> Wanted:
        session = self.app.session
        axis: Any = session.get("compare.axis", "step")
        seeds: Any = session.get("compare.seeds", "")
        descending = session.get("compare.descending", "")
        return Wanted(
            tuple(run.folder for run in self._chosen()),
            session.get("compare.metric", "val/loss"),
            axis if axis in AXES else "step",
            seeds if seeds in SEEDS else None,
            session.get("compare.sort", "") or None,
            {"yes": True, "no": False}.get(descending),
            session.get("compare.every_setting", False),
        )

    def _choose(self, names: list[str]) -> None:
        self.app.session.set("compare.runs", names)
        self._show_picker()
        self.read()

    @on(Picker.Marked)
    def _take_marks(self, message: Picker.Marked) -> None:
        before = self._names
        kept = [name for name in before if message.on or name not in message.names]
        self._choose([*kept, *(name for name in message.names if message.on and name not in kept)])

    # --- news ---

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
            self._show(None, [])
        elif wanted != self._asked:
            self._asked = wanted
            self._read(wanted)

    @work(thread=True, group="compare", exclusive=True, exit_on_error=False)
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

    # --- showing ---

    def _show(self, shown: Shown | None, faults: list[str]) -> None:
        self._shown, self._faults_said = shown, faults
        empty = shown is None
        self.set_class(empty, "-empty")
        self.query_one("#nothing", Static).update(self._empty_state(faults))
        self._show_look()
        self._show_picker()
        self._show_heads()
        if shown is None:
            for table in self.query(FitTable):
                table.fill([], {})
            self.query_one("#said", Static).update("")
        else:
            self._show_chart(shown)
            self._show_tables(shown)
            self.query_one("#said", Static).update(self._sentences(shown, faults))
        self._arrange()
        self.refresh_bindings()

    def _empty_state(self, faults: list[str]) -> Content:
        if faults:
            return Content.styled(clean("\n".join(faults)), "$text-error")
        if not self.app.runs_read:
            return Content("reading the runs ...")
        if not self.app.runs:
            return Content("There are no runs yet. Start some on the experiments screen: press 1.")
        lines = ["Nothing is compared yet.", "", "Mark runs in the list with space, or a whole sweep at once;"]
        lines += ["the first one is what the others are measured against.", "", "p goes to the list of runs."]
        return Content("\n".join(lines))

    def _show_chart(self, shown: Shown) -> None:
        axis = AXES[shown.wanted.axis]
        note = ("", "")
        if shown.hidden:
            many = len(shown.series) + shown.hidden
            note = (f"{len(shown.series)} of {many} curves are drawn; b takes seeds together", "warn")
        empty = f"none of them has measured {shown.wanted.metric}; m chooses another metric"
        if any(run.points for run in shown.found.runs):
            empty = f"none of them knows its {axis.label}; x chooses another axis"
        chart = self.query_one(Chart)
        chart.show(shown.series, title=shown.wanted.metric, x_label=axis.label, empty=empty, note=note)

    def _show_tables(self, shown: Shown) -> None:
        ascii_only = self.app.ascii_only
        self.query_one("#figures", FitTable).fill(*figure_cells(shown, self._sign, ascii_only=ascii_only))
        settings = self.query_one("#settings", FitTable)
        settings.fill(*setting_cells(shown, settings.size.width), right=False)

    def _sentences(self, shown: Shown, faults: list[str]) -> Content:
        ascii_only = self.app.ascii_only
        mark = "! " if ascii_only else "\u26a0 "
        lines = [Content.styled(f"! {clean_line(fault, ascii_only=ascii_only)}", "$text-error") for fault in faults]
        for place, remark in enumerate(shown.remarks):
            text = clean_line(remark, ascii_only=ascii_only)
            warns = place < shown.warnings
            lines.append(Content.styled(mark + text, "$text-warning") if warns else Content(text))
        if len(shown.found.runs) == 1:
            lines.append(Content.styled("Mark another run to compare this one with.", "$foreground 60%"))
        return Content("\n").join(lines)

    def _show_look(self, more: str = "") -> None:
        wanted = self._wanted()
        chart = self.query_one(Chart)
        parts = [
            Part(" m", "key", "metric"),
            Part(f" {wanted.metric}  ", "plain", "metric"),
            Part(" x", "key", "axis"),
            Part(f" {AXES[wanted.axis].label}  ", "plain", "axis"),
            Part(" b", "key", "seeds"),
            Part(f" seeds {_SEEDS_SAID[wanted.seeds or '']}  ", "plain", "seeds"),
            Part(" L", "key", "log_y"),
            Part(" log y  " if chart.log_y else " linear  ", "plain", "log_y"),
            Part(" S", "key", "smoothing"),
            Part(" smoothed " if chart.smoothing else " as measured ", "plain", "smoothing"),
            Part(more, "quiet"),
        ]
        self.query_one("#look", PartsLine).show(parts)

    def _show_heads(self) -> None:
        shown = self._shown
        texts: dict[Pane, str] = {"runs": "runs", "settings": "settings", "figures": "figures", "words": "what follows"}
        if self.app.runs_read:
            marked = len(self._names)
            texts["runs"] = f"runs  {marked} of {len(self.app.runs)} marked" if marked else "runs  space marks one"
        if shown is not None:
            count = len(shown.settings)
            texts["settings"] = (
                f"all {count} settings"
                if shown.wanted.every_setting
                else f"{count} setting{'s' * (count != 1)} differ{'s' * (count == 1)}"
            )
            if not count:
                texts["settings"] = "the settings are the same in all" if len(shown.found.runs) > 1 else "settings"
            figure = next((one for one in shown.found.figures if one.name == shown.wanted.sort), None)
            texts["figures"] = f"figures  by {figure.heading}" if figure else "figures  in the order they were marked"
        for pane, text in texts.items():
            head = Content.assemble((PANES[pane], "bold $primary"), f" {clean_line(text)}")
            self.query_one(f"#{pane}-head", Static).update(head)

    def _show_picker(self) -> None:
        runs = self._filter.runs(self.app.runs) if self._filter else self.app.runs
        looks = {run.name: self._curve_look(run.name) for run in self._shown.found.runs} if self._shown else {}
        known = {name: look for name, look in looks.items() if look[0].strip()}
        self.query_one(Picker).show(runs, self._names, known)
        self._show_heads()
        if self.query_one("#filter", Input).value and time.monotonic() >= self._next_filter:
            self._run_filter()

    def _rank(self, name: str) -> int | None:
        """Which curve shows a run; None where none does."""
        if self._shown is None:
            return None
        found = self._shown.found
        lines = found.bands
        for line in lines:
            members = [line.name, *(run.name for run in getattr(line, "runs", ()))]
            if name in members:
                names = [one.name for one in self._shown.series]
                return names.index(line.name) if line.name in names else None
        return None

    def _sign(self, name: str) -> tuple[str, str]:
        """The sign of a row's curve for a table, where looks are the table's own."""
        rank = self._rank(name)
        return (" ", "") if rank is None else (self._mark_of(rank), f"series{rank % LOOKS}")

    def _curve_look(self, name: str) -> tuple[str, Style]:
        rank = self._rank(name)
        if rank is None:
            return " ", Style()
        return self._mark_of(rank), self._series_style(f"series{rank % LOOKS}")

    def _series_style(self, name: str) -> Style:
        return Style(color=self.query_one(Chart).get_component_rich_style(f"chart--{name}").color)

    def _mark_of(self, rank: int) -> str:
        from craft.analysis.canvas import mark_of

        if not rank and not self.app.ascii_only:
            return "\u2500"  # the first curve bears no marks
        return mark_of(rank, "ascii" if self.app.ascii_only else "braille")

    def _draw_again(self) -> None:
        for table in self.query(FitTable):
            table.forget()
        if self._shown is not None:
            self.call_after_refresh(self._show, self._shown, self._faults_said)

    # --- panes ---

    @property
    def _pane(self) -> Pane:
        """The pane that was chosen last."""
        name: Any = self.app.session.get("compare.pane", "runs")
        return name if name in PANES else "runs"

    @property
    def _is_wide(self) -> bool:
        return self.size.width >= 148 and self.size.height >= 28

    def _arrange(self) -> None:
        """All panes where there is room, else the chart and the chosen one."""
        wide, here = self._is_wide, self._pane
        low = self.size.height < 16
        panes = self.query_one("#panes", PartsLine)
        panes.display = not wide
        panes.show([part for name, key in PANES.items() for part in _tab(name, key, name == here)])
        shown: set[Pane] = set(PANES) if wide else {here} if low or here == "runs" else {here, "chart"}
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
        if self._shown is not None:
            self.call_after_refresh(self._fit_settings)

    def _fit_settings(self) -> None:
        if self._shown is not None:
            self._show_tables(self._shown)

    def _focus_pane(self) -> None:
        name = self._pane
        target: Widget = self.query_one("#picker" if name == "runs" else f"#{name}")
        target.focus()

    def action_pane(self, name: Pane) -> None:
        self.app.session.set("compare.pane", name)
        self._arrange()
        self._focus_pane()
        self.call_after_refresh(self._fit_settings)

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
            name = self._under_cursor()
            return bool(name) and (action == "show_run" or (name in self._names and name != self._names[0]))
        if action == "unmark_all":
            return bool(self._names)
        if action == "back":
            return isinstance(self.focused, Input) or self._pane != "runs"
        return super().check_action(action, parameters)

    def _under_cursor(self) -> str:
        """The run under the cursor of the list or table that has the focus; empty where there is none."""
        focused = self.focused
        if isinstance(focused, Picker):
            item = focused.selected
            return item.name if item and not item.group else ""
        if isinstance(focused, FitTable) and focused.row_name in self._names:
            return focused.row_name
        return ""

    def action_metric(self) -> None:
        if self._shown is None:
            return
        from workbench.dialogs.choose import Choice, ChooseScreen

        names = self._shown.metrics
        at = names.index(self._shown.wanted.metric) if self._shown.wanted.metric in names else 0

        def take(name: str | None) -> None:
            if name is not None:
                self._set("metric", name)

        self.app.push_screen(ChooseScreen("Compare by", [Choice(name, name) for name in names], at=at), take)

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
        name = self._under_cursor()
        names = self._names
        if name in names:
            self._choose([name, *(one for one in names if one != name)])

    def action_unmark_all(self) -> None:
        self._choose([])

    def action_show_run(self) -> None:
        name = self._under_cursor()
        if name:
            self.app.show_run(name)

    @on(DataTable.RowSelected, "#figures")
    def _open_row(self) -> None:
        self.action_show_run()

    @on(DataTable.RowHighlighted)
    def _cursor_moved(self) -> None:
        self.refresh_bindings()

    def action_export(self) -> None:
        if self._shown is not None:
            from craft.analysis.comparison.export import Look

            chart = self.query_one(Chart)
            Export(self.app, self._shown, Look(chart.log_x, chart.log_y, chart.smoothing)).ask()

    def action_copy(self) -> None:
        if self._shown is not None:
            from craft.analysis.comparison.written import markdown

            self.app.copy(markdown(self._shown.found, self._shown.rows), "the comparison, as Markdown,")

    def action_back(self) -> None:
        if isinstance(self.focused, Input):
            self.query_one(Picker).focus()
        else:
            self.action_pane("runs")

    # --- the filter ---

    def action_filter(self) -> None:
        self.app.session.set("compare.pane", "runs")
        self._arrange()
        self.query_one("#filter", Input).focus()

    @on(Input.Changed, "#filter")
    def _filter_typed(self, event: Input.Changed) -> None:
        self.app.session.set("compare.filter", event.value)
        if event.value.strip():
            self._run_filter()
        else:
            self.workers.cancel_group(self, "compare filter")
            self._filter = None
            self.query_one("#filter-fault", Static).display = False
            self._show_picker()

    @on(Input.Submitted, "#filter")
    def _filter_done(self) -> None:
        self.query_one(Picker).focus()

    def _run_filter(self) -> None:
        self._next_filter = time.monotonic() + _FILTER_PAUSE
        self._filter_runs(self.query_one("#filter", Input).value, list(self.app.runs))

    @work(thread=True, group="compare filter", exclusive=True, exit_on_error=False)
    def _filter_runs(self, text: str, runs: list[RunSummary]) -> None:
        worker = get_current_worker()
        found = filtered(text, runs, lambda: not worker.is_cancelled)
        if found is not None and not worker.is_cancelled:
            self.post_message(FilterRan(found))

    @on(FilterRan)
    def _take_filter(self, message: FilterRan) -> None:
        if message.found.text == self.query_one("#filter", Input).value:
            self._filter = message.found
            fault = self.query_one("#filter-fault", Static)
            fault.display = bool(message.found.fault)
            fault.update(Content.styled(clean_line(message.found.fault), "$text-error"))
            self._show_picker()


def _pane(name: Pane, *children: Widget) -> Vertical:
    return Vertical(Static(id=f"{name}-head", classes="pane-head"), *children, id=f"{name}-pane", classes="pane")


def _tab(name: str, key: str, here: bool) -> list[Part]:
    action = f"pane('{name}')"
    return [Part(f" {key}", "key", action), Part(f" {name} ", "here" if here else "plain", action)]
