"""The rows of the form, drawn line by line: sections that fold, a cursor, and where each value comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from craft.config.editable import ABSENT
from craft.text import fit, shorten, width_of
from workbench.actions import bindings_of
from workbench.screens.experiments.editing.form_shown import said_of, shown_rows
from workbench.widgets.row_cursor import RowCursor

if TYPE_CHECKING:
    from workbench.screens.experiments.editing.form_model import Row

_MOST_LABEL = 24
_LEAST_VALUE = 14
_MOST_ORIGIN = 26
_MARGIN = 2  # the cursor's mark

KeyPath = tuple[str, ...]


class FormList(RowCursor, can_focus=True):
    """Draws rows. What a key does to a row is the pane's; it is told by messages."""

    BINDINGS = bindings_of("form")
    COMPONENT_CLASSES = {
        "form--section",
        "form--note",
        "form--label",
        "form--own",
        "form--value",
        "form--default",
        "form--origin",
        "form--differs",
        "form--fault",
        "form--cursor",
        "form--bar",
        "form--add",
    }

    cursor: reactive[int] = reactive(0)

    class Moved(Message):
        """The cursor is on another row, or the row is another."""

    class Wanted(Message):
        """Something shall be done with the row at the cursor: "edit", "step", "reset", "add", "origin" or "copy"."""

        def __init__(self, what: str) -> None:
            super().__init__()
            self.what = what

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(id=id, classes="scrolling")
        self.ascii_only = ascii_only
        self.words = ""
        """What the rows are filtered by."""
        self.view = "all"
        self.folded: set[str] = set()
        """Dotted paths of sections whose rows are hidden."""
        self.on_fold: Callable[[], None] = lambda: None
        self._all: Sequence[Row] = ()
        self.rows: list[Row] = []
        self._label = self._origin = 0  # columns for labels, and for origins

    # --- what is shown ---

    @property
    def selected(self) -> Row | None:
        """The row at the cursor."""
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows; the cursor stays on its setting."""
        self._all = rows
        self.choose_rows()

    def choose_rows(self) -> None:
        """Choose again which rows are shown."""
        before = self.selected
        old = self.rows
        self.rows = shown_rows(self._all, self.words, self.view, self.folded)
        self._label = min(max((width_of(row.label) for row in self.rows), default=0), _MOST_LABEL)
        origins = (width_of(row.origin) + 1 for row in self.rows if row.origin != "default")
        self._origin = min(max(origins, default=0), _MOST_ORIGIN)
        if before is not None:
            here = (at for at, row in enumerate(self.rows) if (row.kind, row.path) == (before.kind, before.path))
            at = next(here, min(self.cursor, len(self.rows) - 1))
            self.set_reactive(FormList.cursor, max(at, 0))
        if len(old) != len(self.rows):
            self.virtual_size = Size(0, len(self.rows))
        self.refresh()
        if self.is_attached:
            self._bring_into_view(self.cursor)
        self.post_message(self.Moved())

    def go_to(self, path: KeyPath) -> bool:
        """Put the cursor on a setting, or the nearest table around it; folded ones are opened."""
        for length in range(len(path), 0, -1):
            part = path[:length]
            if any(row.path == part for row in self._all):
                self.folded -= {".".join(part[:n]) for n in range(1, length)}
                self.choose_rows()
                at = next((at for at, row in enumerate(self.rows) if row.path == part), None)
                if at is not None:
                    self.cursor = at
                return at is not None
        return False

    def go_to_first_setting(self) -> None:
        """What was looked for, and not the section that it stands in."""
        self.cursor = next((at for at, row in enumerate(self.rows) if row.kind == "setting"), self.cursor)

    # --- drawing ---

    @property
    def signs(self) -> dict[str, tuple[str, str]]:
        """What stands before a row, by its look, and what it means."""
        return {
            "differs": ("*" if self.ascii_only else "\u25cf", "set here, another value"),
            "own": ("=", "set here, same as inherited"),
            "fault": ("!", "wrong"),
        }

    def explain(self) -> tuple[str, list[tuple[str, str]]]:
        """The signs, for the help."""
        plain = (" ", "inherited, and from where on the right; grey: the schema's default")
        return "signs before the settings", [*self.signs.values(), plain]

    @property
    def columns(self) -> tuple[int, int, int]:
        """Where the values begin, how wide they are, and how wide the column of origins is."""
        width = self.scrollable_content_region.width
        start = _MARGIN + 4 + self._label + 2
        origin = min(self._origin, max(width - start - _LEAST_VALUE, 0))
        return start, max(width - start - origin - 1, 1), origin

    def place_of_value(self) -> Region:
        """Where on the screen the value of the cursor's row stands."""
        start, width, origin = self.columns
        area = self.scrollable_content_region
        y = self.cursor - self.scroll_offset.y
        return Region(self.content_region.x + start - 1, self.content_region.y + y, min(width + origin, area.width), 1)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        index = self.scroll_offset.y + y
        base = self.rich_style
        if index >= len(self.rows):
            return Strip.blank(width, base)
        row = self.rows[index]
        at_cursor = index == self.cursor
        under = Style(bgcolor=self._look("cursor").bgcolor) if at_cursor else Style()
        mark = ">" if self.ascii_only else "\u258c"
        segments = [Segment((mark if at_cursor else " ").ljust(_MARGIN), self._look("bar") + under)]
        segments += [Segment(text, self._look(look) + under) for text, look in self._parts(row, width - _MARGIN)]
        return Strip(segments).adjust_cell_length(width, base + under)

    def _look(self, name: str) -> Style:
        return self.get_component_rich_style(f"form--{name}")

    def _parts(self, row: Row, width: int) -> list[tuple[str, str]]:
        if row.kind == "section":
            return self._section(row, width)
        if row.kind == "add":
            return [(self._fit(f"    + {row.label}", width), "add")]
        start, room, origin = self.columns
        look = "fault" if row.fault else "differs" if row.differs else "own"
        sign = self.signs[look][0] if row.fault or row.is_own else " "
        depth = 2 if row.kind == "named" else 0
        label = self._fit(" " * (2 - depth) + row.label, self._label + 3)
        parts = [(f"{sign} ", look), (label, "section" if row.kind == "named" else "own" if row.is_own else "label")]
        used = _MARGIN + 2 + self._label + 3
        parts.append((" " * (start - used), "label"))
        value = self._value(row)
        if row.fault:
            said = f"{value}  {row.fault}" if value else row.fault
            cut = min(width_of(value), room)
            shown = self._fit(said, room + origin)
            return [*parts, (shown[:cut], "own"), (shown[cut:], "fault")]
        look = "own" if row.is_own else "default" if row.origin in ("default", "") else "value"
        was = f"was {said_of(row.inherited)}" if row.differs and row.inherited is not ABSENT else ""
        note = f"  {row.overridden or was}"
        if note.strip() and room - width_of(value) > 10:
            shown = shorten(value, room, ascii_only=self.ascii_only)
            parts += [(shown, look), (self._fit(note, room - width_of(shown)), "note")]
        else:
            parts.append((self._fit(value, room), look))
        return [*parts, (" " + self._fit("" if row.origin == "default" else row.origin, origin), "origin")]

    def _section(self, row: Row, width: int) -> list[tuple[str, str]]:
        closed = ".".join(row.path) in self.folded
        sign = (">" if closed else "v") if self.ascii_only else "\u25b8" if closed else "\u25be"
        kind = "" if row.value is ABSENT else f" {row.value}"
        head = f"{sign} {row.label}"
        note = row.fault or row.note
        room = max(width - width_of(head) - width_of(kind) - 2, 0)
        tail = "  " + shorten(note, room, ascii_only=self.ascii_only)
        return [
            (self._fit(head, min(width_of(head), width)), "section"),
            (shorten(kind, width, ascii_only=self.ascii_only), "value"),
            (tail, "fault" if row.fault else "note"),
        ]

    def _value(self, row: Row) -> str:
        if row.kind == "named" and not isinstance(row.value, str):
            return "off" if row.value is False else "on"
        return said_of(row.value)

    def _fit(self, text: str, width: int) -> str:
        return fit(text, width, ascii_only=self.ascii_only)

    # --- the cursor ---

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, len(self.rows) - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        self.refresh()
        self._bring_into_view(new)
        self.post_message(self.Moved())

    def _bring_into_view(self, index: int) -> None:
        rows, top = self.size.height, self.scroll_offset.y
        if rows > 0 and not top <= index < top + rows:
            self.scroll_to(y=index if index < top else index - rows + 1, animate=False)

    def on_resize(self) -> None:
        self._bring_into_view(self.cursor)

    def action_next_section(self) -> None:
        later = (at for at in range(self.cursor + 1, len(self.rows)) if self.rows[at].kind == "section")
        self.cursor = next(later, self.cursor)

    def action_previous_section(self) -> None:
        before = (at for at in range(self.cursor - 1, -1, -1) if self.rows[at].kind == "section")
        self.cursor = next(before, self.cursor)

    # --- folding ---

    def fold(self, path: str, closed: bool) -> None:
        """Hide the rows of a section, or show them."""
        if (path in self.folded) != closed:
            self.folded = self.folded | {path} if closed else self.folded - {path}
            self.choose_rows()
            self.on_fold()

    def _section_here(self) -> str:
        row = self.selected
        if row is None:
            return ""
        if row.kind in ("section", "named"):
            return ".".join(row.path)
        before = (self.rows[at] for at in range(self.cursor, -1, -1))
        return next((".".join(one.path) for one in before if one.kind in ("section", "named")), "")

    def action_close(self) -> None:
        path = self._section_here()
        self.fold(path, True)
        at = (at for at, row in enumerate(self.rows) if ".".join(row.path) == path and row.kind in ("section", "named"))
        self.cursor = next(at, self.cursor)

    def action_open(self) -> None:
        self.fold(self._section_here(), False)

    def action_fold_all(self) -> None:
        sections = {".".join(row.path) for row in self._all if row.kind == "section"}
        self.folded = set() if sections <= self.folded else self.folded | sections
        self.choose_rows()
        self.on_fold()

    # --- what others do ---

    def action_edit(self) -> None:
        row = self.selected
        if row is not None and row.kind == "section":
            path = ".".join(row.path)
            self.fold(path, path not in self.folded)
        else:
            self.post_message(self.Wanted("edit"))

    def action_step(self) -> None:
        row = self.selected
        if row is not None and row.kind == "section":
            self.action_edit()
        else:
            self.post_message(self.Wanted("step"))

    def action_reset(self) -> None:
        self.post_message(self.Wanted("reset"))

    def action_add(self) -> None:
        self.post_message(self.Wanted("add"))

    def action_origin(self) -> None:
        self.post_message(self.Wanted("origin"))

    def action_copy_setting(self) -> None:
        self.post_message(self.Wanted("copy"))

    def on_click(self, event: events.Click) -> None:
        index = self.scroll_offset.y + event.y
        if index >= len(self.rows):
            return
        again = index == self.cursor
        self.cursor = index
        row = self.rows[index]
        if row.kind in ("section", "add") or event.chain == 2 or (again and event.x >= self.columns[0]):
            self.action_edit()
