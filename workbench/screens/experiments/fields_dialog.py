"""A dialog of a few fields, each checked while it is typed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static

from workbench.actions import bindings_of
from workbench.dialogs.answers import Answers
from workbench.dialogs.dialog import Dialog
from workbench.widgets.typed import Line


@dataclass(frozen=True)
class Field:
    """One line to fill in."""

    label: str
    value: str = ""
    placeholder: str = ""
    suggestions: Sequence[str] = ()


class FieldsScreen(Dialog[list[str] | None]):
    """Gives what stands in the fields, or None. `check` says what is wrong with them; empty when nothing is."""

    BINDINGS = bindings_of("fields")
    KEEPS_TYPED = True

    def __init__(
        self, question: str, fields: Sequence[Field], check: Callable[[list[str]], str], *, detail: str = ""
    ) -> None:
        super().__init__()
        self._question, self._fields, self._check, self._detail = question, fields, check, detail

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog"):
            yield Static(Content.styled(self.line(self._question), "bold"))
            if self._detail:
                yield Static(Content.styled(self.text(self._detail), "$foreground 60%"))
            for field in self._fields:
                yield Static(Content(self.line(field.label)), classes="space")
                suggester = SuggestFromList(field.suggestions, case_sensitive=False) if field.suggestions else None
                yield Line(field.value, placeholder=field.placeholder, suggester=suggester)
            yield Static(id="fault", classes="space")
            yield Answers()

    def on_mount(self) -> None:
        self.query(Input).first().focus()
        self._show_fault()

    @property
    def values(self) -> list[str]:
        """What stands in the fields now."""
        return [field.value for field in self.query(Input)]

    def on_input_changed(self) -> None:
        self._show_fault()

    def _show_fault(self) -> None:
        fault = self._check(self.values)
        self.query_one("#fault", Static).update(Content.styled(self.text(fault), "$text-error"))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        inputs = list(self.query(Input))
        place = inputs.index(event.input)
        if place + 1 < len(inputs):
            inputs[place + 1].focus()
        else:
            self.action_accept()

    def action_accept(self) -> None:
        if not self._check(self.values):
            self.dismiss(self.values)

    def action_cancel(self) -> None:
        self.dismiss(None)
