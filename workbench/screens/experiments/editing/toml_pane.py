"""The TOML face with what belongs to it: completion under the cursor, help below, and finding."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.geometry import Offset
from textual.message import Message
from textual.widgets import TextArea

from craft.text import clean_line
from workbench.actions import bindings_of
from workbench.screens.experiments.editing.find import FindBar, places_of
from workbench.screens.experiments.editing.popup import Completion, Popup
from workbench.screens.experiments.editing.scan import parts_of
from workbench.screens.experiments.editing.toml_face import TomlFace
from workbench.screens.experiments.editing.where import Where, where_is
from workbench.widgets.said import Said

if TYPE_CHECKING:
    from craft.errors import Problem
    from workbench.bench import Bench
    from workbench.screens.experiments.editing.completion import Names


class TomlPane(Container):
    """Holds the text. It completes and helps once `ready`: when the schema was imported by a thread."""

    app: Bench
    BINDINGS = bindings_of("toml pane")

    class Entered(Message):
        """The cursor is in the table of another template or experiment: kind and name, empty for none."""

        def __init__(self, owner: tuple[str, str]) -> None:
            super().__init__()
            self.owner = owner

    def __init__(self, text: str, *, ascii_only: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._text, self.ascii_only = text, ascii_only
        self.ready = False
        self.names: Names | None = None
        self._where: Where | None = None
        self.owner = ("", "")
        """Kind and name of the table that the cursor is in."""

    def compose(self) -> ComposeResult:
        yield TomlFace(self._text, ascii_only=self.ascii_only, id="toml")
        yield FindBar(id="find")
        yield Said(id="toml-help")
        yield Popup(ascii_only=self.ascii_only, id="completions")

    def on_mount(self) -> None:
        self.face.takes_key = self._take_key
        self.popup.display = False
        self.query_one(FindBar).display = False
        self.watch(self.face, "scroll_y", self.popup.close, init=False)

    def on_descendant_blur(self) -> None:
        self.popup.close()

    @property
    def face(self) -> TomlFace:
        return self.query_one(TomlFace)

    @property
    def popup(self) -> Popup:
        return self.query_one(Popup)

    # --- completion ---

    @on(TomlFace.Typed)
    def _complete_what_is_typed(self, event: TomlFace.Typed) -> None:
        event.stop()
        self._complete(asked=False)

    @on(TomlFace.WantsCompletion)
    def _complete_because_asked(self, event: TomlFace.WantsCompletion) -> None:
        event.stop()
        self._complete(asked=True)

    def _complete(self, *, asked: bool) -> None:
        if not self.ready or self.names is None or self.face.read_only:
            return
        from workbench.screens.experiments.editing.completion import completions

        row, column = self.face.cursor_location
        where = where_is(self.face.document, row, column)
        taken = self._keys_of(row) if where.kind == "key" else []
        found = completions(where, self.names, taken)
        begun = bool(where.word) or (where.kind == "value" and self.face.document[row][:column].endswith(("= ", '"')))
        rest = self.face.document[row][where.stop :].lstrip()
        is_whole = bool(found) and found[0].text.strip('"') == where.word and where.stop == column
        done = is_whole and (where.kind != "key" or rest.startswith(("=", ".")))
        if not found or (not asked and (not begun or done)):
            self.popup.close()
            return
        self._where = where
        cursor = self.face.cursor_screen_offset
        self.popup.open(found, Offset(cursor.x - (column - where.start) - 1, cursor.y))

    def _keys_of(self, row: int) -> list[str]:
        """Keys that stand under the same header, as they are written."""
        document = self.face.document
        first = document.header_row(row) + 1
        found: list[str] = []
        for at in range(first, document.line_count):
            tokens = document.tokens(at)
            if tokens and tokens[0].kind == "header":
                break
            if at != row and tokens and tokens[0].kind == "key":
                found.append(document[at][tokens[0].start : tokens[0].stop])
        return found

    def _take_key(self, key: str) -> bool:
        """Keys that are the popup's while it is open."""
        popup = self.popup
        if not popup.is_open:
            return False
        if key in ("down", "ctrl+n"):
            popup.move(1)
        elif key in ("up", "ctrl+p"):
            popup.move(-1)
        elif key == "escape":
            popup.close()
        elif key == "tab" or (key == "enter" and popup.chosen):
            self._accept(popup.chosen or popup.first)
        else:
            if key in ("enter", "left", "right", "home", "end", "pageup", "pagedown"):
                popup.close()
            return False
        return True

    @on(Popup.Taken)
    def _take_clicked(self, event: Popup.Taken) -> None:
        event.stop()
        self._accept(self.popup.chosen)

    def _accept(self, one: Completion | None) -> None:
        where, face = self._where, self.face
        self.popup.close()
        if one is None or where is None:
            return
        row, _ = face.cursor_location
        text = one.text
        rest = face.document[row][where.stop :].lstrip()
        if where.kind == "key" and not rest.startswith(("=", ".")):
            text += "." if self._is_table((*where.table, one.text)) else " = "
        face.insert_at(text, row, where.start, where.stop)
        if text != one.text:
            self._complete(asked=text.endswith("."))

    def _is_table(self, path: tuple[str, ...]) -> bool:
        from workbench.screens.experiments.editing.completion import setting_of
        from workbench.screens.experiments.editing.facts import facts_of

        inside = setting_of(path)
        facts = facts_of(inside) if inside else None
        return facts is not None and facts.what == "a table"

    # --- help and problems ---

    @on(TextArea.SelectionChanged)
    def _look_at_cursor(self) -> None:
        column = self.face.cursor_location[1]
        if self._where is not None and self.popup.is_open and column < self._where.start:
            self.popup.close()
        self.show_help()
        owner = owner_of(self.face.document.table_at(self.face.cursor_location[0]))
        if owner != self.owner:
            self.owner = owner
            self.post_message(self.Entered(owner))

    def go_to_table(self, path: tuple[str, ...]) -> None:
        """The cursor to the first header of a table, or to the line that makes it."""
        document = self.face.document
        for row in range(document.line_count):
            tokens = document.tokens(row)
            if not tokens or tokens[0].kind not in ("header", "key"):
                continue
            table = (
                document.table_at(row)
                if tokens[0].kind == "header"
                else (*document.table_at(row), *parts_of(document[row][tokens[0].start : tokens[0].stop]))
            )
            if table[: len(path)] == path:
                self.owner = owner_of(document.table_at(row))
                self.face.go_to(row + 1)
                return

    def show_help(self) -> None:
        """Say what is wrong in the cursor's line, else what the setting at the cursor is."""
        face = self.face
        row, column = face.cursor_location
        problem = face.problem_at(row)
        if problem is not None:
            self._say(_words_on(problem))
            return
        if self.ready and self.names is not None:
            from workbench.screens.experiments.editing.completion import help_at

            facts = help_at(where_is(face.document, row, column), self.names)
            if facts is not None:
                name = Content.styled(clean_line(".".join(facts.path)), "bold")
                self._say(Content.assemble(name, f"  {facts.words}\n", (facts.about, "$foreground 70%")))
                return
        rows = face.problem_rows
        if rows:
            number = f"{len(rows)} line{'s' * (len(rows) != 1)} with problems, the first in line {rows[0] + 1}: "
            first = face.problem_at(rows[0])
            assert first is not None
            self._say(
                Content.assemble(
                    (number, "$text-error"), clean_line(first.message), ("  F12 goes there", "$foreground 55%")
                )
            )
        else:
            self._say(Content(""))

    def _say(self, words: Content) -> None:
        self.query_one("#toml-help", Said).update(words)

    def go_to_problem(self, onward: int) -> None:
        """The cursor to the next problem, or with -1 to the one before; around the ends."""
        rows = self.face.problem_rows
        if not rows:
            return
        here = self.face.cursor_location[0]
        at = bisect_right(rows, here) if onward > 0 else bisect_left(rows, here) - 1
        problem = self.face.problem_at(rows[at % len(rows)])
        assert problem is not None
        self.face.go_to(problem.line or 1, problem.column or 1)
        self.face.focus()

    # --- finding ---

    def action_find(self) -> None:
        words = self.face.selected_text
        self.query_one(FindBar).open(words if words.isprintable() else "")

    def action_find_next(self) -> None:
        self._find(self.query_one(FindBar).words, 1)

    def action_find_previous(self) -> None:
        self._find(self.query_one(FindBar).words, -1)

    @on(FindBar.Sought)
    def _seek(self, event: FindBar.Sought) -> None:
        event.stop()
        self._find(event.words, event.onward)

    @on(FindBar.Left)
    def _leave_find(self, event: FindBar.Left) -> None:
        event.stop()
        self.face.found = {}
        self.face.redraw()
        self.face.focus()

    def _find(self, words: str, onward: int) -> None:
        face = self.face
        places = places_of(words, face.document.lines)
        found: dict[int, list[tuple[int, int]]] = {}
        for row, start, stop in places:
            found.setdefault(row, []).append((start, stop))
        face.found = found
        face.redraw()
        at = 0
        if places:
            here = min(face.selection)
            starts = [(row, start) for row, start, _ in places]
            at = bisect_right(starts, here) if onward > 0 else bisect_left(starts, here) - (onward < 0)
            at %= len(places)
            row, start, stop = places[at]
            face.move_cursor((row, start), center=True)
            face.move_cursor((row, stop), select=True)
        self.query_one(FindBar).say(at + 1, len(places))

    # --- lines ---

    def action_go_to_line(self) -> None:
        from workbench.dialogs.prompt import PromptScreen

        last = self.face.document.line_count

        def check(text: str) -> str:
            is_number = text.strip().isdecimal() and len(text) < 20  # Python reads no number of thousands of digits
            return "" if is_number and 1 <= int(text) <= last else f"a line from 1 to {last}"

        def go(text: str | None) -> None:
            if text is not None:
                self.face.go_to(int(text))

        self.app.push_screen(PromptScreen("Go to line", check=check), go)


def owner_of(table: tuple[str, ...]) -> tuple[str, str]:
    """Kind and name of the template or experiment that a table belongs to; the defaults have no name."""
    if table[:1] == ("defaults",):
        return "defaults", ""
    return (table[0], table[1]) if len(table) > 1 and table[0] in ("template", "experiment") else ("", "")


def _words_on(problem: Problem) -> Content:
    where = ": ".join(filter(None, (problem.where, problem.path)))
    hint = f"  {problem.hint}" if problem.hint else ""
    said = Content.assemble(("! ", "bold $text-error"), (clean_line(problem.message), "$text-error"), clean_line(hint))
    return Content.assemble(said, "\n", (clean_line(where), "$foreground 70%"))
