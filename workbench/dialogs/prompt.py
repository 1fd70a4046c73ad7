"""One line of text from a person, checked while it is typed."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from workbench.actions import bindings_of
from workbench.dialogs.answers import Answers
from workbench.dialogs.dialog import Dialog
from workbench.widgets.typed import Line


class PromptScreen(Dialog[str | None]):
    """Gives the text, or None when it was left. `check` says what is wrong with a text; empty when nothing is."""

    BINDINGS = bindings_of("prompt")
    KEEPS_TYPED = True

    def __init__(
        self,
        question: str,
        *,
        detail: str = "",
        value: str = "",
        placeholder: str = "",
        check: Callable[[str], str] = lambda text: "",
    ) -> None:
        super().__init__()
        self._question, self._detail, self._value, self._placeholder = question, detail, value, placeholder
        self._check = check

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content.styled(self.line(self._question), "bold"))
            if self._detail:
                yield Static(Content(self.text(self._detail)), classes="space")
            yield Line(self._value, placeholder=self._placeholder, classes="space")
            yield Static(id="fault")
            yield Answers()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._fault_in(event.value)

    def _fault_in(self, value: str) -> str:
        """What is wrong with it, which is shown; empty when nothing is."""
        fault = self._check(value)
        self.query_one("#fault", Static).update(Content.styled(self.text(fault), "$text-error"))
        return fault

    def on_input_submitted(self) -> None:
        self.action_accept()

    def action_accept(self) -> None:
        value = self.query_one(Input).value
        if not self._fault_in(value):
            self.dismiss(value)

    def action_cancel(self) -> None:
        self.dismiss(None)
