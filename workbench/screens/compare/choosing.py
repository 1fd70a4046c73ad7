"""What is compared, and how: kept in the session. Runs are marked in a list that can be filtered."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.content import Content
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from craft.analysis.axes import AXES
from craft.text import clean_line
from workbench.screens.compare.filtering import Filtered, FilterRan, filtered
from workbench.screens.compare.panes import Panes
from workbench.screens.compare.picker import Picker
from workbench.screens.compare.reading import Wanted

if TYPE_CHECKING:
    from craft.analysis.comparison.seeds import Spread
    from craft.runs.store import RunSummary

SEEDS: tuple[Spread | None, ...] = (None, "range", "std")
_FILTER_PAUSE = 3.0  # seconds between two filterings of runs that change by themselves


class Choosing(Panes):
    """Marks, the reference, the filter."""

    def __init__(self) -> None:
        super().__init__()
        self._filter: Filtered | None = None
        self._next_filter = 0.0

    def read(self) -> None:
        """Read what is wanted now, unless that is under way."""
        raise NotImplementedError

    def _show_picker(self) -> None:
        """Show the list of runs anew."""
        raise NotImplementedError

    @property
    def _names(self) -> list[str]:
        """The runs to compare, the reference first, as far as they are there."""
        there = {run.name for run in self.app.runs}
        return [name for name in self.app.session.texts("compare.runs") if name in there]

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
            self.app.ascii_only,
        )

    @property
    def _hidden(self) -> frozenset[str]:
        """The runs whose curves are not to be drawn."""
        return frozenset(self.app.session.texts("compare.hidden"))

    def _choose(self, names: list[str]) -> None:
        self.app.session.set("compare.runs", names)
        self.app.session.set("compare.hidden", sorted(self._hidden.intersection(names)))
        self._show_picker()
        self.read()

    @on(Picker.Marked)
    def _take_marks(self, message: Picker.Marked) -> None:
        before = self._names
        kept = [name for name in before if message.on or name not in message.names]
        self._choose([*kept, *(name for name in message.names if message.on and name not in kept)])

    @on(Picker.Reference)
    def _reference_clicked(self, message: Picker.Reference) -> None:
        self._measure_against(message.name)

    def _measure_against(self, name: str) -> None:
        """Make a run the reference."""
        names = self._names
        if name in names:
            self._choose([name, *(one for one in names if one != name)])

    # --- the filter ---

    def action_filter(self) -> None:
        self.app.session.set("compare.pane", "runs")
        self._arrange()
        self.query_one("#filter", Input).focus()

    @on(Input.Changed, "#filter")
    def _filter_typed(self, event: Input.Changed) -> None:
        self.app.session.set("compare.filter", event.value)
        if event.value.strip():
            if self.app.runs_read:  # else it is run once they are
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

    @work(thread=True, group="compare filter", description="filter runs", exclusive=True, exit_on_error=False)
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
            fault.update(Content.styled(clean_line(message.found.fault, ascii_only=self.app.ascii_only), "$text-error"))
            self._show_picker()
