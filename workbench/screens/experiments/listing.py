"""The list of experiments, templates and sweeps, drawn line by line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from craft.analysis.numbers import fit_figure
from craft.text import clean_line, fit
from workbench.actions import bindings_of
from workbench.screens.experiments.rows import Kind, Row, cell, columns_for
from workbench.widgets.row_cursor import RowCursor

_MARGIN = 4  # the cursor's mark, and that of a marked row


@dataclass(frozen=True)
class Key:
    """What a row is, whatever is said of it: a template and an experiment cannot share a name."""

    name: str
    kind: Kind


class ExperimentList(RowCursor, can_focus=True):
    """Rows with a cursor, marks and a filter. The cursor stays on its experiment when the list changes around it."""

    BINDINGS = bindings_of("experiment list")
    COMPONENT_CLASSES = {
        f"experiments--{look}"
        for look in ("header", "cursor", "plain", "name", "quiet", "live", "warn", "good", "bad", "bar")
    }

    cursor: reactive[int] = reactive(0, init=False)

    class Chosen(Message):
        """The cursor went to another row."""

        def __init__(self, row: Row | None) -> None:
            super().__init__()
            self.row = row

    class Marked(Message):
        """Other rows are marked."""

    class Opened(Message):
        """A row was double-clicked, or entered."""

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self.ascii_only = ascii_only
        self.all_rows: list[Row] = []
        self.rows: list[Row] = []
        """Those that the filter leaves."""
        self.filter = ""
        self.marked: set[str] = set()
        """Names of experiments."""
        self._selected: Key | None = None

    # --- what is shown ---

    @property
    def selected(self) -> Row | None:
        """The row under the cursor."""
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows, as far as the filter lets them through."""
        if list(rows) == self.all_rows and self.rows:
            return
        self.all_rows = list(rows)
        self.marked &= {row.name for row in rows if row.kind == "experiment"}
        self._apply()

    def set_filter(self, words: str) -> None:
        """Show only what has all these words in name, kind or purpose."""
        self.filter = words
        self._apply()

    def _apply(self) -> None:
        words = self.filter.lower().split()
        self.rows = [row for row in self.all_rows if all(word in _text_of(row) for word in words)]
        self.virtual_size = Size(0, len(self.rows) + 1)
        here = (i for i, row in enumerate(self.rows) if Key(row.name, row.kind) == self._selected)
        place = next(here, min(self.cursor, max(len(self.rows) - 1, 0)))
        if place != self.cursor:
            self.set_reactive(ExperimentList.cursor, place)
            self._bring_into_view()
        self.refresh()
        self._tell()

    def select(self, name: str, kind: Kind | None = None) -> bool:
        """Put the cursor on a row; False when there is none of this name."""
        for index, row in enumerate(self.rows):
            if row.name == name and kind in (None, row.kind):
                self.cursor = index
                return True
        return False

    def expect(self, name: str, kind: Kind) -> None:
        """The cursor goes to this row: now, or as soon as there is one."""
        if not self.select(name, kind):
            self._selected = Key(name, kind)

    def chosen_names(self) -> list[str]:
        """The marked experiments in the order of the list, else the one under the cursor."""
        if self.marked:
            return [row.name for row in self.all_rows if row.kind == "experiment" and row.name in self.marked]
        return [self.selected.name] if self.selected else []

    # --- drawing ---

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        base = self.rich_style
        name_width, columns = columns_for(width - _MARGIN - 1, [self._label(row) for row in self.rows])
        if y == 0:
            text = " " * _MARGIN + fit(self._heading(), name_width)
            for column in columns:
                text += "  " + fit(column.title, column.width, align="right" if column.right else "left")
            return Strip([Segment(text, self._look("header"))]).adjust_cell_length(width, base)
        index = self.scroll_offset.y + y - 1
        if index >= len(self.rows):
            return Strip.blank(width, base)
        row = self.rows[index]
        at_cursor = index == self.cursor
        under = self.get_component_rich_style("experiments--cursor", partial=True) if at_cursor else Style()
        bar, mark = (">", "*") if self.ascii_only else ("\u258c", "\u25cf")
        is_marked = row.kind == "experiment" and row.name in self.marked
        segments = [
            Segment(bar if at_cursor else " ", self._look("bar") + under),
            Segment(f" {mark if is_marked else ' '} ", self._look("bar") + under),
            Segment(
                fit(self._label(row), name_width, ascii_only=self.ascii_only),
                self._look("quiet" if row.kind == "template" else "name") + under,
            ),
        ]
        for column in columns:
            text, look = cell(row, column.title, ascii_only=self.ascii_only)
            align: Literal["left", "right"] = "right" if column.right else "left"
            text = fit(fit_figure(text, column.width), column.width, align=align, ascii_only=self.ascii_only)
            segments += [Segment("  ", base + under), Segment(text, self._look(look) + under)]
        return Strip(segments).adjust_cell_length(width, base + under)

    def _heading(self) -> str:
        if self.marked:
            return f"{len(self.marked)} marked"
        if self.filter:
            return f"{len(self.rows)} of {len(self.all_rows)}"
        return "name"

    def _label(self, row: Row) -> str:
        times = "x" if self.ascii_only else "\u00d7"
        if row.kind == "template":
            return f"{clean_line(row.name)} (template{f' of {row.elsewhere}' if row.elsewhere else ''})"
        if row.points is not None:
            return f"{clean_line(row.name)} {times}{row.points or '?'}"
        return clean_line(row.name)

    def _look(self, name: str) -> Style:
        return self.get_component_rich_style(f"experiments--{name}")

    def explain(self) -> tuple[str, list[tuple[str, str]]]:
        """The signs, for the help."""
        good, bad, times, mark = (
            ("ok", "! 2", "x", "*") if self.ascii_only else ("\u2713 ok", "\u2717 2", "\u00d7", "\u25cf")
        )
        return "signs in the list of experiments", [
            (mark, "marked: runs with the others that are"),
            (f"{times}6", f"a sweep of so many runs; {times}?: how many is not known while it is wrong"),
            (good, "check: nothing is wrong with it"),
            (bad, "check: so many problems; p goes to the first"),
            ("?", "check: no fault so far, but it names code of yours that was not imported yet"),
            ("tight", "memory: may not fit; too big: does not"),
            ("~", "before a time: only about so long, or added up over a sweep"),
        ]

    # --- the cursor ---

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, len(self.rows) - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        top = self.scroll_offset.y
        for index in (old, new):
            if top <= index < top + self.size.height - 1:
                self.refresh(Region(0, index - top + 1, self.size.width, 1))
        self._bring_into_view()
        self._tell()

    def on_resize(self) -> None:
        self._bring_into_view()

    def _bring_into_view(self) -> None:
        top, rows, at = self.scroll_offset.y, self.size.height - 1, self.cursor
        if rows > 0 and not top <= at < top + rows:
            self.scroll_to(y=at if at < top else at - rows + 1, animate=False)

    def _tell(self) -> None:
        row = self.selected
        key = Key(row.name, row.kind) if row else None
        if key != self._selected and (row is not None or not self.all_rows):
            self._selected = key
            self.post_message(self.Chosen(row))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "mark":
            return self.selected is not None and self.selected.kind == "experiment"
        return bool(self.rows)

    def action_mark(self) -> None:
        """Mark or unmark the row, and go on to the next."""
        row = self.selected
        if row is None or row.kind == "template":
            return
        self.marked ^= {row.name}
        self.refresh()
        self.post_message(self.Marked())
        self.cursor += 1

    def on_click(self, event: events.Click) -> None:
        index = self.scroll_offset.y + event.y - 1
        if event.y < 1 or index >= len(self.rows):
            return
        self.cursor = index
        if event.x < _MARGIN or event.ctrl:
            self.action_mark()
            self.cursor = index
        elif event.chain == 2:
            self.post_message(self.Opened())


def _text_of(row: Row) -> str:
    kind = "sweep" if row.points is not None else row.kind
    return f"{row.name} {kind} {row.about} {row.verdict}".lower()
