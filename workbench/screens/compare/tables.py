"""Tables of figures and of settings. Cells are parts of text with a look; only those that changed are drawn again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widgets import DataTable

from craft.text import clean_line, shorten, width_of
from workbench.actions import bindings_of
from workbench.widgets.cursor_sign import cursor_sign, with_margin

if TYPE_CHECKING:
    from workbench.screens.compare.reading import Shown

Cell = tuple[tuple[str, str], ...]
"""Parts of text, each with its look: plain, quiet, good, warn, or "" for that of the row."""
_WIDEST = 44
"""Columns of a cell: longer texts end in an ellipsis."""


class FitTable(DataTable[Text]):
    """A table whose rows and columns have names; it keeps cursor and place when it is filled anew."""

    BINDINGS = bindings_of("compare table")
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"cell--{look}" for look in ("plain", "quiet", "good", "warn", "head")}

    class Opened(Message):
        """A row was chosen to be seen by itself: by enter, or a double click."""

    def __init__(self, style_of: Callable[[str], Style], *, ascii_only: bool, id: str | None = None) -> None:
        """`style_of` gives the looks of curves: series0, series1, ..."""
        super().__init__(cursor_type="row", fixed_columns=1, id=id)
        self._style_of = style_of
        self.ascii_only = ascii_only
        self._columns: list[tuple[str, Cell]] = []
        self._sizes: list[int] = []
        self._cells: dict[str, list[Cell]] = {}

    def fill(self, columns: list[tuple[str, Cell]], rows: dict[str, list[Cell]], *, right: bool = True) -> None:
        """Show rows by their names; `columns` are names and headings. All but the first stand at the right."""
        # Widths are given: left to itself the table measures when it is idle, and keeps what it drew before that.
        sizes = [
            max(map(self._size_of, (heading, *(cells[place] for cells in rows.values()))))
            for place, (_, heading) in enumerate(columns)
        ]
        if (columns, sizes, list(rows)) == (self._columns, self._sizes, list(self._cells)):
            for name, cells in rows.items():
                for place, (cell, before) in enumerate(zip(cells, self._cells[name], strict=True)):
                    if cell != before:
                        self.update_cell(name, columns[place][0], self._text(cell, right and place > 0))
            self._cells = rows
            return
        here, offset = self.row_name, self.scroll_offset
        self.clear(columns=True)
        for place, ((name, heading), size) in enumerate(zip(columns, sizes, strict=True)):
            self.add_column(self._text(heading, right and place > 0), key=name, width=size)
        for name, cells in rows.items():
            self.add_row(*(self._text(cell, right and place > 0) for place, cell in enumerate(cells)), key=name)
        self._columns, self._sizes, self._cells = columns, sizes, rows
        if here in rows:
            self.move_cursor(row=list(rows).index(here), scroll=False)
        self.scroll_to(offset.x, offset.y, animate=False)

    def show_column(self, name: str) -> None:
        """Bring a column into view; the first one is always seen."""
        names = [column for column, _ in self._columns]
        if name in names[1:]:
            padding = 2 * self.cell_padding
            first, *others = (size + padding for size in self._sizes)
            place = names.index(name) - 1
            left, right = sum(others[:place]), sum(others[: place + 1])
            room = self.scrollable_content_region.width - first
            at = self.scroll_offset.x
            self.scroll_to(x=min(left, max(at, right - room)), animate=False)
        elif not name:
            self.scroll_to(x=0, animate=False)

    @property
    def row_name(self) -> str:
        """The row under the cursor; empty where there is none."""
        names = list(self._cells)
        return names[self.cursor_row] if 0 <= self.cursor_row < len(names) else ""

    def render_line(self, y: int) -> Strip:
        """A row; that of the cursor with its sign in the place of the space before the first cell."""
        line = super().render_line(y)
        row = self.scroll_offset.y + y - self.header_height
        if y < self.header_height or row != self.cursor_row or not self.has_focus or not self.row_name:
            return line
        return with_margin(line.crop(1), cursor_sign(ascii_only=self.ascii_only), next(iter(line)).style)

    def action_select_cursor(self) -> None:
        self.post_message(self.Opened())

    def on_click(self, event: events.Click) -> None:
        if event.chain == 2 and event.style.meta.get("row", -1) >= 0:
            self.post_message(self.Opened())

    def forget(self) -> None:
        """Draw all cells again with the next filling, as for another theme."""
        self._columns = []

    def _text(self, cell: Cell, right: bool) -> Text:
        text = Text(justify="right" if right else "left", no_wrap=True, end="")
        for part, look in cell:
            text.append(self._cut(part), self._look(look))
        return text

    def _size_of(self, cell: Cell) -> int:
        return sum(width_of(self._cut(part)) for part, _ in cell)

    def _cut(self, part: str) -> str:
        return shorten(part, _WIDEST, ascii_only=self.ascii_only)

    def _look(self, look: str) -> Style:
        if not look or look.startswith("series"):
            return self._style_of(look) if look else Style()
        style = self.get_component_rich_style(f"cell--{look}")
        return Style(color=style.color, bold=style.bold)


Mark = Callable[[str], tuple[str, str]]
"""The sign of a row's curve, and its look."""


def figure_cells(
    shown: Shown, sign_of: Mark, *, ascii_only: bool
) -> tuple[list[tuple[str, Cell]], dict[str, list[Cell]]]:
    """Columns and rows of the figures: the best marked, and the difference to the reference in per cent."""
    from craft.analysis.comparison.table import best_rows, difference, used_figures

    found, rows = shown.found, shown.rows
    reference = found.reference_of(rows)
    used = used_figures(found.figures, rows)
    star = "*" if ascii_only else "\u2605"
    best = {one.name: best_rows(rows, one) for one in used}
    sorted_sign = ("^", "v") if ascii_only else ("\u25b2", "\u25bc")
    down = found.descending
    columns: list[tuple[str, Cell]] = [("run", (("run", "head"),))]
    for one in used:
        heading = one.heading
        if one.name == found.sort:
            falling = one.mode(rows) == "max" if down is None else down
            heading = f"{heading} {sorted_sign[falling]}"
        columns.append((one.name, ((heading, "head"),)))
    apart = {one.name: [difference(one, row, reference) for row in rows] for one in used}
    widest = {name: max(map(len, texts)) for name, texts in apart.items()}
    cells: dict[str, list[Cell]] = {}
    for place, row in enumerate(rows):
        sign, look = sign_of(row.name)
        name = clean_line(row.name, ascii_only=ascii_only)
        line: list[Cell] = [((f"{sign} ", look), (name, ""), (" ref" if row is reference else "", "good"))]
        for one in used:
            size = widest[one.name]
            line.append(
                (
                    (f"{star} " if place in best[one.name] else "", "good"),
                    (row.write(one, ascii_only=ascii_only), ""),
                    (f" {apart[one.name][place]:>{size}}" if size else "", "quiet"),
                )
            )
        cells[row.runs[0].name] = line
    return columns, cells


def setting_cells(shown: Shown, width: int) -> tuple[list[tuple[str, Cell]], dict[str, list[Cell]]]:
    """Columns and rows of the settings: a column a run where they fit into `width`, else a row a run, which are few
    settings more often than few runs."""
    rows, settings = shown.rows, shown.settings
    needed = 2 + max(map(len, settings), default=0)
    for place, row in enumerate(rows):
        needed += 2 + min(max([width_of(row.name), *(width_of(cells[place]) for cells in settings.values())]), _WIDEST)
    turned = 2 + max((width_of(row.name) for row in rows), default=0)
    turned += sum(2 + max(len(path), *map(width_of, cells)) for path, cells in settings.items())
    if needed <= width or needed <= turned:
        columns: list[tuple[str, Cell]] = [("setting", (("setting", "head"),))]
        columns += [(row.runs[0].name, ((row.name, "head"),)) for row in rows]
        return columns, {
            path: [((path, "plain"),), *(((cell, _look_of(cells, place)),) for place, cell in enumerate(cells))]
            for path, cells in settings.items()
        }
    columns = [("run", (("run", "head"),)), *((path, ((path, "head"),)) for path in settings)]
    return columns, {
        row.runs[0].name: [
            ((row.name, "plain"),),
            *(((cells[place], _look_of(cells, place)),) for cells in settings.values()),
        ]
        for place, row in enumerate(rows)
    }


def _look_of(cells: Sequence[str], place: int) -> str:
    """What differs from the first is plain, what is the same is quiet."""
    return "quiet" if place and cells[place] == cells[0] else "plain"
