"""Which charts of a run are shown: found by typing, taken and left by enter."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from workbench.actions import bindings_of
from workbench.dialogs.answers import Answers
from workbench.dialogs.dialog import Dialog
from workbench.screens.runs.details.panels import Panel
from workbench.widgets.choices import Choices
from workbench.widgets.typed import Line


class MetricPicker(Dialog[list[str] | None]):
    """Gives the keys of what is to be shown; with none chosen everything is."""

    BINDINGS = bindings_of("metric picker")

    def __init__(self, panels: Sequence[Panel], chosen: Sequence[str]) -> None:
        super().__init__()
        self._panels = panels
        self._chosen = {panel.key for panel in panels if panel.key in chosen} or {panel.key for panel in panels}
        self._shown: list[Panel] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content.styled("Which metrics are shown?", "bold"))
            yield Line(placeholder="type to find", classes="space")
            yield Choices(classes="space")
            yield Answers()

    def on_mount(self) -> None:
        self._list("")

    def _list(self, words: str) -> None:
        wanted = words.lower().split()
        self._shown = [panel for panel in self._panels if all(word in panel.words for word in wanted)]
        options = self.query_one(Choices)
        options.clear_options()
        options.add_options(Option(self._line(panel)) for panel in self._shown)
        if self._shown:
            options.highlighted = 0
        else:
            options.say_nothing_matches(words, ascii_only=self.app.ascii_only)

    def _line(self, panel: Panel) -> Content:
        mark = "[x]" if panel.key in self._chosen else "[ ]"
        names = self.line(", ".join(panel.names))
        also = f"  {names}" if names != panel.title else ""
        return Content.assemble(f"{mark} {self.line(panel.title)}", (also, "$foreground 55%"))

    def on_input_changed(self, event: Input.Changed) -> None:
        self._list(event.value)

    def on_input_submitted(self) -> None:
        self.action_take_or_leave()

    def on_option_list_option_selected(self) -> None:
        self.action_take_or_leave()

    def action_take_or_leave(self) -> None:
        place = self.query_one(OptionList).highlighted
        if place is not None and place < len(self._shown):
            self._chosen ^= {self._shown[place].key}
            self._draw([place])

    def action_take_all(self) -> None:
        shown = {panel.key for panel in self._shown}
        self._chosen = self._chosen - shown if shown <= self._chosen else self._chosen | shown
        self._draw(range(len(self._shown)))

    def _draw(self, places: Sequence[int]) -> None:
        options = self.query_one(OptionList)
        for place in places:
            options.replace_option_prompt_at_index(place, self._line(self._shown[place]))

    def action_cursor_down(self) -> None:
        self.query_one(OptionList).action_cursor_down()

    def action_cursor_up(self) -> None:
        self.query_one(OptionList).action_cursor_up()

    def action_done(self) -> None:
        self.dismiss([panel.key for panel in self._panels if panel.key in self._chosen])
