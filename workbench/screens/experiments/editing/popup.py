"""A short list under the cursor of what could be written there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Offset
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from craft.text import fit, width_of

MOST_ROWS = 8
_WIDEST = 72
_TAB = " tab "


@dataclass(frozen=True)
class Completion:
    """Something to write, and a few words on it."""

    text: str
    about: str = ""


class Popup(Widget):
    """Lists completions over all else. Nothing is chosen until the person moves to it."""

    COMPONENT_CLASSES = {"popup--name", "popup--about", "popup--chosen"}

    class Taken(Message):
        """One was clicked."""

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self.ascii_only = ascii_only
        self._all: list[Completion] = []
        self._chosen = -1
        self._top = 0
        self._room = 0  # columns for the names

    @property
    def is_open(self) -> bool:
        return bool(self.display) and bool(self._all)

    @property
    def chosen(self) -> Completion | None:
        """What the person moved to."""
        return self._all[self._chosen] if self.is_open and self._chosen >= 0 else None

    @property
    def first(self) -> Completion | None:
        return self._all[0] if self.is_open else None

    def open(self, completions: Sequence[Completion], at: Offset) -> None:
        """Show completions below a place of the screen."""
        self._all, self._chosen, self._top = list(completions), -1, 0
        names = max((width_of(one.text) for one in self._all), default=0)
        abouts = max((width_of(one.about) for one in self._all), default=0)
        room = self.screen.size.width - 2
        self._room = min(names, room)
        width = min(self._room + 4 + abouts, max(_WIDEST, self._room + 4), room)
        self.styles.width = width
        rows = min(len(self._all), MOST_ROWS)
        self.styles.height = rows
        below = at.y + 1
        top = below if below + rows <= self.screen.size.height - 1 else max(at.y - rows, 0)
        left = max(min(at.x, self.screen.size.width - width), 0)
        self.absolute_offset = Offset(left, top)
        self.display = True
        self.refresh(layout=True)

    def close(self) -> None:
        self.display = False
        self._all = []

    def move(self, by: int) -> None:
        """Choose the next one, or the one before; before the first is none."""
        self._chosen = (self._chosen + 1 + by) % (len(self._all) + 1) - 1
        if self._chosen >= 0:
            self._top = min(max(self._top, self._chosen - MOST_ROWS + 1), self._chosen)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        index, width = self._top + y, self.size.width
        if index >= len(self._all):
            return Strip.blank(width, self.rich_style)
        one = self._all[index]
        under = self.get_component_rich_style("popup--chosen")
        look = Style(bgcolor=under.bgcolor, bold=True) if index == self._chosen else Style()
        name = self.get_component_rich_style("popup--name")
        about = self.get_component_rich_style("popup--about")
        mark = ">" if index == self._chosen else " "
        room = max(width - self._room - 4, 0)
        # The first is taken without being chosen, which nobody could know.
        key = _TAB if index == 0 and self._chosen < 0 and room > len(_TAB) + 8 else ""
        segments = [
            Segment(f"{mark}{fit(one.text, self._room, ascii_only=self.ascii_only)}  ", name + look),
            Segment(fit(one.about, room + 1 - len(key), ascii_only=self.ascii_only), about + look),
            Segment(key, name),
        ]
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def on_click(self, event: events.Click) -> None:
        event.stop()
        if self._top + event.y < len(self._all):
            self._chosen = self._top + event.y
            self.post_message(self.Taken())

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._top = min(self._top + 1, max(len(self._all) - MOST_ROWS, 0))
        self.refresh()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._top = max(self._top - 1, 0)
        self.refresh()
