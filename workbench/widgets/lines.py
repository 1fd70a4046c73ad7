"""Lines of text of any number, drawn one by one: a log, events, a definition.

A cursor, marked lines to copy, a text that is looked for, wrapping, and an end that is followed until somebody goes
away from it. What stands in a line is cleaned where it is made (`text_lines`); nothing here is parsed as markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from craft.text import clean_line
from workbench.actions import bindings_of
from workbench.widgets.cursor_sign import cursor_sign, with_margin
from workbench.widgets.text_lines import Lines, Part, from_column, split, wrapped

if TYPE_CHECKING:
    from workbench.bench import Bench

LOOKS = ("plain", "quiet", "bold", "live", "good", "warn", "bad", "name", "text", "number")
_MARGIN = 1  # columns of the cursor's sign
_LOOK_AHEAD = 400  # rows of one wrapped line that are made at most


class LinesView(ScrollView, can_focus=True):
    """Lines with a cursor. `follows`: the newest line is kept in sight."""

    app: Bench
    BINDINGS = bindings_of("lines")
    COMPONENT_CLASSES = {
        *(f"lines--{look}" for look in LOOKS),
        "lines--cursor",
        "lines--marked",
        "lines--found",
        "lines--empty",
    }

    cursor: reactive[int] = reactive(0)
    wraps: reactive[bool] = reactive(False)
    shift: reactive[int] = reactive(0)
    """Columns of cut lines that are out of sight on the left."""

    class Moved(Message):
        """The cursor, or what is seen, went somewhere."""

    class NearTop(Message):
        """The first line that is known is nearly in sight; there may be some before it."""

    class Asked(Message):
        """`ask` is "find", "next", "previous" or "first": going through many lines is not for the event loop."""

        def __init__(self, ask: str) -> None:
            super().__init__()
            self.ask = ask

    def __init__(self, *, ascii_only: bool, follows: bool = False, what: str = "line", id: str | None = None) -> None:
        super().__init__(id=id)
        self.ascii_only = ascii_only
        self.lines: Lines = Lines()
        self.can_follow = self.follows = follows
        self.mark: int | None = None
        self.words = ""
        """What is looked for, shown wherever it is in sight."""
        self.what = what
        """What a line is, in what is said of copying."""
        self.empty = ""
        self._rows: list[tuple[int, list[Part]]] = []
        self._rows_for: tuple[object, ...] = ()
        self._version = 0

    # --- what is shown ---

    def show(self, lines: Lines, *, before: int = 0, keep: bool = True) -> None:
        """Show `lines`. `before` of them are new at the top, or gone from there where that is negative; without `keep`
        they are another text."""
        self.lines = lines
        if not keep:
            self.mark, self.follows = None, self.can_follow
            self.set_reactive(LinesView.cursor, 0)
            self.set_reactive(LinesView.shift, 0)
        elif before:
            self.set_reactive(LinesView.cursor, self.cursor + before)
            self.mark = None if self.mark is None else max(self.mark + before, 0)
        self._measure()
        if not keep and not self.follows:
            self.scroll_to(y=0, animate=False, force=True)
        elif before and not self.follows:
            self.scroll_to(y=self.scroll_offset.y + before, animate=False, force=True)
        if self.follows:
            self._to_end()
        self.cursor = self.cursor  # lines may be fewer now
        self.redraw()

    def redraw(self) -> None:
        """Draw again what is in sight: lines changed where they stand."""
        self._version += 1
        self.refresh()

    def _measure(self) -> None:
        """How far can be scrolled: to where the last lines just fill the height, however they wrap."""
        height, count = max(self.size.height, 1), len(self.lines)
        fits, used = 0, 0
        while fits < count and used < height:
            used += self._height_of(count - 1 - fits)
            fits += used <= height
        top = max(count - max(fits, 1), 0)
        self.virtual_size = Size(0, top + height if top else min(count, height))

    def _height_of(self, index: int) -> int:
        return len(self._pieces(index)) if self.wraps else 1

    def _to_end(self) -> None:
        self.set_reactive(LinesView.cursor, max(len(self.lines) - 1, 0))
        self.scroll_to(y=self.max_scroll_y, animate=False, force=True)

    @property
    def hidden_below(self) -> int:
        """Lines after the last that is in sight."""
        rows = self._in_sight()
        return len(self.lines) - 1 - rows[-1][0] if rows else 0

    # --- drawing ---

    def _in_sight(self) -> list[tuple[int, list[Part]]]:
        """The rows that are seen: number and pieces of their lines."""
        key = (self._version, self.scroll_offset.y, self.size, self.wraps, self.shift)
        if key != self._rows_for:
            self._rows_for, self._rows = key, []
            index = self.scroll_offset.y
            while len(self._rows) < self.size.height and index < len(self.lines):
                self._rows += [(index, piece) for piece in self._pieces(index)]
                index += 1
            del self._rows[self.size.height :]
        return self._rows

    def _pieces(self, index: int) -> list[list[Part]]:
        """One line as rows."""
        line = self.lines.line(index)
        parts = self._with_found(line)
        width = max(self.scrollable_content_region.width - _MARGIN, 1)
        if not self.wraps:
            return [from_column(parts, self.shift)]
        text = "".join(text for text, _ in parts)
        indent = min(self.lines.indent(line), width // 3)
        first, *others = split(parts, wrapped(text, width, indent, _LOOK_AHEAD))
        return [first, *([(" " * indent, "plain"), *row] for row in others)]

    def _with_found(self, parts: Sequence[Part]) -> Sequence[Part]:
        """The pieces, with what is looked for as pieces of its own."""
        words = self.words
        text = "".join(text for text, _ in parts)
        hay = text.lower() if words == words.lower() else text
        if not words or words not in hay or len(hay) != len(text):
            return parts
        sizes, ends, at = [], [], 0
        while (found := hay.find(words, at)) >= 0:
            sizes += [found - at, len(words)]
            ends.append(found + len(words))
            at = found + len(words)
        pieces = split(parts, [*sizes, len(text) - at])
        marked: list[Part] = []
        for place, piece in enumerate(pieces):
            marked += [(text, f"{look} found") for text, look in piece] if place % 2 else piece
        return marked

    def render_line(self, y: int) -> Strip:
        width, base = self.scrollable_content_region.width - _MARGIN, self.rich_style
        rows = self._in_sight()
        if y >= len(rows):
            said = clean_line(self.empty, ascii_only=self.ascii_only) if not rows and y == 0 else ""
            look = self.get_component_rich_style("lines--empty")
            return with_margin(Strip([Segment(said, look)]).adjust_cell_length(width, base), " ", base)
        index, parts = rows[y]
        under, sign = Style(), " "
        if self.has_focus and index == self.cursor:
            sign = cursor_sign(ascii_only=self.ascii_only)
        elif self._is_marked(index):
            sign = "|" if self.ascii_only else "\u2502"
        if self._is_marked(index):
            under = self.get_component_rich_style("lines--marked", partial=True)
        elif index == self.cursor and self.has_focus:
            under = self.get_component_rich_style("lines--cursor", partial=True)
        segments = [Segment(text, self._style(look) + under) for text, look in parts]
        line = Strip(segments).adjust_cell_length(width, base + under).crop(0, width)
        return with_margin(line, sign, self._style("good") + under)

    def _style(self, look: str) -> Style:
        look, _, found = look.partition(" ")
        style = self.get_component_rich_style(f"lines--{look}")
        return style + self.get_component_rich_style("lines--found", partial=True) if found else style

    def _is_marked(self, index: int) -> bool:
        if self.mark is None:
            return False
        return min(self.mark, self.cursor) <= index <= max(self.mark, self.cursor)

    def on_resize(self) -> None:
        self._measure()
        if self.follows:
            self._to_end()

    def watch_wraps(self) -> None:
        self.redraw()
        self._measure()
        if self.follows:
            self._to_end()

    def watch_shift(self) -> None:
        self.refresh()

    # --- moving ---

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, len(self.lines) - 1))

    def watch_cursor(self) -> None:
        self._bring_into_sight()
        self.refresh()
        self.post_message(self.Moved())

    def _bring_into_sight(self) -> None:
        top, height = self.scroll_offset.y, self.size.height
        if not height:
            return
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, force=True)
            return
        used, first = 0, self.cursor
        while first >= top and (used := used + self._height_of(first)) <= height:
            first -= 1
        if first >= top:
            self.scroll_to(y=min(first + 1, self.cursor), animate=False, force=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if new_value < self.size.height:
            self.post_message(self.NearTop())
        self.post_message(self.Moved())

    def go_to(self, index: int) -> None:
        """Put the cursor on a line, and that in sight."""
        self.follows = self.can_follow and index >= len(self.lines) - 1
        self.cursor = index

    def action_cursor_down(self) -> None:
        self.go_to(self.cursor + 1)

    def action_cursor_up(self) -> None:
        self.go_to(max(self.cursor - 1, 0))

    def action_page_down(self) -> None:
        self.go_to(self.cursor + max(self.size.height - 1, 1))

    def action_page_up(self) -> None:
        self.go_to(max(self.cursor - max(self.size.height - 1, 1), 0))

    def action_first(self) -> None:
        self.post_message(self.Asked("first"))

    def action_last(self) -> None:
        self.go_to(len(self.lines) - 1)

    def action_pan(self, by: int) -> None:
        self.shift = max(0, self.shift + by)

    def action_wrap(self) -> None:
        self.wraps = not self.wraps

    def on_mouse_scroll_down(self) -> None:
        self.call_next(self._was_scrolled)

    def on_mouse_scroll_up(self) -> None:
        self.call_next(self._was_scrolled)

    def on_scroll_to(self) -> None:
        self.call_next(self._was_scrolled)

    def _was_scrolled(self) -> None:
        """Somebody moved what is seen: the cursor stays in sight, and the end is followed where that is in sight."""
        self.follows = self.can_follow and self.scroll_target_y >= self.max_scroll_y
        top = round(self.scroll_target_y)
        cursor = len(self.lines) - 1 if self.follows else min(max(self.cursor, top), top + max(self.size.height - 1, 0))
        self.set_reactive(LinesView.cursor, self.validate_cursor(cursor))
        self.refresh()
        self.post_message(self.Moved())

    def on_click(self, event: events.Click) -> None:
        rows = self._in_sight()
        if 0 <= event.y < len(rows):
            if event.shift and self.mark is None:
                self.mark = self.cursor
            self.go_to(rows[event.y][0])

    # --- finding and copying ---

    def action_find(self) -> None:
        self.post_message(self.Asked("find"))

    def action_find_next(self) -> None:
        self.post_message(self.Asked("next"))

    def action_find_previous(self) -> None:
        self.post_message(self.Asked("previous"))

    def action_mark(self) -> None:
        self.mark = None if self.mark is not None else self.cursor
        self.refresh()

    def action_copy(self) -> None:
        if not len(self.lines):
            return
        first, last = sorted((self.cursor if self.mark is None else self.mark, self.cursor))
        text = "\n".join(self.lines.text(index) for index in range(first, last + 1))
        count = last - first + 1
        self.app.copy(text, self.what if count == 1 else f"{count:,} {self.what}s")
        self.mark = None
        self.refresh()
