"""A question whose answer is no unless someone presses y."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from craft.text import clean, clean_line, shorten
from workbench.actions import bindings_of


class ConfirmScreen(ModalScreen[bool]):
    """Gives True for y, False for anything else."""

    BINDINGS = bindings_of("confirm")

    def __init__(self, question: str, detail: str, command: str = "") -> None:
        super().__init__()
        self._lines = (question, detail, command)

    def compose(self) -> ComposeResult:
        question, detail, command = self._lines
        with Vertical(classes="dialog"):
            yield Static(Content.styled(shorten(question, 60), "bold"))
            yield Static(Content(clean(detail)), classes="space")
            if command:
                yield Static(Content.styled(f"  {clean_line(command)}", "$text-accent"))
            yield Static(
                Content.assemble(("y", "bold $text-accent"), " yes     ", ("n", "bold $text-accent"), " no"),
                classes="space",
            )

    def action_confirm(self) -> None:
        self.dismiss(True)

    def action_refuse(self) -> None:
        self.dismiss(False)
