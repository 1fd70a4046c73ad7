"""The experiments of a file: listed, edited, weighed, tried and launched.

    list     | editor        screen.py     what is shown, and the news
    costs    |               changing.py   new, copy, rename, delete, sweep
                             measuring.py  the dry run
                             launching.py  from the text to queued runs

The first frame names the experiments and needs nothing that is not read yet; the editor follows right after it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from craft.text import clean_line
from workbench.actions import bindings_of
from workbench.screens.experiments.changing import Changing
from workbench.screens.experiments.costs_view import CostsPanel, CostsStrip
from workbench.screens.experiments.launching import Launching
from workbench.screens.experiments.listing import ExperimentList
from workbench.screens.experiments.measuring import Measuring
from workbench.screens.experiments.messages import BriefsRead, TextInspected, TextWeighed
from workbench.screens.experiments.rows import Row, first_rows, made_by, rows_of
from workbench.widgets.bars import Part
from workbench.widgets.split import Split

if TYPE_CHECKING:
    from craft.config.experiments import Inspection
    from workbench.screens.experiments.editing.panel import EditPanel

_SETTLE = 0.1
"""Seconds after a keystroke until the text is inspected; another keystroke begins them anew."""
_QUIET = 1.5
"""Seconds without a keystroke until a process is started that imports a person's code, or builds a model."""


class ExperimentsScreen(Launching, Measuring, Changing):
    """Workers inspect and weigh the text and post what they found; the handlers are the only ones to touch widgets."""

    PLACE = "experiments"
    CSS_PATH = ["experiments.tcss", "editing/editing.tcss"]
    BINDINGS = bindings_of("experiments")

    def __init__(self) -> None:
        super().__init__()
        self._opening = False
        self._settling: Timer | None = None
        self._model_timer: Timer | None = None
        self._code_timer: Timer | None = None
        self._version = -1  # of the text that `inspection` is about

    def compose_body(self) -> ComposeResult:
        ascii_only = self.app.ascii_only
        listed = Container(
            Input(placeholder="words to look for", id="experiments-filter"),
            ExperimentList(ascii_only=ascii_only, id="experiments-list"),
            Static(id="experiments-empty"),
            id="experiments-listed",
        )
        costs = VerticalScroll(
            CostsPanel(ascii_only=ascii_only, id="experiments-costs"),
            id="experiments-costs-scroll",
            classes="scrolling",
        )
        left = Split(listed, costs, name="experiments.left", share=0.4, stacked=True, id="experiments-left")
        editor = Container(id="experiments-editor")
        yield Split(left, editor, name="experiments.main", share=0.45, id="experiments-main")
        yield CostsStrip(ascii_only=ascii_only, id="experiments-strip")

    def on_mount(self) -> None:
        super().on_mount()
        self._restore()
        self.listing.show(first_rows(self.app.project.experiments))
        self.listing.focus()
        self._show_empty()
        self.call_after_refresh(self._open_editor)

    def _restore(self) -> None:
        listing, name = self.listing, self.app.session.get("experiments.selected", "")
        kind = self.app.session.get("experiments.kind", "experiment")
        if name:
            listing.expect(name, "template" if kind == "template" else "experiment")
        listing.marked = {str(one) for one in self.app.session.get("experiments.marked", [])}

    # --- from the text to figures ---

    async def _open_editor(self) -> None:
        """After the first frame: what it needs takes a tenth of a second to import."""
        if not self.app.project.exists or self._opening:
            return
        self._opening = True
        from workbench.screens.experiments.editing.buffer import Buffer
        from workbench.screens.experiments.editing.panel import EditPanel

        panel = EditPanel(Buffer(self.app.project.file), ascii_only=self.app.ascii_only, id="panel")
        await self.query_one("#experiments-editor").mount(panel)
        self.panel = panel
        self._inspect_soon(0.0)
        if (row := self.listing.selected) is not None:
            panel.show_experiment(row.name, row.kind)

    def _inspect_soon(self, after: float = _SETTLE) -> None:
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(max(after, 0.001), self._inspect_now)

    def _inspect_now(self) -> None:
        if self.panel is not None:
            self._inspect(self.panel.buffer.text, self.panel.buffer.version)

    @work(thread=True, group="inspect", exclusive=True, exit_on_error=False)
    def _inspect(self, text: str, version: int) -> None:
        worker = get_current_worker()
        inspection = self.reader.inspect(text)
        unchecked = self.reader.unchecked(inspection)
        if not worker.is_cancelled:
            self.post_message(TextInspected(inspection, text, version, unchecked))

    @on(TextInspected)
    def _take_inspection(self, message: TextInspected) -> None:
        self.inspection, self._version = message.inspection, message.version
        if self.panel is not None and self.panel.buffer.version == message.version:
            self.panel.show_inspection(message.inspection, message.version)
        main, before = str(self.app.project.file), self.listing.all_rows
        rows = rows_of(message.inspection, before, main=main, unchecked=message.unchecked)
        self.listing.show(rows)
        self._show_empty()
        self.refresh_bindings()
        self._weigh_chosen()
        self._read_briefs(message.inspection)
        self._when_quiet(message)

    def _when_quiet(self, message: TextInspected) -> None:
        """Once nobody typed for a while: import code that no one has tried yet."""
        if self._code_timer is not None:
            self._code_timer.stop()
            self._code_timer = None
        if message.unchecked:
            check = partial(self._check_code, message.inspection, message.text, message.unchecked)
            self._code_timer = self.set_timer(_QUIET, check)

    @work(thread=True, group="own code", exclusive=True, exit_on_error=False)
    def _check_code(self, inspection: Inspection, text: str, names: frozenset[str]) -> None:
        worker = get_current_worker()
        self.reader.check_code(inspection, text, names)
        if not worker.is_cancelled:
            self.app.call_from_thread(self._inspect_soon, 0.0)

    def weigh_again(self) -> None:
        self._inspect_soon(0.0)

    def _weigh_chosen(self) -> None:
        row = self.listing.selected
        if row is not None and self.inspection is not None and self.panel is not None:
            self._weigh(self.inspection, self.panel.buffer.saved_text, row, self._version, measure=False)

    @work(thread=True, group="weigh", exclusive=True, exit_on_error=False)
    def _weigh(self, inspection: Inspection, saved: str, row: Row, version: int, *, measure: bool) -> None:
        worker = get_current_worker()
        weighed = self.reader.weigh(inspection, saved, row.name, row.kind, version, measure=measure)
        if not worker.is_cancelled:
            self.post_message(TextWeighed(weighed))

    @on(TextWeighed)
    def _take_weighed(self, message: TextWeighed) -> None:
        row = self.listing.selected
        if row is None or (row.name, row.kind) != (message.weighed.name, message.weighed.kind):
            return
        self.weighed = message.weighed
        self.show_costs()
        self.refresh_bindings()
        if self._model_timer is not None:
            self._model_timer.stop()
            self._model_timer = None
        if message.weighed.needs_measuring:
            self._model_timer = self.set_timer(_QUIET, self._build_model)

    def _build_model(self) -> None:
        """Nobody typed for a while: let a process build the model, to know its size."""
        row = self.listing.selected
        if row is not None and self.inspection is not None and self.panel is not None and self.weighed is not None:
            self.weighed = replace(self.weighed, note="a process builds the model to find out its size ...")
            self.show_costs()
            self._weigh(self.inspection, self.panel.buffer.saved_text, row, self._version, measure=True)

    @work(thread=True, group="briefs", exclusive=True, exit_on_error=False)
    def _read_briefs(self, inspection: Inspection) -> None:
        worker = get_current_worker()
        found = dict(self.reader.briefs(inspection, lambda: not worker.is_cancelled))
        if not worker.is_cancelled:
            self.post_message(BriefsRead(found))

    @on(BriefsRead)
    def _take_briefs(self, message: BriefsRead) -> None:
        self.listing.show(
            [
                replace(row, brief=message.briefs[row.name])
                if row.kind == "experiment" and row.name in message.briefs
                else row
                for row in self.listing.all_rows
            ]
        )

    def show_costs(self) -> None:
        """Draw what is known of the chosen one."""
        for view in (self.query_one(CostsPanel), self.query_one(CostsStrip)):
            view.show(self.weighed, self.progress, self.dry_run_fault)

    # --- news ---

    def show_project(self) -> None:
        if self.panel is None:
            self.listing.show(first_rows(self.app.project.experiments))
            self._show_empty()
            if self.is_mounted:
                self.call_after_refresh(self._open_editor)

    def show_runs(self) -> None:
        made = made_by(self.app.runs)
        rows = self.listing.all_rows
        self.listing.show(
            [
                replace(row, made=made.get(row.name, type(row.made)())) if row.kind == "experiment" else row
                for row in rows
            ]
        )
        self._learn_speed()
        self.go_to_awaited_run()

    @work(thread=True, group="speed", exclusive=True, exit_on_error=False)
    def _learn_speed(self) -> None:
        worker = get_current_worker()
        if self.reader.learn(self.app.runs) and not worker.is_cancelled:
            self.app.call_from_thread(self._inspect_soon, 0.0)

    def show_all(self) -> None:
        super().show_all()
        name = self.app.session.get("experiments.selected", "")
        kind = self.app.session.get("experiments.kind", "experiment")
        row = self.listing.selected
        if name and (row is None or (row.name, row.kind) != (name, kind)):
            self.listing.select(name)

    def unsaved(self) -> str:
        return self.panel.buffer.unsaved() if self.panel is not None else ""

    def title_parts(self) -> list[Part]:
        parts: list[Part] = []
        if self.panel is not None and self.panel.buffer.dirty:
            parts.append(("not saved  ", "title--warn"))
        if self.inspection is not None and self.inspection.problems:
            count = len(self.inspection.problems)
            parts.append((f"{count} problem{'s' * (count != 1)}  ", "title--bad"))
        return parts

    # --- the list and the editor ---

    @on(ExperimentList.Chosen)
    def _choose(self, message: ExperimentList.Chosen) -> None:
        row = message.row
        self.refresh_bindings()
        if row is None:
            self.weighed = None
            self.show_costs()
            return
        self.app.session.set("experiments.selected", row.name)
        self.app.session.set("experiments.kind", row.kind)
        self.dry_run_fault = ""
        if self.panel is not None and not self._editor_has_focus:
            self.panel.show_experiment(row.name, row.kind)
        self._weigh_chosen()

    @property
    def _editor_has_focus(self) -> bool:
        focused = self.focused
        return focused is not None and self.panel is not None and self.panel in focused.ancestors_with_self

    @on(ExperimentList.Opened)
    def _open(self) -> None:
        self.action_edit()

    def action_edit(self) -> None:
        row = self.listing.selected
        if self.panel is None or row is None:
            return
        self.add_class("-editing")
        self.panel.show_experiment(row.name, row.kind)
        self.call_after_refresh(self._focus_editor)

    def _focus_editor(self) -> None:
        if self.panel is not None:
            self.panel.focus_face()

    def action_back(self) -> None:
        """One level back: the dry run, the filter's field, the editor, the filter, the marks."""
        listing = self.listing
        if self.dry_run is not None:
            self.stop_dry_run()
        elif self._editor_has_focus or self.has_class("-editing"):
            self.remove_class("-editing")
            listing.focus()
        elif self.query_one("#experiments-filter", Input).has_focus or listing.filter:
            self.query_one("#experiments-filter", Input).value = ""
            self.remove_class("-filtering")
            listing.focus()
        elif listing.marked:
            listing.marked = set()
            self._keep_marks()

    def action_filter(self) -> None:
        self.remove_class("-editing")
        self.add_class("-filtering")
        self.query_one("#experiments-filter", Input).focus()

    @on(Input.Changed, "#experiments-filter")
    def _filter(self, event: Input.Changed) -> None:
        self.listing.set_filter(event.value)

    @on(Input.Submitted, "#experiments-filter")
    def _end_filter(self) -> None:
        self.set_class(bool(self.listing.filter), "-filtering")
        self.listing.focus()

    @on(ExperimentList.Marked)
    def _keep_marks(self) -> None:
        self.app.session.set("experiments.marked", sorted(self.listing.marked))
        self.listing.refresh()
        self.refresh_bindings()

    def on_edit_panel_text_changed(self) -> None:
        """The text is another: look at it as soon as typing rests."""
        self._inspect_soon()
        self.show_title()

    def on_edit_panel_saved(self) -> None:
        """What the figures are compared with is another."""
        self._inspect_soon(0.0)
        self.show_title()

    def on_edit_panel_experiment_at_cursor(self, event: EditPanel.ExperimentAtCursor) -> None:
        """The editor's cursor went into another table."""
        if event.name and self._editor_has_focus:
            self.listing.select(event.name, "template" if event.kind == "template" else "experiment")

    # --- what there is when there is nothing ---

    def _show_empty(self) -> None:
        project = self.app.project
        empty = not self.listing.all_rows
        self.set_class(empty, "-no-experiments")
        if not empty:
            return
        if not project.exists:
            lines = [
                Content.styled(f"There is no {clean_line(str(project.file))} yet.", "bold"),
                Content(""),
                Content.assemble(
                    ("i", "bold $text-accent"), "  write one over a text of your own, or Python's sources"
                ),
            ]
        elif project.fault:
            lines = [
                Content.styled(clean_line(project.fault.splitlines()[0]), "$text-error"),
                Content(""),
                Content("e  edit it"),
            ]
        else:
            lines = [
                Content("The file has no experiment yet."),
                Content(""),
                Content.assemble(("n", "bold $text-accent"), "  a new one"),
            ]
        self.query_one("#experiments-empty", Static).update(Content("\n").join(lines))

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        row = self.listing.selected if self.is_mounted else None
        has_text = self.panel is not None
        match action:
            case "init":
                return not self.app.project.exists
            case "edit":
                return row is not None and has_text and not self._editor_has_focus
            case "launch":
                return row is not None and has_text and (row.kind == "experiment" or bool(self.listing.marked))
            case "measure":
                return row is not None and has_text and row.kind == "experiment" and self.dry_run is None
            case "sweep" | "resolved":
                return row is not None and has_text and row.kind == "experiment"
            case "copy" | "rename" | "delete":
                return row is not None and has_text and not row.elsewhere
            case "problem":
                return row is not None and row.verdict == "wrong"
            case "runs":
                return row is not None and bool(row.made.newest)
            case "new" | "external_editor" | "reload":
                return has_text
            case "undo" | "filter":
                return has_text and not self._editor_has_focus
            case "save":
                return self.panel is not None and self.panel.buffer.dirty
            case "decide":
                return self.panel is not None and self.panel.has_question
            case "back":
                listing = self.listing if self.is_mounted else None
                return listing is not None and bool(
                    self.dry_run
                    or self._editor_has_focus
                    or listing.filter
                    or listing.marked
                    or self.has_class("-filtering")
                )
        return super().check_action(action, parameters)
