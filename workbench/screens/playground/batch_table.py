"""The texts of a batch, a line each, drawn as they are seen: ten thousand cost no more than those in view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from craft.text import fit
from workbench.actions import bindings_of
from workbench.screens.playground.batch_work import BatchWork, Row
from workbench.screens.playground.sources import LETTERS
from workbench.widgets.row_cursor import RowCursor

if TYPE_CHECKING:
    from workbench.bench import Bench

_LOOKS = {"done": "plain", "writing": "live", "failed": "bad"}
_MARGIN = 2
_LEAST = 12  # columns of prompt and text


class BatchTable(RowCursor, can_focus=True):
    """Rows with a cursor."""

    app: Bench
    BINDINGS = bindings_of("batch table")
    COMPONENT_CLASSES = {f"batch--{look}" for look in ("header", "plain", "quiet", "live", "bad", "cursor", "prompt")}

    cursor: reactive[int] = reactive(0)

    class Pointed(Message):
        """The cursor is on another row."""

    def __init__(self) -> None:
        super().__init__(id="batch-table")
        self.work: BatchWork | None = None

    @property
    def rows(self) -> Sequence[Row]:
        """All of them."""
        return self.work.rows if self.work is not None else ()

    @property
    def selected(self) -> Row | None:
        """The row under the cursor."""
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    def show(self, work: BatchWork) -> None:
        """Another batch."""
        self.work = work
        self.virtual_size = Size(0, len(work.rows) + 1)
        self.cursor = 0
        self.scroll_to(0, 0, animate=False)
        self.refresh()

    def changed(self, places: Sequence[int]) -> None:
        """Draw some rows again."""
        top = self.scroll_offset.y
        for place in places:
            if top <= place < top + self.size.height:
                self.refresh(Region(0, place - top + 1, self.size.width, 1))

    # --- drawing ---

    def _widths(self) -> tuple[int, int, int]:
        """Columns of the number, the prompt and the text."""
        work = self.work
        assert work is not None
        number = len(str(len(work.lines))) + (len(str(work.samples)) + 1 if work.samples > 1 else 0)
        number += 2 if work.sources > 1 else 0
        number = max(number, 2)
        rest = self.scrollable_content_region.width - _MARGIN - number - 1 - 18
        prompt = max(_LEAST, rest // 3)
        return number, prompt, max(_LEAST, rest - prompt - 2)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if self.work is None:
            return Strip.blank(width, self.rich_style)
        ascii_only = self.app.ascii_only
        number, prompt, text = self._widths()
        if y == 0:
            heading = f"{'':{_MARGIN}}{'':{number}} {'prompt':{prompt}}  {'text':{text}}  {'tokens':>6}  ended"
            return Strip([Segment(heading, self._look("header"))]).adjust_cell_length(width, self._look("header"))
        place = self.scroll_offset.y + y - 1
        if place >= len(self.rows):
            return Strip.blank(width, self.rich_style)
        row = self.rows[place]
        under = self._look("cursor", partial=True) if place == self.cursor else Style()
        mark = (">" if ascii_only else "\u258c") if place == self.cursor else " "
        shown = row.error or row.text
        what = row.ended if row.state == "done" else row.state
        parts = [
            (f"{mark:{_MARGIN}}", "live"),
            (fit(self._number(row), number, align="right"), "quiet"),
            (" " + fit(row.line.prompt, prompt, ascii_only=ascii_only) + "  ", "prompt"),
            (fit(shown, text, ascii_only=ascii_only) + "  ", _LOOKS.get(row.state, "quiet")),
            (f"{row.tokens or '':>6}  ", "quiet"),
            (fit(what, 8), _LOOKS.get(row.state, "quiet") if row.state != "done" else "quiet"),
        ]
        segments = [Segment(piece, self._look(look) + under) for piece, look in parts]
        return Strip(segments).adjust_cell_length(width, self.rich_style + under)

    def _number(self, row: Row) -> str:
        assert self.work is not None
        letter = f"{LETTERS[row.source]} " if self.work.sources > 1 else ""
        sample = f".{row.sample + 1}" if self.work.samples > 1 else ""
        return f"{letter}{row.line.index + 1}{sample}"

    def _look(self, name: str, *, partial: bool = False) -> Style:
        return self.get_component_rich_style(f"batch--{name}", partial=partial)

    # --- the cursor ---

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, len(self.rows) - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        self.changed((old, new))
        rows, top = self.size.height - 1, self.scroll_offset.y
        if rows > 0 and not top <= new < top + rows:
            self.scroll_to(y=new if new < top else new - rows + 1, animate=False)
        self.post_message(self.Pointed())

    def on_click(self, event: events.Click) -> None:
        place = self.scroll_offset.y + event.y - 1
        if event.y >= 1 and place < len(self.rows):
            self.cursor = place
