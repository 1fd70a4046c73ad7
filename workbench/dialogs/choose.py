"""One of several things, found by typing a part of its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from workbench.actions import bindings_of
from workbench.dialogs.answers import Answers
from workbench.dialogs.dialog import Dialog
from workbench.widgets.choices import Choices
from workbench.widgets.typed import Line

T = TypeVar("T")
_MOST = 500  # options that are listed at once; typing finds the others


@dataclass(frozen=True)
class Choice(Generic[T]):
    """Something to choose, what it is called, and a few words on it."""

    value: T
    name: str
    about: str = ""
    words: str = ""
    """Others by which it is found too."""

    @property
    def found_by(self) -> str:
        return f"{self.name} {self.about} {self.words}".lower()


class ChooseScreen(Dialog[T | None]):
    """Gives the value that was chosen, or None."""

    BINDINGS = bindings_of("choose")

    def __init__(self, question: str, choices: Sequence[Choice[T]], *, at: int = 0) -> None:
        super().__init__()
        self._question, self._choices, self._at = question, list(choices), at
        self._shown: list[Choice[T]] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content.styled(self.line(self._question), "bold"))
            yield Line(placeholder="type to find", classes="space")
            yield Choices(classes="space")
            yield Answers()

    def on_mount(self) -> None:
        self._list("")
        if 0 <= self._at < len(self._shown):
            self.query_one(OptionList).highlighted = self._at

    def _list(self, words: str) -> None:
        wanted = words.lower().split()
        found = [one for one in self._choices if all(word in one.found_by for word in wanted)]
        self._shown = found[:_MOST]
        options = self.query_one(Choices)
        options.clear_options()
        options.add_options(Option(self._line(one)) for one in self._shown)
        if self._shown:
            options.highlighted = 0
        elif wanted:
            options.say_nothing_matches(words, ascii_only=self.app.ascii_only)

    def _line(self, one: Choice[T]) -> Content:
        return Content.assemble(self.line(one.name), (f"  {self.line(one.about)}", "$foreground 55%"))

    def on_input_changed(self, event: Input.Changed) -> None:
        self._list(event.value)

    def on_input_submitted(self) -> None:
        self.action_accept()

    def on_option_list_option_selected(self) -> None:
        self.action_accept()

    def action_accept(self) -> None:
        place = self.query_one(OptionList).highlighted
        if place is not None and place < len(self._shown):
            self.dismiss(self._shown[place].value)

    def action_cursor_down(self) -> None:
        self.query_one(OptionList).action_cursor_down()

    def action_cursor_up(self) -> None:
        self.query_one(OptionList).action_cursor_up()

    def action_page_down(self) -> None:
        self.query_one(OptionList).action_page_down()  # type: ignore[no-untyped-call]

    def action_page_up(self) -> None:
        self.query_one(OptionList).action_page_up()  # type: ignore[no-untyped-call]

    def action_cancel(self) -> None:
        self.dismiss(None)
