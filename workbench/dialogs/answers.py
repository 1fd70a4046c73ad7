"""The foot of a dialog: the answers it takes, each with its key, to be clicked where there is no key to press."""

from __future__ import annotations

from textual.geometry import Size

from craft.text import width_of
from workbench.actions import actions_of, key_name
from workbench.widgets.bars import KeyBar, Part


class Answers(KeyBar):
    """What the dialog itself can do now and has a name for, also where a field takes its keys; as wide as that is."""

    def __init__(self) -> None:
        super().__init__()
        self.add_class("space")

    def _read(self) -> None:
        parts: list[Part] = []
        for _, action in actions_of(self.screen):
            if action.label:
                self._namespaces[action.name] = self.screen
                key = key_name(action.keys[0], ascii_only=self.app.ascii_only)
                parts += [(key, action.name), (action.label, "")]
        if parts != self._parts:
            self.set_parts(parts)
            self.refresh(layout=True)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return sum(width_of(text) for text, _ in self.line(container.width or viewport.width))
