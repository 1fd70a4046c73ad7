"""What is wrong with this machine and these runs, as `craft doctor` finds it, a line as soon as it is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static
from textual.worker import get_current_worker

from workbench.actions import bindings_of
from workbench.dialogs.answers import Answers
from workbench.dialogs.scrolling import ScrollingDialog

if TYPE_CHECKING:
    from craft.launch.doctor import Finding

_STYLES = {"ok": "$text-success", "warning": "$text-warning", "fault": "$text-error", "fixed": "$text-accent"}
_QUIET = "$foreground 60%"


class DoctorScreen(ScrollingDialog[None]):
    """Examines when it is opened, and puts right what costs nothing when it is asked to."""

    BINDINGS = bindings_of("doctor")

    def __init__(self, runs_dir: Path) -> None:
        super().__init__()
        self._runs_dir = runs_dir
        self._found: list[Content] = []
        self._repairable = 0
        """What was found that can be put right; nothing while it is looked for."""

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog wide"):
            yield Static(Content.styled("this machine and these runs", "bold"))
            yield Static(id="verdict")  # above: what is found may be longer than the screen
            yield Static(id="found", classes="space")
            yield Answers()

    def on_mount(self) -> None:
        self._begin()

    def _begin(self, *, fix: bool = False) -> None:
        self._found, self._repairable = [], 0
        self._say("looking ...")
        self._examine(fix)

    @work(thread=True, group="doctor", exclusive=True, exit_on_error=False)
    def _examine(self, fix: bool) -> None:
        from craft.launch.doctor import Patient, examine

        worker = get_current_worker()
        repairable = 0
        for finding in examine(Patient(self._runs_dir), fix=fix):
            if worker.is_cancelled:
                return
            repairable += finding.repair is not None
            self.app.call_from_thread(self._add, self._line(finding))
        if not worker.is_cancelled:
            self.app.call_from_thread(self._end, repairable)

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

    def _end(self, repairable: int) -> None:
        if self.is_mounted:
            self._repairable = repairable
            self._say(f"f puts {repairable} of it right" if repairable else "that is all")
            self.refresh_bindings()
            self.app.look_soon()

    def _say(self, words: str) -> None:
        self.query_one("#verdict", Static).update(Content.styled(words, _QUIET))

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        return bool(self._repairable) if action == "repair" else True

    def action_repair(self) -> None:
        self._begin(fix=True)
