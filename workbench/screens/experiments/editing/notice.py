"""A line above the text that says what needs a decision, with the choices to click; a key opens them as a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.segment import Segment
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from craft.text import shorten, width_of


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
    """Shows one notice, or is not there."""

    COMPONENT_CLASSES = {"notice--choice", "notice--fault"}

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

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if self.notice is None or y:
            return Strip.blank(width, self.rich_style)
        choice = self.get_component_rich_style("notice--choice")
        plain = self.get_component_rich_style("notice--fault") if self.notice.is_fault else self.rich_style
        tail = [("  ctrl+o ", plain), *((f" {one.name} ", choice) for one in self.notice.choices)]
        size = sum(width_of(text) + 1 for text, _ in tail) if self.notice.choices else 0
        text = " " + shorten(self.notice.text, max(width - size - 2, 12), ascii_only=self.ascii_only)
        segments = [Segment(text, plain)]
        self._places = []
        used = width_of(text)
        if self.notice.choices:
            segments.append(Segment(tail[0][0], plain))
            used += width_of(tail[0][0])
            for one, (name, style) in zip(self.notice.choices, tail[1:], strict=True):
                segments += [Segment(name, style), Segment(" ", plain)]
                self._places.append((used, used + width_of(name), one))
                used += width_of(name) + 1
        return Strip(segments).adjust_cell_length(width, plain)

    def on_click(self, event: events.Click) -> None:
        event.stop()
        for start, stop, one in self._places:
            if start <= event.x < stop:
                one.do()
                return
