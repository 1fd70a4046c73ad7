"""The keys that work on the screen below, as bound at this moment."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from workbench.actions import PLACES, bindings_of, key_name


class HelpScreen(ModalScreen[None]):
    """Lists real bindings, so it cannot say what is not so."""

    BINDINGS = bindings_of("text")

    def __init__(self, below: Screen[object]) -> None:
        super().__init__()
        active = below.active_bindings
        self._rows: list[tuple[str, str]] = []
        for action in (action for actions in PLACES.values() for action in actions):
            bound = [key for key in action.keys if key in active and active[key].binding.action == action.name]
            if bound and action.help not in (text for _, text in self._rows):
                self._rows.append(("  ".join(map(key_name, bound)), action.help))

    def compose(self) -> ComposeResult:
        width = max((len(keys) for keys, _ in self._rows), default=0)
        lines = [Content.styled("keys", "bold"), Content("")]
        for keys, text in self._rows:
            lines.append(Content.assemble((keys.ljust(width), "$text-accent"), "   ", text))
        with VerticalScroll(classes="dialog"):
            yield Static(Content("\n").join(lines))

    def action_back(self) -> None:
        self.dismiss()

    def action_scroll_down(self) -> None:
        self.query_one(VerticalScroll).scroll_down()

    def action_scroll_up(self) -> None:
        self.query_one(VerticalScroll).scroll_up()
