"""Typing a value into a row of the form: one line over the row, with what is mostly written there below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import on
from textual.containers import Container
from textual.geometry import Offset
from textual.widgets import Input, Static

from craft.config.editable import ABSENT
from craft.errors import ConfigError
from workbench.screens.experiments.editing.form_help import help_on
from workbench.screens.experiments.editing.form_list import FormList
from workbench.screens.experiments.editing.form_shown import said_of
from workbench.screens.experiments.editing.popup import Completion, Popup
from workbench.screens.experiments.editing.value_input import ValueInput

if TYPE_CHECKING:
    from workbench.bench import Bench
    from workbench.screens.experiments.editing.form_model import Form, Row

KeyPath = tuple[str, ...]
KEPT_AS = "form "
"""What the names begin with under which the session keeps half typed values."""


class TypingPane(Container):
    """The part of the form that edits one row."""

    app: Bench

    def __init__(self, *, ascii_only: bool, id: str | None) -> None:
        super().__init__(id=id)
        self.ascii_only = ascii_only
        self._form: Form | None = None
        self.editing: Row | None = None
        """The row whose value is typed."""

    @property
    def rows(self) -> FormList:
        return self.query_one(FormList)

    @property
    def editor(self) -> ValueInput:
        return self.query_one(ValueInput)

    @property
    def popup(self) -> Popup:
        return self.query_one(Popup)

    def show_help(self) -> None:
        """Say what the row at the cursor is."""
        raise NotImplementedError

    def say(self, words: str, *, wrong: bool = False) -> None:
        """Show words in place of the help."""
        raise NotImplementedError

    def write(self, row_path: KeyPath, value: Any, why: str) -> None:
        """Write a value into the text. Raises ConfigError where that is impossible."""
        raise NotImplementedError

    def on_resize(self) -> None:
        self.call_after_refresh(self.follow)

    def follow(self) -> None:
        """Keep the editor over its row when that moves."""
        if self.editing is not None:
            self.editor.place(self.rows.place_of_value())
            self.popup.close()

    def open_editor(self, row: Row) -> None:
        """Let the value of a row be typed, over the row."""
        from workbench.screens.experiments.editing.form_edits import typed_of

        if row.kind != "setting":
            return
        if isinstance(row.value, str) and not row.value.isprintable():
            self.say(f"{row.label} has several lines, or characters that are none: o goes to it in the TOML.")
            return
        self.editing = row
        value = "" if row.value is ABSENT else typed_of(row.value, row.facts)
        self.editor.open(value, self.rows.place_of_value())
        if left := self.app.session.unfinished(self._where):
            self.editor.value = left[0]
            self.app.say("as it was typed before the program ended")
        self._offer("", at=value)
        self._say_value(self.editor.value)

    @property
    def _where(self) -> str:
        """What the session keeps a half typed value under."""
        assert self._form is not None and self.editing is not None
        return KEPT_AS + " ".join((*self._form.home, *self.editing.path))

    def _offer(self, typed: str, *, at: str = "") -> None:
        """List what is mostly written here."""
        row = self.editing
        if row is None or row.facts is None or self._form is None:
            return
        about = self._form.own.about
        choices = row.facts.choices
        if row.path == ("extends",):
            choices = tuple(name for name in self._form.entries if name != self._form.name)
        is_type = row.path[-1] == "type" and len(row.path) > 1
        found = [
            Completion(one, about(row.path[0], one) if is_type else "the default" * (one == row.facts.default))
            for one in choices
            if typed.lower() in one.lower()
        ]
        found.sort(key=lambda one: not one.text.lower().startswith(typed.lower()))
        if not found or (typed and [one.text for one in found] == [typed]):
            self.popup.close()
            return
        place = self.rows.place_of_value()
        self.popup.open(found, Offset(place.x - 1, place.y))
        if at in choices and not typed:
            self.popup.move([one.text for one in found].index(at) + 1)

    def take_key(self, key: str) -> bool:
        """Keys that are the list's while it is open."""
        if not self.popup.is_open:
            return False
        if key in ("down", "ctrl+n"):
            self.popup.move(1)
        elif key in ("up", "ctrl+p"):
            self.popup.move(-1)
        elif key == "tab" or (key == "enter" and (self.popup.chosen or self._is_begun)):
            one = self.popup.chosen or self.popup.first
            assert one is not None
            self._give(one.text, by_key=True)
        else:
            return False
        return True

    @property
    def _is_begun(self) -> bool:
        """Whether what is typed is no value, and part of the first that is listed."""
        typed, first, row = self.editor.value, self.popup.first, self.editing
        if not typed or first is None or row is None or self._form is None or typed.lower() not in first.text.lower():
            return False
        return typed not in self._form.entries if row.path == ("extends",) else bool(self._fault_of(typed))

    @on(Popup.Taken)
    def _take_clicked(self, event: Popup.Taken) -> None:
        event.stop()
        if self.popup.chosen is not None:
            self._give(self.popup.chosen.text, by_key=True)

    def keep_typed(self) -> None:
        """Keep what is typed and not given yet."""
        if self.editing is not None and self.editor.display:
            typed = self.editor.value
            self.app.session.keep_unfinished(self._where, [typed] if typed != self.editor.began else [])

    @on(Input.Changed, "#form-value")
    def _look_at_typed(self, event: Input.Changed) -> None:
        event.stop()
        if self.editing is not None and self.editor.display and event.value != self.editor.began:
            self._offer(event.value)
            self._say_value(event.value)

    def _say_value(self, typed: str) -> None:
        """Say what the schema says of what is typed."""
        if self.editing is not None:
            self.query_one("#form-help", Static).update(help_on(self.editing, self._fault_of(typed)))

    def _fault_of(self, typed: str) -> str:
        from workbench.screens.experiments.editing.form_edits import value_of

        row = self.editing
        if row is None or self._form is None:
            return ""
        try:
            return self._form.fault_of(row.path, value_of(typed, row.facts))
        except ConfigError as error:
            return str(error)

    @on(ValueInput.Given)
    def _take_given(self, event: ValueInput.Given) -> None:
        event.stop()
        self._give(event.text, by_key=event.by_key)

    def _give(self, typed: str, *, by_key: bool) -> None:
        from workbench.screens.experiments.editing.form_edits import value_of

        row = self.editing
        if row is None:
            return
        try:
            value = value_of(typed, row.facts)
            if row.value is ABSENT or not row.is_own or value != row.value or type(value) is not type(row.value):
                self.write(row.path, value, f"{row.label} = {said_of(value)}")
        except ConfigError as error:
            if by_key:
                self.query_one("#form-help", Static).update(help_on(row, str(error)))
            else:  # another place was clicked
                self.give_up(str(error))
            return
        self.close_editor(focus=by_key)

    def give_up(self, why: str) -> None:
        """Take the editor away, and say what was typed: it is written nowhere."""
        row, typed = self.editing, self.editor.value
        self.close_editor()
        if row is not None and typed != self.editor.began:
            self.app.say(f"{row.label} stays {said_of(row.value) or 'unset'}, and is not {typed}: {why}", "warning")

    def finish(self) -> None:
        """Take what is typed now, if anything is."""
        if self.editing is not None and self.editor.value != self.editor.began:
            self._give(self.editor.value, by_key=False)

    @on(ValueInput.Left)
    def _leave(self, event: ValueInput.Left) -> None:
        event.stop()
        self.close_editor()

    def close_editor(self, *, focus: bool = True) -> None:
        """Take the editor away; `focus` gives the keys back to the rows."""
        had_focus = self.editor.has_focus
        if self.editing is not None:
            self.app.session.keep_unfinished(self._where, [])
        self.editing = None
        self.popup.close()
        self.editor.close()
        if focus and had_focus:
            self.rows.focus()
        self.show_help()
