"""The TOML itself: Textual's text area over the file's own bytes, with colours, faults and completion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.document._document import EditResult, Location
from textual.document._document_navigator import DocumentNavigator
from textual.document._edit import Edit
from textual.geometry import Region
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import TextArea

from craft.errors import Problem
from craft.text import clean, shorten, width_of
from workbench.actions import bindings_of
from workbench.screens.experiments.editing.buffer import common_start
from workbench.screens.experiments.editing.text_document import FileDocument, Unwrapped
from workbench.widgets.own_keys import OwnKeys

INDENT = 4
_LEAST_MESSAGE = 12  # columns beside a line that are worth a message
_MOST_KEPT = 2_000  # lines that are kept as they were drawn
_UNDERLINED = Style(underline=True)
# What `str.splitlines` and terminals take for a line's end, and TOML does not.
_SEPARATORS = {ord("\u2028"): "\ufffd", ord("\u2029"): "\ufffd", ord("\r"): "\u240d"}


class TomlFace(OwnKeys, TextArea):
    """Edits a text. Every change, typed or made by others, is in one history that undo takes back."""

    document: FileDocument
    BINDINGS = bindings_of("toml")
    COMPONENT_CLASSES = {
        "toml--comment",
        "toml--header",
        "toml--key",
        "toml--text",
        "toml--number",
        "toml--word",
        "toml--sign",
        "toml--fault",
        "toml--message",
        "toml--found",
    }

    class Typed(Message):
        """A person changed the text at the cursor: what could be completed there may be another."""

    class WantsCompletion(Message):
        """The person asks what could be written here."""

    def __init__(self, text: str, *, ascii_only: bool = False, id: str | None = None) -> None:
        self.ascii_only = ascii_only
        self._problems: dict[int, Problem] = {}  # the first of each line, by row
        self.found: dict[int, list[tuple[int, int]]] = {}
        """What was searched for and found, by row."""
        self._drawn: dict[object, Strip] = {}
        self.takes_key: Callable[[str], bool] = lambda key: False
        """Whether a key is for what lies over the text, and done with."""
        self.edited: Callable[[], None] = lambda: None
        """Told of each change before it is seen."""
        self.stepped: Callable[[str], None] = lambda before: None
        """Told of each step of undo and redo, with the text before it."""
        super().__init__(text, soft_wrap=False, show_line_numbers=True, max_checkpoints=500, compact=True, id=id)
        self.indent_width = INDENT
        self.indent_type = "tabs" if "\n\t" in text else "spaces"

    def _set_document(self, text: str, language: str | None) -> None:
        """Textual makes its document here, and would even out line ends."""
        self.document = FileDocument(text)
        self.wrapped_document = Unwrapped(self.document, tab_width=self.indent_width)
        self.navigator = DocumentNavigator(self.wrapped_document)
        self.move_cursor((0, 0))
        self._rewrap_and_refresh_virtual_size()

    # --- drawing ---

    def _build_highlight_map(self) -> None:
        """Textual colours the whole text here; ours is coloured by the line, when it is drawn."""
        self._line_cache.clear()

    def get_line(self, line_index: int) -> Text:
        written = self.document.get_line(line_index)
        line = Text(clean(written.translate(_SEPARATORS)), end="", no_wrap=True)
        if self.ascii_only and not written.isascii():
            # Same length, so that the cursor stays where it is.
            line = Text("".join(char if char.isascii() else "?" for char in line.plain), end="", no_wrap=True)
        for token in self.document.tokens(line_index):
            line.stylize(self._look(token.kind), token.start, token.stop)
        for start, stop in self.found.get(line_index, ()):
            line.stylize(self._look("found"), start, stop)
        if problem := self._problems.get(line_index):
            line.stylize(_UNDERLINED, *self._span(line_index, problem.column - 1))
        return line

    def _look(self, name: str) -> Style:
        """How a token is drawn; over the cursor's line or a selection, whose background stays."""
        full = self.get_component_rich_style(f"toml--{name}")
        background = full.bgcolor if name == "found" else None
        return Style(color=full.color, bgcolor=background, bold=full.bold, italic=full.italic, underline=full.underline)

    def _span(self, row: int, column: int) -> tuple[int, int]:
        """What to underline for a fault at a column: the token there, or the line from there on."""
        for token in self.document.tokens(row):
            if token.start <= column < token.stop:
                return (column if token.kind == "key" else token.start), token.stop
        return min(column, max(len(self.document[row]) - 1, 0)), max(len(self.document[row]), 1)

    def render_lines(self, crop: Region) -> list[Strip]:
        self._theme.apply_css(self)
        # The cursor's line keeps the colours of its words.
        if line := self._theme.cursor_line_style:
            self._theme.cursor_line_style = Style(bgcolor=line.bgcolor)
        return ScrollView.render_lines(self, crop)

    def _render_line(self, y: int) -> Strip:
        """Textual draws all lines anew after each edit; those that nothing happened to are kept."""
        row = y + self.scroll_offset.y
        bracket = self._matching_bracket_location
        is_plain = self.selection.is_empty and row != self.cursor_location[0] and (not bracket or bracket[0] != row)
        if not is_plain or row >= self.document.line_count:
            return self._draw_line(y)
        look = (self.size, self.virtual_size.width, self.gutter_width, self.scroll_offset.x)
        about = (self._problems.get(row), tuple(self.found.get(row, ())))
        key = (row, self.document[row], self.document.open_at(row), look, about)
        strip = self._drawn.get(key)
        if strip is None:
            if len(self._drawn) > _MOST_KEPT:
                self._drawn.clear()
            strip = self._drawn[key] = self._draw_line(y)
        return strip

    def notify_style_update(self) -> None:
        self._drawn.clear()
        super().notify_style_update()

    def _draw_line(self, y: int) -> Strip:
        strip = super()._render_line(y)
        row = y + self.scroll_offset.y
        problem = self._problems.get(row)
        if problem is None or row >= self.document.line_count:
            return strip
        sign = Strip([Segment("!", self._look("message") + Style(bgcolor=self.rich_style.bgcolor, bold=True))])
        gutter = self.gutter_width
        strip = Strip.join([strip.crop(0, gutter - 1), sign, strip.crop(gutter)])
        # Words take the room behind the line, where there is enough.
        line = self.document[row].expandtabs(self.indent_width)
        start = gutter + width_of(clean(line)) - self.scroll_offset.x + 3
        room = self.size.width - start - 1
        if room < _LEAST_MESSAGE or start < gutter:
            return strip
        words = shorten(": ".join(filter(None, (problem.path, problem.message))), room, ascii_only=self.ascii_only)
        under = Style(bgcolor=self.rich_style.bgcolor)
        if row == self.cursor_location[0] and self._theme.cursor_line_style:
            under = Style(bgcolor=self._theme.cursor_line_style.bgcolor)
        said = Strip([Segment(words, self._look("message") + under)])
        return Strip.join([strip.crop(0, start), said, strip.crop(start + said.cell_length)])

    def show_problems(self, problems: Sequence[Problem]) -> None:
        """Mark the lines that something is wrong with."""
        marked: dict[int, Problem] = {}
        for problem in problems:
            row = max(problem.line - 1, 0)
            if row < self.document.line_count:
                marked.setdefault(row, problem)
        if marked != self._problems:
            self._problems = marked
            self.redraw()

    def redraw(self) -> None:
        """Draw all lines anew."""
        self._line_cache.clear()
        self.refresh()

    def problem_at(self, row: int) -> Problem | None:
        """What is wrong in a line."""
        return self._problems.get(row)

    @property
    def problem_rows(self) -> list[int]:
        """The lines that something is wrong with, in order."""
        return sorted(self._problems)

    def on_resize(self) -> None:
        """A line above that appears, or this face itself, leaves the cursor in view."""
        self.call_after_refresh(self._show_cursor)

    def _show_cursor(self) -> None:
        row, _ = self.cursor_location
        line = self.gutter_width + width_of(clean(self.document[row]).expandtabs(self.indent_width))
        if line < self.size.width:  # what was gone to while this had no width
            self.scroll_to(x=0, animate=False)
        if row >= self.scroll_offset.y:  # else somebody scrolled on
            self.scroll_cursor_visible()

    # --- changes ---

    def edit(self, edit: Edit) -> EditResult:
        """Every change comes through here: marks below it move with their lines."""
        rows = self.document.line_count
        result = super().edit(edit)
        moved = self.document.line_count - rows
        if moved and self._problems:
            last = edit.bottom[0]
            self._problems = {row + moved if row >= last else row: one for row, one in self._problems.items()}
        self.found = {}
        self.edited()
        return result

    def replace_text(self, new: str) -> None:
        """Make the text `new` by replacing what differs, as one step for undo; the cursor stays on its line."""
        old = self.document.text
        if new == old:
            return
        if new.count("\n") != new.count("\r\n"):
            self.document.loosen()
        start = common_start(old, new)
        tail = common_start(old[start:][::-1], new[start:][::-1])
        # Half of a Windows line end is no place for an edit.
        if start and (old[start - 1 : start + 1] == "\r\n" or new[start - 1 : start + 1] == "\r\n"):
            start -= 1
        if tail and "\r\n" in (old[len(old) - tail - 1 :][:2], new[len(new) - tail - 1 :][:2]):
            tail -= 1
        top, bottom = self.document.location_of(start), self.document.location_of(len(old) - tail)
        here = self.cursor_location
        self.history.checkpoint()
        result = self.edit(Edit(new[start : len(new) - tail], top, bottom, maintain_selection_offset=True))
        self.history.checkpoint()
        if top < here < bottom:
            self.move_cursor(min(here, result.end_location))

    def undo(self) -> None:
        before = self.document.text
        super().undo()
        self.stepped(before)

    def redo(self) -> None:
        before = self.document.text
        super().redo()
        self.stepped(before)

    def insert_at(self, text: str, row: int, start: int, stop: int) -> None:
        """Replace characters of a line as one step for undo, with the cursor behind them."""
        self.history.checkpoint()
        self.edit(Edit(text, (row, start), (row, stop), maintain_selection_offset=False))
        self.history.checkpoint()

    def go_to(self, line: int, column: int = 1) -> None:
        """Put the cursor to a place that is counted from 1, in the middle of the view."""
        place: Location = self.clamp_visitable((max(line - 1, 0), max(column - 1, 0)))
        self.move_cursor(place, center=True)

    def _replace_via_keyboard(self, insert: str, start: Location, end: Location) -> EditResult | None:
        """What comes from the keyboard or the clipboard has the file's line ends, and is text that can be saved."""
        insert = insert.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()
        if insert == "\n" and start == end:
            insert += self._indent_after(start)
        result = super()._replace_via_keyboard(insert, start, end)
        if result is not None:
            self.post_message(self.Typed())
        return result

    def _delete_via_keyboard(self, start: Location, end: Location) -> EditResult | None:
        result = super()._delete_via_keyboard(start, end)
        if result is not None:
            self.post_message(self.Typed())
        return result

    def _indent_after(self, place: Location) -> str:
        """The blanks that a new line begins with: those of this one, and more inside a bracket that opens here."""
        row, column = place
        line = self.document[row][:column]
        blank = line[: len(line) - len(line.lstrip(" \t"))]
        if line.rstrip().endswith("[") and not line.lstrip().startswith("["):
            blank += "\t" if self.indent_type == "tabs" else " " * INDENT
        return blank

    # --- keys ---

    async def _on_key(self, event: events.Key) -> None:
        if self.takes_key(event.key):
            event.stop()
            event.prevent_default()
        elif event.key == "enter" and self._closes_bracket():
            event.stop()
            event.prevent_default()
            self._open_bracket()

    def _closes_bracket(self) -> bool:
        row, column = self.cursor_location
        line = self.document[row]
        return self.selection.is_empty and line[:column].endswith("[") and line[column:].startswith("]")

    def _open_bracket(self) -> None:
        """Enter between two brackets: an indented line between them."""
        row, column = self.cursor_location
        line = self.document[row]
        blank = line[: len(line) - len(line.lstrip(" \t"))]
        inside = self._indent_after((row, column))
        self.insert_at(f"\n{inside}\n{blank}", row, column, column)
        self.move_cursor((row + 1, len(inside)))

    def action_comment(self) -> None:
        """Make the selected lines comments, or comments lines again."""
        if self.read_only:
            return
        (first, _), (last, stop) = sorted(self.selection)
        if last > first and stop == 0:
            last -= 1
        lines = self.document.lines[first : last + 1]
        written = [line for line in lines if line.strip()]
        if not written:
            return
        if all(line.lstrip().startswith("#") for line in written):
            new = [_uncommented(line) for line in lines]
        else:
            indent = min(len(line) - len(line.lstrip()) for line in written)
            new = [f"{line[:indent]}# {line[indent:]}" if line.strip() else line for line in lines]
        here = self.cursor_location
        self.history.checkpoint()
        self.edit(Edit("\n".join(new), (first, 0), (last, len(lines[-1])), maintain_selection_offset=False))
        self.history.checkpoint()
        row, column = here
        if first <= row <= last:
            column = max(column + len(new[row - first]) - len(lines[row - first]), 0)
        self.move_cursor((row, column))

    def action_text_start(self) -> None:
        """The cursor before the first character of the text."""
        self.move_cursor((0, 0))

    def action_text_end(self) -> None:
        """The cursor behind the last one."""
        self.move_cursor(self.document.end)

    def action_complete(self) -> None:
        self.post_message(self.WantsCompletion())

    def action_copy(self) -> None:
        app: Any = self.app
        if self.selected_text:
            app.copy(self.selected_text, "text")


def _uncommented(line: str) -> str:
    blank, mark, rest = line.partition("#")
    return line if not mark or blank.strip() else blank + rest.removeprefix(" ")
