"""The list of runs, drawn line by line: ten thousand cost no more than those in view."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.strip import Strip

from craft.text import width_of
from workbench.actions import bindings_of
from workbench.messages import (
    FactsWanted,
    GroupToggled,
    MarksChanged,
    RunOpened,
    RunSelected,
    SortAsked,
    VerbsAsked,
)
from workbench.screens.runs.arrange import Arranged, Row, View
from workbench.screens.runs.columns import COLUMNS, Column, columns_for, gap_for
from workbench.screens.runs.rows import Cell, cells_of, cells_of_group, gap_after, header
from workbench.widgets.looks import Looking
from workbench.widgets.row_cursor import RowCursor

if TYPE_CHECKING:
    from craft.runs.store import RunSummary

_MARGIN = 3  # for the cursor and the mark, on the left
_ASK_AFTER = 0.03  # seconds in which what a page needs of the files is gathered into one question
_NO_ROWS = Arranged(View(), [], [], 0, 0, {})


class RunTable(RowCursor, Looking, can_focus=True):  # the first one brings its styles
    """Runs with a cursor. The cursor stays on its run when the list changes around it."""

    BINDINGS = bindings_of("run table")
    COMPONENT_CLASSES = {
        "table--header",
        "table--sorted",
        "table--cursor",
        "table--marked",
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
        self.arranged = _NO_ROWS
        self.columns: Sequence[Column] = COLUMNS
        self.marks: set[str] = set()
        """The names of the marked runs."""
        self._selected = ""
        self._said: tuple[str, Path | None] = ("", None)
        self._facts: dict[Path, tuple[RunSummary, dict[str, str]]] = {}
        self._missing: dict[Path, RunSummary] = {}
        self._drawn: dict[int, tuple[list[Cell], bool]] = {}
        self._now = time.time()

    # --- what is shown ---

    @property
    def runs(self) -> list[RunSummary]:
        """The runs of the rows, one each."""
        return [row.run for row in self.arranged.rows]

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        rows = self.arranged.rows
        return rows[self.cursor] if self.cursor < len(rows) else None

    @property
    def selected(self) -> RunSummary | None:
        """The run under the cursor; of a group its best one."""
        return self.row.run if self.row else None

    def show(self, arranged: Arranged, now: float | None = None) -> None:
        """Show rows, drawing again only the lines that changed. `now` is seconds since 1970."""
        self._now = time.time() if now is None else now
        before, self.arranged = self.arranged, arranged
        same_heading = before.longest == arranged.longest and before.view == arranged.view
        if same_heading and before.keys == arranged.keys:
            self._refresh_changed()
        else:
            self._drawn.clear()
            self.virtual_size = Size(0, len(arranged.rows) + 1)
            self.cursor = self._place_of_selected()
            self.refresh(layout=True)
            # Another cursor may be out of sight although its number is the same.
            self.call_after_refresh(lambda: self._bring_into_view(self.cursor))
        self._select()

    def show_columns(self, columns: Sequence[Column]) -> None:
        """Show these columns instead."""
        self.columns = columns
        self._drawn.clear()
        self.refresh()

    def show_facts(self, facts: Sequence[tuple[RunSummary, dict[str, str]]]) -> None:
        """What the files of some runs say, by column."""
        self._facts.update((run.path, (run, values)) for run, values in facts)
        self._refresh_changed()

    def select(self, name: str) -> bool:
        """Put the cursor on a run; False when it is not in the list."""
        self._selected = name
        place = self.arranged.place.get(name)
        if place is not None:
            self.cursor = place
        return place is not None

    def _place_of_selected(self) -> int:
        """Where the selected run is now; before anything is selected, the run that is being trained."""
        rows = self.arranged.rows
        if not self._selected:
            return next((index for index, row in enumerate(rows) if row.run.observed.is_live), 0)
        here = self.arranged.place.get(self._selected)
        return min(self.cursor, max(len(rows) - 1, 0)) if here is None else here

    def _refresh_changed(self) -> None:
        top = self.scroll_offset.y
        for line in range(1, min(self.size.height, len(self.arranged.rows) - top + 1)):
            index = top + line - 1
            if self._drawn.get(index) != self._cells(index):
                self.refresh(Region(0, line, self.size.width, 1))

    def _cells(self, index: int) -> tuple[list[Cell], bool]:
        """The cells of a row, and whether it is marked."""
        row = self.arranged.rows[index]
        name_width, columns = columns_for(self._width - _MARGIN, self.arranged.longest + 2, self.columns)
        if row.group is not None:
            cells = cells_of_group(row.group, self._now, name_width, columns, self.ascii_only)
            return cells, all(run.name in self.marks for run in row.runs)
        fact = self._fact_of(row.run, columns)
        cells = cells_of(row.run, self._now, name_width, columns, self.ascii_only, fact, inside=row.inside)
        return cells, row.run.name in self.marks

    def _fact_of(self, run: RunSummary, columns: Sequence[Column]) -> Callable[[str], str]:
        """What its files say, where it is known; else it is asked for, and what was known is shown meanwhile."""
        wanted = [column.key for column in columns if column.write is None]
        known = self._facts.get(run.path)
        values = known[1] if known else {}
        if wanted and (known is None or known[0] is not run or any(key not in values for key in wanted)):
            if not self._missing:
                self.set_timer(_ASK_AFTER, self._ask)
            self._missing[run.path] = run
        return lambda key: values.get(key, "")

    def _ask(self) -> None:
        missing, self._missing = list(self._missing.values()), {}
        if missing:
            self.post_message(FactsWanted(missing))

    # --- drawing ---

    @property
    def _width(self) -> int:
        """Columns beside the scroll bar."""
        return self.scrollable_content_region.width

    def _heading(self) -> list[tuple[str, str]]:
        view = self.arranged.view
        width = self._width - _MARGIN
        return header(width, self.arranged.longest + 2, self.ascii_only, self.columns, view.sort, view.turned)

    def render_line(self, y: int) -> Strip:
        width = self._width
        base = self.rich_style
        gap = " " * gap_for(width - _MARGIN)
        if y == 0:  # the heading stays while the rows scroll below it
            segments = [Segment(" " * _MARGIN, self._style("header"))]
            for text, key in self._heading():
                look = "sorted" if key and key == self.arranged.view.sort else "header"
                segments += [Segment(text, self._style(look)), Segment(gap, self._style("header"))]
            return Strip(segments).adjust_cell_length(width, base)
        index = self.scroll_offset.y + y - 1
        if index >= len(self.arranged.rows):
            return Strip.blank(width, base)
        cells, marked = self._drawn[index] = self._cells(index)
        at_cursor = index == self.cursor
        under = self.look("table--cursor", partial=True) if at_cursor else Style()
        bar, mark = (">", "x") if self.ascii_only else ("\u258c", "\u25c6")
        segments = [
            Segment(bar if at_cursor else " ", self._style("bar") + under),
            Segment((mark if marked else " ").ljust(_MARGIN - 1), self._style("marked") + under),
        ]
        for cell in cells:
            segments.append(Segment(cell.text, self._style(cell.tone) + under))
            if behind := gap_after(width - _MARGIN, cell):
                segments.append(Segment(" " * behind, base + under))
        return Strip(segments).adjust_cell_length(width, base + under)

    def _style(self, tone: str) -> Style:
        return self.look(f"table--{tone}")

    def on_resize(self) -> None:
        self._drawn.clear()
        self.call_after_refresh(lambda: self._bring_into_view(self.cursor))

    # --- the cursor ---

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, len(self.arranged.rows) - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        for index in (old, new):
            self._refresh_row(index)
        self._bring_into_view(new)
        self._select()

    def _refresh_row(self, index: int) -> None:
        top = self.scroll_offset.y
        if top <= index < top + self.size.height - 1:
            self.refresh(Region(0, index - top + 1, self.size.width, 1))

    def _bring_into_view(self, index: int) -> None:
        rows = self.size.height - 1
        top = self.scroll_offset.y
        if rows > 0 and not top <= index < top + rows:
            self.scroll_to(y=index if index < top else index - rows + 1, animate=False)

    def _select(self) -> None:
        row = self.row
        said = (row.key if row else "", row.run.path if row else None)
        if said != self._said:
            self._said = said
            self._selected = said[0] or self._selected
            self.post_message(RunSelected(row.run if row else None))

    # --- groups ---

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        if action in ("open_group", "close_group"):
            return self.arranged.view.fold and self.row is not None and bool(self.row.group or self.row.inside)
        return True

    def action_open_group(self) -> None:
        """Show the runs of the group under the cursor; one that is open already lets the cursor in."""
        row = self.row
        if row is not None and row.group is not None:
            if row.group.folded:
                self.post_message(GroupToggled(row.group.name))
            else:
                self.cursor += 1

    def action_close_group(self) -> None:
        """Only the line of the group again, and the cursor on it."""
        row = self.row
        if row is None or (row.group is not None and row.group.folded):
            return
        name = row.group.name if row.group else row.run.group or ""
        self.select(f"group {name}")
        self.post_message(GroupToggled(name))

    # --- marks ---

    def action_mark(self) -> None:
        """Mark the row under the cursor, or take the mark away, and go on to the next."""
        row = self.row
        if row is None:
            return
        names = {run.name for run in row.runs}
        self.mark(self.marks - names if names <= self.marks else self.marks | names)
        self.cursor += 1

    def action_mark_all(self) -> None:
        """Mark all that are shown; where they all are, none of them."""
        names = {run.name for row in self.arranged.rows for run in row.runs}
        self.mark(self.marks - names if names <= self.marks else self.marks | names)

    def mark(self, names: set[str]) -> None:
        """Mark these and no others."""
        if names != self.marks:
            self.marks = names
            self._refresh_changed()
            self.post_message(MarksChanged())

    # --- the mouse ---

    def on_click(self, event: events.Click) -> None:
        if event.y == 0:
            self._sort_at(event.x - _MARGIN)
            return
        index = self.scroll_offset.y + event.y - 1
        if index >= len(self.arranged.rows):
            return
        self.cursor = index
        row = self.arranged.rows[index]
        if event.button == 3:
            self.post_message(VerbsAsked())
        elif event.ctrl or 0 < event.x < _MARGIN:
            names = {run.name for run in row.runs}
            self.mark(self.marks - names if names <= self.marks else self.marks | names)
        elif event.chain == 2:
            self.post_message(GroupToggled(row.group.name) if row.group else RunOpened())

    def _sort_at(self, x: int) -> None:
        end = 0
        for text, key in self._heading():
            end += width_of(text) + gap_for(self._width - _MARGIN)
            if x < end:
                if key:
                    self.post_message(SortAsked(key))
                return
