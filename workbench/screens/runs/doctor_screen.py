"""What is wrong with this machine and these runs, as `craft doctor` finds it, a line as soon as it is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static
from textual.worker import get_current_worker

from workbench.actions import bindings_of
from workbench.dialogs.dialog import Dialog

if TYPE_CHECKING:
    from craft.launch.doctor import Finding

_STYLES = {"ok": "$text-success", "warning": "$text-warning", "fault": "$text-error", "fixed": "$text-accent"}


class DoctorScreen(Dialog[None]):
    """Examines when it is opened. `craft doctor --fix` puts right what can be."""

    BINDINGS = bindings_of("text")

    def __init__(self, runs_dir: Path) -> None:
        super().__init__()
        self._runs_dir = runs_dir
        self._found: list[Content] = []

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog wide"):
            yield Static(Content.styled("this machine and these runs", "bold"))
            yield Static(Content("looking ..."), id="found", classes="space")

    def on_mount(self) -> None:
        self._examine()

    @work(thread=True, group="doctor", exit_on_error=False)
    def _examine(self) -> None:
        from craft.launch.doctor import Patient, examine

        worker = get_current_worker()
        repairable = 0
        for finding in examine(Patient(self._runs_dir)):
            if worker.is_cancelled:
                return
            repairable += finding.repair is not None
            self.app.call_from_thread(self._add, self._line(finding))
        if not worker.is_cancelled:
            end = f"'craft doctor --fix' puts {repairable} of it right" if repairable else "that is all"
            self.app.call_from_thread(self._add, Content.styled(f"\n{end}", "$foreground 60%"))

    def _line(self, finding: Finding) -> Content:
        advice = f"\n{' ' * 21}{self.line(finding.advice)}" if finding.advice and finding.state != "ok" else ""
        return Content.assemble(
            (f"{finding.state:<9}", _STYLES[finding.state]),
            (f"{finding.check:<12}", "bold"),
            self.line(finding.text),
            (advice, "$text-accent"),
        )

    def _add(self, line: Content) -> None:
        if self.is_mounted:
            self._found.append(line)
            self.query_one("#found", Static).update(Content("\n").join(self._found))

    def _scroller(self) -> VerticalScroll:
        return self.query_one(VerticalScroll)

    def action_back(self) -> None:
        self.dismiss()

    def action_scroll_down(self) -> None:
        self._scroller().scroll_down()

    def action_scroll_up(self) -> None:
        self._scroller().scroll_up()

    def action_page_down(self) -> None:
        self._scroller().scroll_page_down()

    def action_page_up(self) -> None:
        self._scroller().scroll_page_up()

    def action_scroll_home(self) -> None:
        self._scroller().scroll_home()

    def action_scroll_end(self) -> None:
        self._scroller().scroll_end()
