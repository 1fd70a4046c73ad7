"""A line above the text that says what needs a decision, with the choices to click; a key opens them as a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from craft.text import shorten, width_of

_KEY = "  ctrl+o decide  "


@dataclass(frozen=True)
class Decision:
    """One choice of a notice."""

    name: str
    about: str
    do: Callable[[], None]


@dataclass(frozen=True)
class Notice:
    """What is to be said; without choices it only says it."""

    text: str
    choices: tuple[Decision, ...] = ()
    is_fault: bool = False


class NoticeBar(Widget):
    """Shows one notice, or is not there. Choices stand in it where all of them have room."""

    COMPONENT_CLASSES = {"notice--choice", "notice--fault"}

    class Shown(Message):
        """Another notice is shown, or none."""

        def __init__(self, notice: Notice | None) -> None:
            super().__init__()
            self.notice = notice

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self.ascii_only = ascii_only
        self.notice: Notice | None = None
        self._places: list[tuple[int, int, Decision]] = []

    def show(self, notice: Notice | None) -> None:
        """Show another notice, or none."""
        if notice != self.notice:
            self.notice = notice
            self.display = notice is not None
            self.refresh()
            self.post_message(self.Shown(notice))

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if self.notice is None or y:
            return Strip.blank(width, self.rich_style)
        choice = self.get_component_rich_style("notice--choice")
        plain = self.get_component_rich_style("notice--fault") if self.notice.is_fault else self.rich_style
        self._places = []
        choices = self.notice.choices
        key = _KEY if choices else ""
        if width_of(self.notice.text) + sum(width_of(one.name) + 3 for one in choices) + len(_KEY) + 1 > width:
            choices = ()
        text = " " + shorten(self.notice.text, max(width - len(key) - 1, 12), ascii_only=self.ascii_only) + key
        segments = [Segment(text, plain)]
        used = width_of(text)
        for one in choices:
            name = f" {one.name} "
            segments += [Segment(name, choice), Segment(" ", plain)]
            self._places.append((used, used + width_of(name), one))
            used += width_of(name) + 1
        return Strip(segments).adjust_cell_length(width, plain)

    def on_click(self, event: events.Click) -> None:
        event.stop()
        for start, stop, one in self._places:
            if start <= event.x < stop:
                one.do()
                return
