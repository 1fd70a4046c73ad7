"""Which curves are drawn: keys and mouse hide one, show only one, and show all again. The one under the cursor lies
above the others."""

from __future__ import annotations

from textual import events, on
from textual.widgets import DataTable

from workbench.screens.compare.picker import Picker
from workbench.screens.compare.reading import Shown
from workbench.screens.compare.showing import Showing
from workbench.screens.compare.tables import FitTable
from workbench.widgets.chart.chart import Chart


class Hiding(Showing):
    """Hidden runs are kept in the session; their figures stay in the tables."""

    def __init__(self) -> None:
        super().__init__()
        self._raised: list[str] = []  # runs

    def _show(self, shown: Shown | None, faults: list[str]) -> None:
        super()._show(shown, faults)
        self._raise()

    def _under_cursor(self) -> list[str]:
        """The runs under the cursor of the list or table that has the focus."""
        focused = self.focused
        if isinstance(focused, Picker):
            return focused.selected.names() if focused.selected else []
        return [focused.row_name] if isinstance(focused, FitTable) and focused.row_name in self._names else []

    def _curves_meant(self) -> set[int]:
        """The curves under the cursor; in the chart that which lies above the others."""
        if self._shown is None:
            return set()
        if isinstance(self.focused, Picker | FitTable):
            return {self._shown.looks[name] for name in self._under_cursor() if name in self._shown.looks}
        top = self.query_one(Chart).top
        return {top} & set(self._shown.runs_of) if top is not None else set()

    def _hide(self, looks: set[int]) -> None:
        """Hide these curves and no others."""
        assert self._shown is not None
        names = {name for look in looks for name in self._shown.runs_of[look]}
        self.app.session.set("compare.hidden", sorted(names))
        self._show(self._shown, self._faults_said)

    def _toggle(self, meant: set[int]) -> None:
        hidden = self._hidden_looks()
        self._hide(hidden - meant if meant <= hidden else hidden | meant)

    def _isolate(self, meant: set[int]) -> None:
        """Only these, or all again where these are alone already."""
        assert self._shown is not None
        others = set(self._shown.runs_of) - meant
        self._hide(set() if others == self._hidden_looks() else others)

    def action_hide(self) -> None:
        self._toggle(self._curves_meant())

    def action_hide_others(self) -> None:
        self._isolate(self._curves_meant())

    def action_show_curves(self) -> None:
        if self._shown is not None:
            self._hide(set())

    @on(Chart.Named)
    def _name_clicked(self, message: Chart.Named) -> None:
        if self._shown is not None and message.look in self._shown.runs_of:
            (self._isolate if message.alone else self._toggle)({message.look})

    @on(Picker.Pressed)
    def _sign_clicked(self, message: Picker.Pressed) -> None:
        if self._shown is not None and message.name in self._shown.looks:
            self._toggle({self._shown.looks[message.name]})

    @on(Picker.Moved)
    @on(DataTable.RowHighlighted)
    def _cursor_moved(self) -> None:
        self._raise()
        self.refresh_bindings()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self._raise()

    def _raise(self) -> None:
        """Draw the curve under the cursor above the others; while another pane has the focus, the one that it was."""
        if isinstance(self.focused, Picker | FitTable):
            self._raised = self._under_cursor()
        known = self._shown.looks if self._shown else {}
        looks = {known[name] for name in self._raised if name in known}
        self.query_one(Chart).raise_curve(min(looks) if len(looks) == 1 else None)
