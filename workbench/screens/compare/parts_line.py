"""One line of things that can be clicked, each with its key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.segment import Segment
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from craft.text import shorten, width_of


class Part(NamedTuple):
    """What it says, its look (key, plain, head, here, quiet), and the screen's action that a click runs; none: ""."""

    text: str
    look: str
    action: str = ""


class PartsLine(Widget):
    """Drawn again only when its parts change; what does not fit is left out."""

    COMPONENT_CLASSES = {f"parts--{look}" for look in ("key", "plain", "head", "here", "quiet")}

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self._ascii_only = ascii_only
        self._shown: list[Part] = []
        self._ends: list[tuple[int, str]] = []

    def show(self, parts: Sequence[Part]) -> None:
        """Show these."""
        if list(parts) != self._shown:
            self._shown = list(parts)
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y:
            return Strip.blank(width, self.rich_style)
        segments: list[Segment] = []
        self._ends = []
        used = 0
        for part in self._shown:
            text = shorten(part.text, width - used, ascii_only=self._ascii_only)
            used += width_of(text)
            segments.append(Segment(text, self.get_component_rich_style(f"parts--{part.look}")))
            self._ends.append((used, part.action))
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    async def on_click(self, event: events.Click) -> None:
        action = next((action for end, action in self._ends if event.x < end), "")
        if action:
            await self.screen.run_action(action)
