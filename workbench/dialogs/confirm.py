"""A question whose answer is no unless someone presses y."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from workbench.actions import bindings_of
from workbench.dialogs.answers import Answers
from workbench.dialogs.dialog import Dialog


class ConfirmScreen(Dialog[bool]):
    """Gives True for y, False for anything else."""

    BINDINGS = bindings_of("confirm")

    def __init__(self, question: str, detail: str, command: str = "") -> None:
        super().__init__()
        self._lines = (question, detail, command)

    def compose(self) -> ComposeResult:
        question, detail, command = self._lines
        with Vertical(classes="dialog"):
            yield Static(Content.styled(self.line(question), "bold"))
            yield Static(Content(self.text(detail)), classes="space")
            if command:
                yield Static(Content.styled(f"  {self.line(command)}", "$text-accent"))
            yield Answers()

    def action_confirm(self) -> None:
        self.dismiss(True)

    def action_refuse(self) -> None:
        self.dismiss(False)
