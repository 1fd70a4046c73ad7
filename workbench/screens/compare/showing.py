"""A comparison that was read, put on the screen; only what changed is drawn again."""

from __future__ import annotations

import time

from rich.style import Style
from textual.content import Content
from textual.widgets import Input, Static

from craft.analysis.axes import AXES
from craft.analysis.series import MOST_CURVES
from craft.text import clean, clean_line
from workbench.screens.compare.choosing import Choosing
from workbench.screens.compare.panes import PANES, Pane
from workbench.screens.compare.parts_line import Part, PartsLine
from workbench.screens.compare.picker import Picker
from workbench.screens.compare.reading import Shown
from workbench.screens.compare.tables import FitTable, figure_cells, setting_cells
from workbench.widgets.chart.chart import Chart
from workbench.widgets.chart.picture import LOOKS

_SEEDS_SAID = {"": "apart", "range": "as one, least to greatest", "std": "as one, mean and deviation"}


class Showing(Choosing):
    """The chart, the tables and the sentences."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: Shown | None = None
        self._faults_said: list[str] = []
        self._drawn: set[int | None] = set()  # looks

    def _show(self, shown: Shown | None, faults: list[str]) -> None:
        self._shown, self._faults_said = shown, faults
        empty = shown is None
        self.set_class(empty, "-empty")
        if shown is not None:
            self._show_chart(shown)
        self.query_one("#nothing", Static).update(self._empty_state(faults))
        self._show_look()
        self._show_picker()
        self._show_heads()
        if shown is None:
            for table in self.query(FitTable):
                table.fill([], {})
            self.query_one("#said", Static).update("")
        else:
            self._show_tables(shown)
            self.query_one("#said", Static).update(self._sentences(shown, faults))
        self._arrange()
        self.refresh_bindings()

    def _empty_state(self, faults: list[str]) -> Content:
        if faults:
            return Content.styled(clean("\n".join(faults), ascii_only=self.app.ascii_only), "$text-error")
        if not self.app.runs_read:
            return Content("reading the runs ...")
        if not self.app.runs:
            return Content("There are no runs yet. Start some on the experiments screen: press 1, then r.")
        lines = ["Nothing is compared yet.", "", "Mark runs in the list with space, or a whole sweep at once;"]
        lines += ["the first one is what the others are measured against.", "", "p goes to the list of runs."]
        return Content("\n".join(lines))

    def _show_chart(self, shown: Shown) -> None:
        axis = AXES[shown.wanted.axis]
        visible = [one for one in shown.curves if one.look not in self._hidden_looks()]
        drawn = visible[:MOST_CURVES]
        self._drawn = {one.look for one in drawn}
        note = ("", "")
        if len(visible) > MOST_CURVES:
            note = (f"{MOST_CURVES} of {len(visible)} curves are drawn; v hides one, b takes seeds together", "warn")
        empty = f"none of them has measured {shown.wanted.metric}; m chooses another metric"
        if shown.curves:
            empty = "all curves are hidden; A shows them again"
        elif any(run.points for run in shown.found.runs):
            empty = f"none of them knows its {axis.label}; x chooses another axis"
        chart = self.query_one(Chart)
        chart.show(drawn, title=shown.wanted.metric, x_label=axis.label, empty=empty, note=note)

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
        hidden = len(self._hidden_looks())
        parts = [
            Part(" m", "key", "metric"),
            Part(f" {wanted.metric}  ", "plain", "metric"),
            *([Part(" A", "key", "show_curves"), Part(f" {hidden} hidden  ", "here", "show_curves")] if hidden else []),
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
        """What each pane holds, and what can be done there by mouse too."""
        shown, marked, every = self._shown, len(self._names), self._wanted().every_setting
        runs = f"{marked} of {len(self.app.runs)}" if marked else "space marks one" if self.app.runs else "none yet"
        many = len(self._hidden_looks())
        # Where the chart stands beside the list, it is said there.
        is_alone = not self.query_one("#chart-pane").display
        hidden = [("A", f"{many} hidden", "show_curves")] if many and is_alone else []
        heads: dict[Pane, tuple[str, list[tuple[str, str, str]]]] = {
            "runs": (f"runs  {runs}", [*hidden, ("u", "none", "unmark_all"), ("/", "filter", "filter")]),
            "settings": ("settings", []),
            "figures": ("figures", []),
            "words": ("what follows", [("y", "copy", "copy"), ("e", "export", "export")] if shown else []),
        }
        if shown is not None:
            count, several = len(shown.settings), len(shown.found.runs) > 1
            differ = "1 setting differs" if count == 1 else f"{count or 'no'} settings differ"
            text = f"all {count} settings" if every else differ if several else "settings"
            heads["settings"] = (text, [("a", "only those that differ" if every else "all", "all_settings")])
            figure = next((one for one in shown.found.figures if one.name == shown.wanted.sort), None)
            by = f"by {figure.heading}" if figure else "in the order they were marked"
            more = [("o", "order", "order"), ("O", "turn", "turn_order")] if figure else [("o", "order", "order")]
            heads["figures"] = (f"figures  {by}", [*more, ("r", "reference", "reference")])
        for pane, (text, actions) in heads.items():
            tab = f"pane('{pane}')"
            parts = [Part(f" {PANES[pane]}", "key", tab), Part(f" {text}  ", "head", tab)]
            for key, words, action in actions:
                parts += [Part(f" {key}", "key", action), Part(f" {words} ", "quiet", action)]
            self.query_one(f"#{pane}-head", PartsLine).show(parts)

    def _show_picker(self) -> None:
        runs = self._filter.runs(self.app.runs) if self._filter else self.app.runs
        looks = {run.name: self._curve_look(run.name) for run in self._shown.found.runs} if self._shown else {}
        known = {name: look for name, look in looks.items() if look[0].strip()}
        picker = self.query_one(Picker)
        picker.say_without(self._without())
        picker.show(runs, self._names, known, self._hidden)
        self._show_heads()
        if self.query_one("#filter", Input).value and time.monotonic() >= self._next_filter:
            self._run_filter()

    def _without(self) -> tuple[str, ...]:
        """What to do where no run is listed."""
        if self.app.runs:
            return ("no run passes the filter;", "esc takes it away")
        if not self.app.runs_read:
            return ()
        return ("no runs yet:", "1, then r, launches one" if self.app.project.exists else "d starts the demo, 1 a file")

    def _hidden_looks(self) -> set[int]:
        """The curves that were hidden: all of whose runs were."""
        runs_of = self._shown.runs_of if self._shown else {}
        return {look for look, names in runs_of.items() if names <= self._hidden}

    def _sign(self, name: str) -> tuple[str, str]:
        """The sign of a row's curve for a table, where looks are the table's own."""
        look = self._shown.looks.get(name) if self._shown else None
        if look in self._drawn and look is not None:
            return self._mark_of(look), f"series{look % LOOKS}"
        return ("-" if self.app.ascii_only else "\u00b7", "quiet") if look in self._hidden_looks() else (" ", "")

    def _curve_look(self, name: str) -> tuple[str, Style]:
        sign, look = self._sign(name)
        return sign, self._series_style(look) if look.startswith("series") else Style()

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

    def _fit_settings(self) -> None:
        if self._shown is not None:
            self._show_tables(self._shown)
