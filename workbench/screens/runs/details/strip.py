"""The names of the tabs, on one line."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from craft.text import shorten, width_of


class TabStrip(Widget):
    """Names, the one that is seen marked; at the right end a word on the run. A click, or the wheel, chooses."""

    COMPONENT_CLASSES = {"tabs--here", "tabs--name", "tabs--key", *(f"tabs--{tone}" for tone in
        ("quiet", "live", "warn", "good", "bad", "plain"))}  # fmt: skip

    here: reactive[str] = reactive("")

    class Chosen(Message):
        """A tab was chosen with the mouse."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, names: Sequence[tuple[str, str]], *, ascii_only: bool) -> None:
        super().__init__()
        self.names, self.ascii_only = names, ascii_only
        self._right: tuple[str, str] = ("", "quiet")
        self._ends: list[tuple[int, str]] = []

    def say(self, text: str, tone: str) -> None:
        """What stands at the right end."""
        if (text, tone) != self._right:
            self._right = (text, tone)
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y:
            return Strip.blank(width, self.rich_style)
        names = [(name, key, name if key in name.upper() else f"{name} {key}") for name, key in self.names]
        if sum(len(text) + 2 for _, _, text in names) > width - width_of(self._right[0]) - 3:
            names = [(name, key, name) for name, key in self.names]
        size = max(len(text) for _, _, text in names)
        while size > 1 and sum(min(len(text), size) + 2 for _, _, text in names) > width:
            size -= 1
        segments: list[Segment] = []
        self._ends = []
        end = 0
        for name, key, text in names:
            look = "here" if name == self.here else "name"
            text = f" {text[:size]} "
            at = text.upper().find(key)
            # The letter that chooses the tab is underlined, where there is room for it.
            pieces = [(text, "")] if at < 0 else [(text[:at], ""), (text[at], "key"), (text[at + 1 :], "")]
            for piece, key_look in pieces:
                style = self.get_component_rich_style(f"tabs--{look}")
                if key_look:
                    style += self.get_component_rich_style("tabs--key", partial=True)
                segments.append(Segment(piece, style))
            end += len(text)
            self._ends.append((end, name))
        text, tone = self._right
        text = shorten(text, max(width - end - 2, 0), ascii_only=self.ascii_only)
        if text:
            segments.append(Segment(" " * (width - end - width_of(text) - 1), self.rich_style))
            segments.append(Segment(text, self.get_component_rich_style(f"tabs--{tone}")))
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def on_click(self, event: events.Click) -> None:
        name = next((name for end, name in self._ends if event.x < end), None)
        if name:
            self.post_message(self.Chosen(name))
