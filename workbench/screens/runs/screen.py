"""The runs: a list of all of them, and the details of the selected one."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Static
from textual.worker import get_current_worker

from workbench.actions import bindings_of
from workbench.messages import (
    FactsRead,
    FactsWanted,
    GroupToggled,
    MarksChanged,
    RunOpened,
    RunsArranged,
    RunSelected,
    StateRead,
)
from workbench.screens.runs.arrange import Arranged, Arranger, View
from workbench.screens.runs.details.panel import TABS, RunDetails
from workbench.screens.runs.empty import empty_state
from workbench.screens.runs.experiments_strip import ExperimentsView
from workbench.screens.runs.filter_bar import FilterBar
from workbench.screens.runs.kept_view import kept_view
from workbench.screens.runs.next_step import State
from workbench.screens.runs.state_line import StateLine
from workbench.screens.runs.steering import Steering
from workbench.screens.runs.table import RunTable
from workbench.screens.runs.tending import Tending
from workbench.screens.runs.viewing import Viewing
from workbench.widgets.bars import Part
from workbench.widgets.split import Split

if TYPE_CHECKING:
    from collections.abc import Callable

    from craft.runs.store import RunSummary
    from workbench.screens.base import Reading

_BESIDE = 190  # columns from which the details stand beside the list
_NEEDS_RUNS = ("details", "next_tab", "previous_tab", "show_tab", "verbs", "sort", "turn", "columns", "fold", "filter")


class RunsScreen(Steering, Tending, Viewing):
    """Workers read folders and post what they found; the handlers here are the only ones to touch widgets."""

    PLACE = "runs"
    CSS_PATH = ["runs.tcss", "details/details.tcss", "../../widgets/lines.tcss"]
    BINDINGS = [
        *bindings_of("runs"),
        # In the help one line stands for them all, where the keyboard is not in the details.
        *(Binding(key, f"show_tab('{name}')", name, show=False) for name, (key, _, _) in TABS.items()),
    ]
    AUTO_FOCUS = "RunTable"  # not the filter, which is out of sight while there are no runs

    def __init__(self) -> None:
        super().__init__()
        self._view = View()
        self._arranger = Arranger()
        self._arranging = threading.Lock()
        self._counts: dict[str, int] = {}
        self._shown_name = ""
        self._marked: tuple[set[str], list[RunSummary], list[RunSummary]] = (set(), [], [])

    def compose_body(self) -> ComposeResult:
        ascii_only = self.app.ascii_only
        yield ExperimentsView(self.app.project, id="experiments")
        self._filter = FilterBar(self.app.session.get("runs.filter", ""), id="filter")
        self._table = RunTable(ascii_only=ascii_only, id="runs")
        self._state = StateLine(ascii_only=ascii_only, id="state")
        self._details = RunDetails(ascii_only=ascii_only, id="run-details")
        listed = Vertical(self._filter, self._table, Static(id="empty"), self._state, id="list")
        self._split = Split(listed, self._details, name="runs", share=0.5, stacked=True, id="main")
        yield self._split

    def on_mount(self) -> None:
        session = self.app.session
        self._view = kept_view(session)
        self._table.show_columns(self.columns)
        self._table.marks = set(session.texts("runs.marked"))
        self._table.focus()

    def on_resize(self, event: events.Resize) -> None:
        self._split.stacked = event.size.width < _BESIDE

    # --- what was read ---

    def show_all(self) -> None:
        """Another screen may have asked for a run."""
        self._honour_choice()
        super().show_all()

    def _honour_choice(self) -> None:
        wanted = self.app.session.get("runs.selected", "")
        if wanted and wanted != self._shown_name:
            self._shown_name = wanted
            hidden = next((run for run in self.app.runs if run.name == wanted), None)
            if self._table.select(wanted) or hidden is None:
                return
            if self._view.words:
                self._filter.words = ""  # it is let through then
            if self._view.fold and hidden.group:
                self._look_at(open_groups=self._view.open_groups | {hidden.group})

    def show_runs(self) -> None:
        if self.app.runs_read:  # a filter that is put back into its line comes sooner
            self._arrange(self.app.runs, self._view)

    def reading(self, *, listed: bool) -> Reading | None:
        details, view, key = self._details.reading(), self._view, self._shown_name
        if details is None and not listed:
            return None

        def read(runs: list[RunSummary] | None) -> Callable[[], None]:
            if runs is None:
                return details() if details else lambda: None
            with self._arranging:
                arranged = self._arranger.arrange(runs, view)
            state = self._state_at(arranged, key)
            show_details = details() if details else lambda: None

            def show() -> None:
                if self._view == view:
                    self.workers.cancel_group(self, "arrange")  # of the runs before these
                    self._show_rows(arranged, state)
                else:
                    self.show_runs()
                show_details()

            return show

        return read

    @staticmethod
    def _state_at(arranged: Arranged, key: str) -> StateRead | None:
        from workbench.screens.runs.next_step import state_of

        place = arranged.place.get(key)
        run = None if place is None else arranged.rows[place].run
        return None if run is None else StateRead(run, state_of(run, time.time()))

    @work(thread=True, group="arrange", description="arrange", exclusive=True, exit_on_error=False)
    def _arrange(self, runs: list[RunSummary], view: View) -> None:
        worker = get_current_worker()
        with self._arranging:
            if not worker.is_cancelled:
                arranged = self._arranger.arrange(runs, view)
                if not worker.is_cancelled:
                    self.post_message(RunsArranged(arranged))

    @on(RunsArranged)
    def _take_rows(self, message: RunsArranged) -> None:
        self._show_rows(message.arranged)
        self.show_title()
        self.refresh_bindings()

    def _show_rows(self, arranged: Arranged, state: StateRead | None = None) -> None:
        """`state`: of the run that is selected, where it was read already."""
        self._filter.show(arranged.shown, len(self.app.runs), arranged.fault)
        self._counts = arranged.counts
        self._show_experiments()
        self._table.show(arranged)
        self._show_empty()
        self._split.enough = self._enough(arranged) if self.app.runs else 0
        self._honour_choice()
        self._forget_gone()
        self._show_selected(state)

    def _enough(self, arranged: Arranged) -> int:
        """Rows that show the whole list, with its heading, the lines around it, and a little air."""
        return len(arranged.rows) + 1 + self._filter.size.height + self._state.size.height + 1

    def _show_selected(self, state: StateRead | None = None) -> None:
        run = self._table.selected
        if run is None and (self.has_class("-opened") or self._details.has_focus_within):
            self.action_back()  # there is nothing to be alone with
        self._details.show(run)
        if run is None:
            nothing = State("the filter lets nothing through", "", "warn", "esc takes it away")
            self._state.show(nothing if self.app.runs else None, len(self._table.marks))
        elif state is not None and state.run is run:
            self._show_state(state)
        else:
            self._read_state(run)

    @work(thread=True, group="state", exclusive=True, exit_on_error=False)
    def _read_state(self, run: RunSummary) -> None:
        from workbench.screens.runs.next_step import state_of

        worker = get_current_worker()
        state = state_of(run, time.time())
        if not worker.is_cancelled:
            self.post_message(StateRead(run, state))

    @on(StateRead)
    def _show_state(self, message: StateRead) -> None:
        selected = self._table.selected
        if selected is not None and selected.path == message.run.path:
            self._state.show(self._of_group(message.state), len(self._table.marks))

    def _of_group(self, state: State) -> State:
        """Of a group, whose best run it is."""
        row = self._table.row
        if row is None or row.group is None:
            return state
        best = f"{len(row.runs)} runs, the best {row.run.name}"
        return State(row.group.state, best, "plain", "right shows them, and verbs act on all of them")

    @on(RunSelected)
    def _select(self, message: RunSelected) -> None:
        if message.run is not None:
            self._shown_name = self._table.row.key if self._table.row else message.run.name
            self.app.session.set("runs.selected", self._shown_name)
        self._show_selected()
        self.refresh_bindings()

    @on(FactsWanted)
    def _want_facts(self, message: FactsWanted) -> None:
        self._read_facts(message.runs, [column.key for column in self._table.columns if column.write is None])

    @work(thread=True, group="facts", description="read facts", exit_on_error=False)
    def _read_facts(self, runs: list[RunSummary], keys: list[str]) -> None:
        from workbench.screens.runs.arrange import facts_of
        from workbench.screens.runs.columns import write_value

        worker = get_current_worker()
        found = []
        for run in runs:
            if worker.is_cancelled:
                return
            facts = facts_of(run)
            found.append((run, {key: write_value(facts(key)) for key in keys}))
        self.post_message(FactsRead(found))

    @on(FactsRead)
    def _show_facts(self, message: FactsRead) -> None:
        self._table.show_facts(message.facts)

    def show_project(self) -> None:
        self._show_experiments()
        self._show_empty()

    def show_check(self) -> None:
        self.show_project()

    def _show_experiments(self) -> None:
        self.query_one(ExperimentsView).show(self.app.project, self.app.check, self._counts)

    def _show_empty(self) -> None:
        empty = self.app.runs_read and not self.app.runs
        self.set_class(empty, "-empty")
        if empty:
            self.query_one("#empty", Static).update(empty_state(self.app))

    def title_parts(self) -> list[Part]:
        parts: list[Part] = []
        marked = len(self._table.marks) if self.is_mounted else 0
        if marked:
            parts.append((f"{marked} marked  ", "title--good"))
        if self.is_mounted and self._view.words and self.app.runs:
            parts.append((f"{self._table.arranged.shown:,} of {len(self.app.runs):,} shown  ", "title--warn"))
        return parts

    # --- what is acted on ---

    @property
    def targets(self) -> list[RunSummary]:
        """The marked runs, else the selected one, or those of the selected group."""
        if not self.is_mounted:
            return []
        marks, runs = self._table.marks, self.app.runs
        if not marks:
            return list(self._table.row.runs) if self._table.row else []
        if self._marked[0] is not marks or self._marked[1] is not runs:
            self._marked = marks, runs, [run for run in runs if run.name in marks]
        return self._marked[2]

    @property
    def marked_or_shown(self) -> list[RunSummary]:
        """The marked runs, or else all that the filter lets through, also those of folded groups."""
        if self._table.marks:
            return self.targets
        return [run for row in self._table.arranged.rows if not row.inside for run in row.runs]

    def _forget_gone(self) -> None:
        """A run that is not there any more is not marked."""
        if self._table.marks:
            self._table.mark(self._table.marks & {run.name for run in self.app.runs})

    @on(MarksChanged)
    def _keep_marks(self) -> None:
        self.app.session.set("runs.marked", sorted(self._table.marks))
        self._show_selected()
        self.show_title()
        self.refresh_bindings()

    # --- keys ---

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        if action == "filter" and self.has_class("-opened"):
            return False  # it is out of sight
        if self.is_mounted and action in _NEEDS_RUNS:
            return bool(self.app.runs) and (action != "turn" or bool(self._view.sort))
        if self.is_mounted and action == "back":
            elsewhere = self.has_class("-opened") or not self._table.has_focus
            return bool(elsewhere or self._table.marks or self._view.words)
        return super().check_action(action, parameters)

    @on(RunOpened)
    def action_details(self) -> None:
        """The details alone; a group shows its runs."""
        row = self._table.row
        if row is not None and row.group is not None:
            self._table.post_message(GroupToggled(row.group.name))
        elif row is not None and not self.has_class("-opened"):
            self.add_class("-opened")
            self._details.take_focus()
            self.refresh_bindings()

    def action_show_tab(self, name: str) -> None:
        self._details.choose(name)

    def action_next_tab(self) -> None:
        self._details.action_next_tab()

    def action_previous_tab(self) -> None:
        self._details.action_previous_tab()

    def action_back(self) -> None:
        """One level back: the list, then no marks, then no filter."""
        if self.has_class("-opened"):
            self.remove_class("-opened")
            self._table.focus()
        elif not self._table.has_focus:
            self._table.focus()
        elif self._table.marks:
            self._table.mark(set())
        elif self._view.words:
            self._filter.action_clear()
        self.refresh_bindings()
