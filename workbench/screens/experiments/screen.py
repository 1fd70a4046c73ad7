"""The experiments of a file: listed, edited, weighed, tried and launched.

    list     | editor        screen.py     what is shown, and the news
    costs    |               weighing.py   from the text to figures
                             changing.py   new, copy, rename, delete, sweep
                             measuring.py  the dry run
                             launching.py  from the text to queued runs
                             looking.py    what it makes of its text

The first frame names the experiments and needs nothing that is not read yet; the editor follows right after it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from craft.text import clean_line
from workbench.actions import bindings_of
from workbench.screens.experiments.changing import Changing
from workbench.screens.experiments.costs_view import CostsPanel, CostsStrip
from workbench.screens.experiments.launching import Launching
from workbench.screens.experiments.listing import ExperimentList
from workbench.screens.experiments.looking import Looking
from workbench.screens.experiments.rows import first_rows, made_by
from workbench.screens.experiments.weighing import Weighing
from workbench.widgets.bars import Part
from workbench.widgets.split import Split
from workbench.widgets.typed import Line

if TYPE_CHECKING:
    from workbench.screens.experiments.editing.notice import NoticeBar
    from workbench.screens.experiments.editing.panel import EditPanel


class ExperimentsScreen(Launching, Looking, Changing, Weighing):
    """What is shown, and what the list and the editor have to do with each other."""

    PLACE = "experiments"
    CSS_PATH = ["experiments.tcss", "editing/editing.tcss"]
    BINDINGS = bindings_of("experiments")

    def __init__(self) -> None:
        super().__init__()
        self._opening = False
        self._project = self.app.project  # as it was shown last

    def compose_body(self) -> ComposeResult:
        ascii_only = self.app.ascii_only
        words = self.app.session.get("experiments.filter", "")
        self.set_class(bool(words), "-filtering")
        listed = Container(
            Line(words, placeholder="words to look for", id="experiments-filter"),
            Static(id="experiments-above", classes="above"),
            Static(id="experiments-asked", classes="above"),
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
        self._restore()
        self.listing.show(first_rows(self.app.project.experiments))
        self.listing.focus()
        self.show_empty()

    def _restore(self) -> None:
        listing, name = self.listing, self.app.session.get("experiments.selected", "")
        kind = self.app.session.get("experiments.kind", "experiment")
        if name:
            listing.expect(name, "template" if kind == "template" else "experiment")
        listing.marked = set(self.app.session.texts("experiments.marked"))

    def show_rest(self) -> None:
        """The editor: what it needs takes a tenth of a second to import."""
        self.call_after_refresh(self._open_editor)

    async def _open_editor(self) -> None:
        if not self.app.project.exists or self._opening:
            return
        self._opening = True
        from workbench.screens.experiments.editing.buffer import Buffer
        from workbench.screens.experiments.editing.panel import EditPanel

        panel = EditPanel(Buffer(self.app.project.file), ascii_only=self.app.ascii_only, id="panel")
        await self.query_one("#experiments-editor").mount(panel)
        self.panel = panel
        self.inspect_soon(0.0)
        if (row := self.listing.selected) is not None:
            panel.show_experiment(row.name, row.kind)

    # --- news ---

    def show_project(self) -> None:
        if self.panel is None:
            self.listing.show(first_rows(self.app.project.experiments))
            self.show_empty()
            if self.app.is_reading:
                self.show_rest()
        elif self.app.project is not self._project:
            if self._reader is not None:
                self._reader.forget()
            self.inspect_soon(0.0)  # what it includes may be another, under the same text
        self._project = self.app.project

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
            self.app.call_from_thread(self.inspect_soon, 0.0)

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
        self.weigh_chosen()

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
        if row.elsewhere:
            self.app.say(f"'{row.name}' stands in {row.elsewhere}; open that file to edit it", "warning")
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
        self.app.session.set("experiments.filter", event.value)
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
        self.inspect_soon()
        self.show_title()

    def on_edit_panel_saved(self) -> None:
        """What the figures are compared with is another."""
        self.inspect_soon(0.0)
        self.show_title()

    def on_edit_panel_wanted(self, event: EditPanel.Wanted) -> None:
        """Where only one of them has room, the editor is shown, and not the list."""
        self.add_class("-editing")
        if event.name:
            self.listing.expect(event.name, "template" if event.kind == "template" else "experiment")

    def on_edit_panel_experiment_at_cursor(self, event: EditPanel.ExperimentAtCursor) -> None:
        """The editor's cursor went into another table."""
        if event.name and self._editor_has_focus:
            self.listing.expect(event.name, "template" if event.kind == "template" else "experiment")

    # --- what is said above the list, and what there is when there is nothing ---

    def show_above(self) -> None:
        inspection = self.inspection
        problem = inspection.problems[0] if inspection is not None and inspection.file is None else None
        self.set_class(problem is not None and bool(self.listing.all_rows), "-stale")
        if problem is not None:
            place = f"line {problem.line}: " if problem.line else ""
            words = clean_line(f"{place}{problem.message}; list and costs are those of before")
            self.query_one("#experiments-above", Static).update(Content(words))

    def on_notice_bar_shown(self, event: NoticeBar.Shown) -> None:
        """The line above the text is repeated above the list, where that stands alone."""
        self.set_class(event.notice is not None, "-asked")
        if event.notice is not None:
            how = ("  ctrl+o decide", "bold $text-accent") if event.notice.choices else ""
            self.query_one("#experiments-asked", Static).update(Content.assemble(clean_line(event.notice.text), how))

    def show_empty(self) -> None:
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
                Content.assemble(("d", "bold $text-accent"), "  the demo: a small model, and a curve in seconds"),
            ]
        elif project.fault:
            lines = [
                Content.styled(clean_line(project.fault.splitlines()[0]), "$text-error"),
            ]
            if self.panel is not None and not self.panel.buffer.fault:
                key = ("E", "bold $text-accent")
                lines += [Content(""), Content.assemble(key, "  mend it with $VISUAL or $EDITOR")]
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
            case "sweep" | "resolved" | "batch" | "pieces" | "prepare":
                return row is not None and has_text and row.kind == "experiment"
            case "copy" | "rename" | "delete":
                return row is not None and has_text and not row.elsewhere
            case "problem":
                return row is not None and (row.verdict == "wrong" or self.has_class("-stale"))
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
