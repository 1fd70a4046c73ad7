"""The one line that a value is typed into, over the row that it belongs to."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.geometry import Region
from textual.message import Message

from workbench.widgets.own_keys import OwnKeys
from workbench.widgets.typed import Line


class ValueInput(OwnKeys, Line):
    """Shown by `open`; says what was typed when it is taken, and that it was left when it is not."""

    class Given(Message):
        """Enter, or another place was clicked; `by_key` is False for the latter."""

        def __init__(self, text: str, *, by_key: bool) -> None:
            super().__init__()
            self.text, self.by_key = text, by_key

    class Left(Message):
        """Escape: nothing shall change."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(compact=True, select_on_focus=False, id=id)
        self.takes_key: Callable[[str], bool] = lambda key: False
        """Whether a key is for the list below it, and done with."""
        self.display = False
        self.began = ""
        """What stood there when it was opened."""

    def open(self, value: str, place: Region) -> None:
        """Show it over a place of the screen, with a value to change."""
        self.began = value
        self.value = value
        self.place(place)
        self.display = True
        self.focus()
        self.select_all()

    def place(self, place: Region) -> None:
        """Put it somewhere else."""
        self.styles.width = max(place.width, 8)
        self.absolute_offset = place.offset
        self.refresh(layout=True)

    def close(self) -> None:
        self.display = False

    async def _on_key(self, event: events.Key) -> None:
        if self.takes_key(event.key):
            event.stop()
            event.prevent_default()
        elif event.key == "escape":
            event.stop()
            event.prevent_default()
            self.post_message(self.Left())

    async def action_submit(self) -> None:
        self.post_message(self.Given(self.value, by_key=True))

    def _on_blur(self, event: events.Blur) -> None:
        if self.display:
            changed = self.value != self.began
            self.post_message(self.Given(self.value, by_key=False) if changed else self.Left())
