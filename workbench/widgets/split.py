"""Two panes with a divider between them that mouse and keys move; where it stands is remembered."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

if TYPE_CHECKING:
    from workbench.bench import Bench

LEAST, MOST = 0.1, 0.9


class Divider(Widget):
    """The line between two panes. Dragging it moves it; a double click puts it back."""

    class Moved(Message):
        """The divider was dragged to a place on the screen."""

        def __init__(self, x: int, y: int) -> None:
            super().__init__()
            self.x, self.y = x, y

    class PutBack(Message):
        """The divider shall stand where it stood at first."""

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self.capture_mouse()
        self.add_class("-dragged")
        event.stop()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self.release_mouse()
        self.remove_class("-dragged")
        event.stop()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self.has_class("-dragged"):
            self.post_message(self.Moved(event.screen_x, event.screen_y))
            event.stop()

    def on_click(self, event: events.Click) -> None:
        if event.chain == 2:
            self.post_message(self.PutBack())

    def render(self) -> str:
        return ""


class Split(Container):
    """`first` and `second` beside each other, or with `stacked` below each other; `share` is the first one's part.

    `name` is where the share is kept, in the person's memory.
    """

    app: Bench
    share: reactive[float] = reactive(0.5, init=False)
    stacked: reactive[bool] = reactive(False, init=False)
    enough: reactive[int] = reactive(0, init=False)
    """Rows with which the first pane has all that it can show, so that the second may have the rest; 0: not known."""

    def __init__(
        self, first: Widget, second: Widget, *, name: str, share: float, stacked: bool = False, id: str | None = None
    ) -> None:
        super().__init__(name=name, id=id)
        self.first, self.second = first, second
        self._at_first = share
        self.set_reactive(Split.share, share)
        self.set_reactive(Split.stacked, stacked)
        self.set_class(stacked, "-stacked")  # before there are widgets inside, whose styles would be looked up again

    def compose(self) -> ComposeResult:
        yield self.first
        yield Divider()
        yield self.second

    def on_mount(self) -> None:
        share = self.app.memory.get(f"split.{self.name}", self._at_first)
        self.set_reactive(Split.share, self.validate_share(share if math.isfinite(share) else self._at_first))
        self._arrange()

    def watch_share(self) -> None:
        self.app.memory.set(f"split.{self.name}", self.share)
        self._arrange()

    def watch_stacked(self) -> None:
        self._arrange()

    def watch_enough(self) -> None:
        self._arrange()

    def validate_share(self, share: float) -> float:
        return max(LEAST, min(share, MOST))

    def put_back(self) -> None:
        """The divider where it stood at first."""
        self.share = self._at_first

    def move(self, by: float) -> None:
        """Give the first pane so much more of the whole."""
        self.share = self.share + by

    def _arrange(self) -> None:
        self.set_class(self.stacked, "-stacked")
        parts = ((self.first, self.share), (self.second, 1 - self.share))
        for pane, part in parts:
            pane.styles.width, pane.styles.height = ("1fr", f"{part}fr") if self.stacked else (f"{part}fr", "1fr")
        self.first.styles.max_height = self.enough if self.stacked and self.enough else None

    def on_divider_moved(self, event: Divider.Moved) -> None:
        event.stop()
        area = self.content_region
        size, place = (area.height, event.y - area.y) if self.stacked else (area.width, event.x - area.x)
        if size > 1:
            self.share = place / size

    def on_divider_put_back(self, event: Divider.PutBack) -> None:
        event.stop()
        self.put_back()
