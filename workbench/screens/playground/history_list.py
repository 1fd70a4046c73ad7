"""What was asked, a line each, the newest first; drawn as it is seen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from craft.analysis.numbers import format_age
from craft.text import clean_line, fit, width_of
from workbench.actions import bindings_of
from workbench.screens.playground.history_store import Entry
from workbench.widgets.row_cursor import RowCursor

if TYPE_CHECKING:
    from workbench.bench import Bench

_MARGIN = 2
_WIDEST_NAME = 26
_RECENT = 20 * 3600.0  # seconds: up to there an age tells more than a date


class HistoryList(RowCursor, can_focus=True):
    """Entries with a cursor, which stays on its entry, and marks."""

    app: Bench
    PAGE_KEEPS = 1
    BINDINGS = bindings_of("history list")
    COMPONENT_CLASSES = {f"history--{look}" for look in ("plain", "quiet", "kind", "bad", "cursor", "mark")}

    cursor: reactive[int] = reactive(0)

    class Pointed(Message):
        """The cursor is on another entry, or on what took its place."""

    class Opened(Message):
        """An entry was chosen by the mouse, to be asked again."""

    def __init__(self) -> None:
        super().__init__(id="history-list")
        self.entries: Sequence[Entry] = []
        self.marked: set[str] = set()

    @property
    def selected(self) -> Entry | None:
        """The entry under the cursor."""
        return self.entries[self.cursor] if self.cursor < len(self.entries) else None

    def show(self, entries: Sequence[Entry]) -> None:
        """Other entries. The cursor stays on its entry; at the top it goes with what is newest."""
        before, old = self.selected, self.cursor
        self.entries = entries
        places = {entry.id: place for place, entry in enumerate(entries)} if before is not None and old else {}
        self.set_reactive(HistoryList.cursor, self.validate_cursor(places.get(before.id, old) if before else 0))
        self.virtual_size = Size(0, len(entries))
        self._bring_into_view()
        self.refresh()
        if self.selected != before:
            self.post_message(self.Pointed())

    # --- drawing ---

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        place = self.scroll_offset.y + y
        if place >= len(self.entries):
            return Strip.blank(width, self.rich_style)
        entry = self.entries[place]
        ascii_only = self.app.ascii_only
        under = self.get_component_rich_style("history--cursor", partial=True) if place == self.cursor else Style()
        cursor = (">" if ascii_only else "\u258c") if place == self.cursor else " "
        mark = ("*" if ascii_only else "\u25cf") if entry.id in self.marked else " "
        wide = width >= 90
        names = ", ".join(entry.names)
        name = min(_WIDEST_NAME, max((width_of(", ".join(one.names)) for one in self._seen()), default=0))
        parts = [
            (cursor, "mark"),
            (mark, "mark"),
            (f"{_when(entry.time):>12} ", "quiet"),
            (f"{entry.kind:<7}", "kind"),
            *([(fit(names, name, ascii_only=ascii_only) + "  ", "quiet")] if wide else []),
        ]
        rest = width - sum(width_of(text) for text, _ in parts)
        if entry.kind == "batch":
            prompt, answer = f"{entry.count:,} prompts: {entry.prompt}", entry.answer
        else:
            prompt, answer = entry.prompt, entry.answer
        word = "" if entry.reason == "finished" else f"  {entry.reason}"
        room = max(4, rest - len(word))
        arrow = (" > " if ascii_only else " \u2192 ") if answer else ""
        room -= width_of(arrow)
        prompt, answer = (clean_line(text, ascii_only=ascii_only) for text in (prompt, answer))
        first = max(0, min(width_of(prompt), max(room // 2, room - width_of(answer)))) if answer else room
        look = "bad" if entry.reason == "failed" else "plain"
        parts += [
            (fit(prompt, first, ascii_only=ascii_only), "quiet"),
            (arrow, "mark"),
            (fit(answer, max(0, room - first), ascii_only=ascii_only), look),
            (word, "bad" if entry.reason == "failed" else "quiet"),
        ]
        segments = [Segment(text, self.get_component_rich_style(f"history--{tone}") + under) for text, tone in parts]
        return Strip(segments).adjust_cell_length(width, self.rich_style + under)

    def _seen(self) -> Sequence[Entry]:
        top = self.scroll_offset.y
        return self.entries[top : top + self.size.height]

    # --- the cursor ---

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, len(self.entries) - 1))

    def watch_cursor(self) -> None:
        self._bring_into_view()
        self.refresh()
        self.post_message(self.Pointed())

    def _bring_into_view(self) -> None:
        rows, top = self.size.height, self.scroll_offset.y
        if rows > 0 and not top <= self.cursor < top + rows:
            self.scroll_to(y=self.cursor if self.cursor < top else self.cursor - rows + 1, animate=False)

    def action_mark(self) -> None:
        if self.selected is not None:
            self.marked ^= {self.selected.id}
            self.refresh()
            self.cursor += 1

    def on_click(self, event: events.Click) -> None:
        place = self.scroll_offset.y + event.y
        if place < len(self.entries):
            self.cursor = place
            if event.chain == 2:
                self.post_message(self.Opened())


def _when(moment: float) -> str:
    """How long ago, or the date of what is older."""
    age = time.time() - moment
    if age < _RECENT:
        return f"{format_age(max(0.0, age))} ago" if age >= 1 else "now"
    try:
        return datetime.fromtimestamp(moment).strftime("%b %d %H:%M")
    except (OverflowError, ValueError, OSError):
        return "?"
