"""The list of runs, drawn line by line: ten thousand cost no more than those in view."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from craft.text import width_of
from workbench.actions import bindings_of
from workbench.messages import RunOpened, RunSelected
from workbench.screens.runs.rows import Cell, cells_of, columns_for, gap_for, header

if TYPE_CHECKING:
    from craft.runs.store import RunSummary

_MARGIN = 2  # for the cursor's mark, on the left


class RunTable(ScrollView, can_focus=True):
    """Runs with a cursor. The cursor stays on its run when the list changes around it."""

    BINDINGS = bindings_of("run table")
    COMPONENT_CLASSES = {
        "table--header",
        "table--cursor",
        "table--plain",
        "table--name",
        "table--quiet",
        "table--live",
        "table--warn",
        "table--good",
        "table--bad",
        "table--bar",
        "table--rest",
    }

    cursor: reactive[int] = reactive(0)

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self.ascii_only = ascii_only
        self.runs: list[RunSummary] = []
        self._selected: Path | None = None
        self._longest_name = 0
        self._drawn: dict[int, list[Cell]] = {}
        self._now = time.time()

    # --- what is shown ---

    @property
    def selected(self) -> RunSummary | None:
        """The run under the cursor."""
        return self.runs[self.cursor] if self.cursor < len(self.runs) else None

    def show(self, runs: Sequence[RunSummary], now: float | None = None) -> None:
        """Show `runs`, drawing again only the lines that changed. `now` is seconds since 1970."""
        self._now = time.time() if now is None else now
        same_places = [run.folder.path for run in runs] == [run.folder.path for run in self.runs]
        self.runs = list(runs)
        longest = max((width_of(run.name) for run in self.runs), default=0)
        if not same_places or longest != self._longest_name:
            self._longest_name = longest
            self._drawn.clear()
            self.virtual_size = Size(0, len(self.runs) + 1)
            self.cursor = self._place_of_selected()
            self.refresh(layout=True)
        else:
            self._refresh_changed()
        self._select(self.selected)

    def _place_of_selected(self) -> int:
        """Where the selected run is now; before anything is selected, the run that is being trained."""
        if self._selected is None:
            return next((index for index, run in enumerate(self.runs) if run.observed.is_live), 0)
        here = (index for index, run in enumerate(self.runs) if run.folder.path == self._selected)
        return next(here, min(self.cursor, max(len(self.runs) - 1, 0)))

    def _refresh_changed(self) -> None:
        top = self.scroll_offset.y
        for line in range(1, min(self.size.height, len(self.runs) - top + 1)):
            index = top + line - 1
            if self._drawn.get(index) != self._cells(index):
                self.refresh(Region(0, line, self.size.width, 1))

    def _cells(self, index: int) -> list[Cell]:
        name_width, columns = columns_for(self._width - _MARGIN, self._longest_name)
        return cells_of(self.runs[index], self._now, name_width, columns, self.ascii_only)

    # --- drawing ---

    @property
    def _width(self) -> int:
        """Columns beside the scroll bar."""
        return self.scrollable_content_region.width

    def render_line(self, y: int) -> Strip:
        width = self._width
        base = self.rich_style
        if y == 0:  # the heading stays while the rows scroll below it
            text = " " * _MARGIN + header(width - _MARGIN, self._longest_name, self.ascii_only)
            style = self.get_component_rich_style("table--header")
            return Strip([Segment(text, style)]).adjust_cell_length(width, base)
        index = self.scroll_offset.y + y - 1
        if index >= len(self.runs):
            return Strip.blank(width, base)
        cells = self._cells(index)
        self._drawn[index] = cells
        at_cursor = index == self.cursor
        under = self.get_component_rich_style("table--cursor", partial=True) if at_cursor else Style()
        gap = " " * gap_for(width - _MARGIN)
        mark = ">" if self.ascii_only else "\u258c"
        segments = [Segment((mark if at_cursor else " ").ljust(_MARGIN), self._style("bar") + under)]
        for place, cell in enumerate(cells):
            segments.append(Segment(cell.text, self._style(cell.tone) + under))
            if place < len(cells) - 1 and cell.tone not in ("bar", "rest"):
                segments.append(Segment(gap, base + under))
        return Strip(segments).adjust_cell_length(width, base + under)

    def _style(self, tone: str) -> Style:
        return self.get_component_rich_style(f"table--{tone}")

    def on_resize(self) -> None:
        self._drawn.clear()

    # --- the cursor ---

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, len(self.runs) - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        top = self.scroll_offset.y
        for index in (old, new):
            if top <= index < top + self.size.height - 1:
                self.refresh(Region(0, index - top + 1, self.size.width, 1))
        self._bring_into_view(new)
        self._select(self.selected)

    def _bring_into_view(self, index: int) -> None:
        rows = self.size.height - 1
        top = self.scroll_offset.y
        if rows > 0 and not top <= index < top + rows:
            self.scroll_to(y=index if index < top else index - rows + 1, animate=False)

    def _select(self, run: RunSummary | None) -> None:
        path = run.folder.path if run else None
        if path != self._selected:
            self._selected = path
            self.post_message(RunSelected(run))

    def action_cursor_down(self) -> None:
        self.cursor += 1

    def action_cursor_up(self) -> None:
        self.cursor -= 1

    def action_page_down(self) -> None:
        self.cursor += max(self.size.height - 2, 1)

    def action_page_up(self) -> None:
        self.cursor -= max(self.size.height - 2, 1)

    def action_first(self) -> None:
        self.cursor = 0

    def action_last(self) -> None:
        self.cursor = len(self.runs) - 1

    def on_click(self, event: events.Click) -> None:
        index = self.scroll_offset.y + event.y - 1
        if event.y >= 1 and index < len(self.runs):
            self.cursor = index
            if event.chain == 2:
                self.post_message(RunOpened())
