"""The curves of a run: its losses first, then everything else that it recorded, live."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input

from craft.analysis.axes import AXES
from craft.text import clean_line, shorten
from workbench.actions import bindings_of
from workbench.screens.runs.details.chart_grid import ChartGrid
from workbench.screens.runs.details.metric_help import about
from workbench.screens.runs.details.panels import Panel, panels_of, shown_panels
from workbench.screens.runs.details.run_curves import Look, RunCurves
from workbench.screens.runs.details.tab import DetailTab
from workbench.screens.runs.rows import TONES, phase_word
from workbench.widgets.said import Said
from workbench.widgets.typed import Line

if TYPE_CHECKING:
    from craft.runs.store import RunSummary

_KEPT_RUNS = 4
_NOTE_HEIGHT = 14  # rows of all charts


class FilterField(Line):
    """Words that the charts shown must hold."""

    BINDINGS = bindings_of("chart filter")

    def action_done(self) -> None:
        self.post_message(self.Submitted(self, self.value))

    def action_clear(self) -> None:
        self.value = ""
        self.post_message(self.Submitted(self, ""))


_READING = "reading ..."


class ChartsTab(DetailTab):
    """A page of charts, with a line above that says what is seen. Subclasses show other metrics."""

    BINDINGS = bindings_of("run charts")
    SYSTEM = False
    KEPT = "runs.charts"

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(ascii_only=ascii_only, id=id)
        self.axis = "step"
        self.chosen: list[str] = []
        self.words = ""
        self.found = Look()
        self._is_read = False
        """Whether a look has found what there is: the first may index a long log."""
        self._all: list[Panel] = []
        self._recorded: list[str] = []
        """All that is recorded, also what is no chart here."""
        self._curves: OrderedDict[Path, RunCurves] = OrderedDict()
        """Of the runs looked at last: going back to one reads nothing again."""

    def compose(self) -> ComposeResult:
        yield Said(Content(""), classes="tab-head")
        yield ChartGrid(ascii_only=self.ascii_only)
        field = FilterField(placeholder="words of a metric's name", compact=True)
        field.display = False
        yield field

    @property
    def grid(self) -> ChartGrid:
        """The charts."""
        return self.query_one(ChartGrid)

    def on_mount(self) -> None:
        session = self.app.session
        axis = session.get("runs.x", "step")
        self.axis = axis if axis in AXES else "step"
        self.chosen = session.texts(f"{self.KEPT}.chosen")
        grid = self.grid
        grid.log_y = set(session.texts(f"{self.KEPT}.log_y"))
        smoothing = session.get("runs.smoothing", 0.0)
        grid.looks["smoothing"] = smoothing if 0 <= smoothing < 1 else 0.0
        grid.looks["log_x"] = session.get("runs.log_x", False)
        grid.looks["robust"] = session.get("runs.robust", True)

    # --- reading ---

    def begin(self) -> None:
        self.found, self._all, self._recorded, self._is_read = Look(), [], [], False
        self.grid.clear()

    def what_to_read(self) -> Any:
        assert self.run is not None
        path = self.run.path
        curves = self._curves.pop(path, None) or RunCurves(self.run.folder)
        self._curves[path] = curves
        while len(self._curves) > _KEPT_RUNS:
            self._curves.popitem(last=False)
        return curves, list(self.grid.seen), self.axis

    def read(self, run: RunSummary, wanted: Any) -> Any:
        curves, panels, axis = wanted
        return curves.look(panels, axis)

    def take(self, found: Any) -> None:
        self.found, self._is_read = found, True
        if self._recorded != found.names:
            self._recorded = found.names
            self._all = panels_of(found.names, system=self.SYSTEM)
            self._arrange()
        self._draw()

    def say_of_run(self) -> None:
        self._draw()

    def fail(self, words: str) -> None:
        self.query_one(".tab-head", Said).update(Content.styled(clean_line(words), "$text-error"))

    # --- showing ---

    def _arrange(self) -> None:
        self.grid.take_panels(shown_panels(self._all, self.chosen, self.words))
        self._show_head()
        if self.has_focus:  # there was nothing in it
            self.call_after_refresh(self.take_focus)

    def _draw(self) -> None:
        found = self.found
        empty = self._why_empty() if all(one.key in found.curves for one in self.grid.seen) else _READING
        live = self.run is not None and self.run.observed.is_live
        self.grid.show(found.curves, found.marks, AXES[found.axis], empty, self._note(), live=live)
        self._show_head()

    def _why_empty(self) -> str:
        assert self.run is not None
        word = phase_word(self.run)
        reason = self.run.reason
        if self.found.is_gone and self.run.step:
            reason = f"its {self.run.folder.metrics.name} is gone"
        return f"{word}: {shorten(reason, 200)}" if reason and reason != word else f"{word}: no points{self.yet}"

    @property
    def yet(self) -> str:
        """Whether more may come, in what is said of nothing."""
        assert self.run is not None
        return " yet" if self.run.observed.is_live or self.run.phase == "queued" else ""

    def _note(self) -> tuple[str, str]:
        """What went wrong with the run, above its first chart, where that has the height for it."""
        assert self.run is not None
        if self.grid.size.height < _NOTE_HEIGHT:
            return "", ""
        tone = TONES.get(phase_word(self.run), "warn")
        return (self._why_empty(), tone) if tone in ("warn", "bad") else ("", "")

    def _show_head(self) -> None:
        self.query_one(".tab-head", Said).update(self.head())

    def head(self) -> Content:
        """What is seen, in one line."""
        grid, found = self.grid, self.found
        parts: list[tuple[str, str] | str] = [f"over {AXES[found.axis].label}"]
        shown, count = len(grid.panels), len(self._all)
        if not self._is_read:
            return Content(_READING if self.run else "")
        if not count:
            nothing = self.run and found.names == []
            return Content(f"no metrics{self.yet}: {clean_line(self._why_empty())}" if nothing else "")
        if grid.alone is not None:
            parts.append("  enlarged: enter or esc shows all")
        elif grid.pages > 1:
            parts.append(f"  page {grid.page + 1} of {grid.pages}")
        if shown < count:
            parts.append(f"  {shown} of {count} charts: v chooses")
        if self.words:
            parts.append((f"  with '{clean_line(self.words, ascii_only=self.ascii_only)}'", "$text-accent"))
        smoothing = grid.looks["smoothing"]
        if smoothing:
            parts.append(f"  smoothed {smoothing:.2f}")
        if found.damaged:
            parts.append((f"  {found.damaged:,} damaged lines left out", "$text-warning"))
        if found.no_axis:
            parts.append((f"  {found.no_axis}", "$text-warning"))
        return Content.assemble(*parts)

    @on(ChartGrid.Turned)
    def _turned(self) -> None:
        self._show_head()
        self.look()

    @on(ChartGrid.Changed)
    def _keep_looks(self) -> None:
        session, grid = self.app.session, self.grid
        session.set("runs.smoothing", float(grid.looks["smoothing"]))
        session.set("runs.log_x", bool(grid.looks["log_x"]))
        session.set("runs.robust", bool(grid.looks["robust"]))
        session.set(f"{self.KEPT}.log_y", sorted(grid.log_y))
        self._show_head()

    # --- keys ---

    def action_next_axis(self) -> None:
        names = list(AXES)
        self.axis = names[(names.index(self.axis) + 1) % len(names)]
        self.app.session.set("runs.x", self.axis)
        self.grid.show_whole()
        self.look()

    def action_enlarge(self) -> None:
        self.grid.enlarge()

    def action_next_page(self) -> None:
        self.grid.turn(1)

    def action_previous_page(self) -> None:
        self.grid.turn(-1)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        if not self._ready:
            return False
        if action in ("next_page", "previous_page"):
            return self.grid.pages > 1 or self.grid.alone is not None
        if action in ("enlarge", "pick", "filter", "explain", "next_axis"):
            return bool(self._all)
        if action == "back":
            return self.grid.alone is not None or bool(self.words)
        return True

    def action_back(self) -> None:
        if not self.grid.share_again():
            self._set_words("")

    def action_filter(self) -> None:
        field = self.query_one(FilterField)
        field.display = True
        field.value = self.words
        field.focus()

    @on(Input.Changed)
    def _filter(self, message: Input.Changed) -> None:
        message.stop()
        self._set_words(message.value)

    def _set_words(self, words: str) -> None:
        if words != self.words:
            self.words = words
            self._arrange()
            self.refresh_bindings()

    @on(Input.Submitted)
    def _filtered(self, message: Input.Submitted) -> None:
        message.stop()
        message.input.display = False
        self._set_words(message.value)
        self.take_focus()

    def action_pick(self) -> None:
        from workbench.screens.runs.details.metric_picker import MetricPicker

        def take(chosen: list[str] | None) -> None:
            if chosen is not None:
                self.chosen = [] if len(chosen) == len(self._all) else chosen
                self.app.session.set(f"{self.KEPT}.chosen", self.chosen)
                self._arrange()

        self.app.push_screen(MetricPicker(self._all, self.chosen), take)

    def action_explain(self) -> None:
        from workbench.screens.runs.details.explain import MetricHelp

        panel = self.grid.focused_panel
        if panel is not None:
            self.app.push_screen(MetricHelp(panel, about(panel.names[0])))
