"""The form: rows made from the schema, one editor at a time over the row that is edited, and help below."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from craft.config.editable import ABSENT
from craft.errors import ConfigError
from craft.text import clean, clean_line
from workbench.actions import bindings_of
from workbench.screens.experiments.editing.form_help import help_on
from workbench.screens.experiments.editing.form_list import FormList
from workbench.screens.experiments.editing.form_shown import VIEWS, said_of
from workbench.screens.experiments.editing.form_typing import TypingPane
from workbench.screens.experiments.editing.popup import Popup
from workbench.screens.experiments.editing.value_input import ValueInput
from workbench.widgets.said import Said
from workbench.widgets.typed import Line

if TYPE_CHECKING:
    from workbench.screens.experiments.editing.form_model import Form, Row

KeyPath = tuple[str, ...]
_ROOM_FOR_SIGNS = 28
"""Rows from which on one of them says what the signs before the settings mean; the help always does."""


class FormPane(TypingPane):
    """Shows a `Form` and turns what is done to it into new texts, which `edit` puts in place."""

    BINDINGS = bindings_of("form pane")

    class OriginWanted(Message):
        """Show where the value of a row is written."""

        def __init__(self, row: Row) -> None:
            super().__init__()
            self.row = row

    class NoPlace(Message):
        """The field that was to be opened is not there, or locked. `place` begins with the path of its table."""

        def __init__(self, place: KeyPath) -> None:
            super().__init__()
            self.place = place

    def __init__(self, *, ascii_only: bool = False, id: str | None = None) -> None:
        super().__init__(ascii_only=ascii_only, id=id)
        self.text = ""
        """The text that is edited: that of the newest key, which the rows may be a moment behind of."""
        self.edit: Callable[[str, str], None] = lambda text, why: None
        """Puts a text in place; the second word says what was done."""
        self._said_at: KeyPath = ()  # the row that words in place of its help are about
        self._then_open: KeyPath = ()  # what wants a value once it is shown, with the path of its table

    def compose(self) -> ComposeResult:
        yield Said(id="form-title")
        with Horizontal(id="form-filter"):
            yield Static("filter ", id="form-filter-label")
            yield Line(id="form-words", compact=True)
        yield FormList(ascii_only=self.ascii_only, id="form-list")
        yield Static(id="form-signs")
        yield Said(id="form-help")
        yield ValueInput(id="form-value")
        yield Popup(ascii_only=self.ascii_only, id="form-choices")

    def on_mount(self) -> None:
        self.popup.display = False
        self.query_one("#form-filter").display = False
        self.editor.takes_key = self.take_key
        self.editor.edited = self.keep_typed
        self.rows.on_fold = self._remember
        view = self.app.session.get("experiments.form.view", "all")
        self.rows.view = view if view in VIEWS else "all"
        self.rows.folded = set(self.app.session.texts("experiments.form.folded", ["metrics"]))
        self._title()
        legend = (part for look, (sign, means) in self.rows.signs.items() for part in _sign(look, sign, means))
        self.query_one("#form-signs", Static).update(Content.assemble(*legend))
        self.watch(self.rows, "scroll_y", self.follow, init=False)

    def on_resize(self) -> None:
        self.query_one("#form-signs").display = self.size.height >= _ROOM_FOR_SIGNS

    @property
    def form(self) -> Form | None:
        return self._form

    def _remember(self) -> None:
        self.app.session.set("experiments.form.view", self.rows.view)
        self.app.session.set("experiments.form.folded", sorted(self.rows.folded))

    # --- what is shown ---

    def show(self, form: Form) -> None:
        """Show a form. One of a text that cannot be read keeps the rows that were there, and locks them; so are those
        of a table that stands in another file."""
        before = self._form
        same = before is not None and (before.kind, before.name) == (form.kind, form.name)
        if not same and self.editing is not None:
            self.give_up("another table is shown now")
        self._form = form
        if form.rows or not form.fault:
            self.rows.show(form.rows)
            if not same:
                self.rows.cursor = 0
        elif not same:
            self.rows.show([])
        self._open_wanted()
        self.rows.set_class(bool(form.fault), "-locked")
        self._title()
        self.show_help()

    def open_at(self, place: KeyPath) -> None:
        """Open the field of a setting now, or as soon as it is shown. `place` begins with the path of its table."""
        self._then_open = place
        self.rows.view, self.rows.words = "all", ""
        self.action_unfilter()
        if self._form is not None:
            self.rows.choose_rows()
            self._title()
            self._open_wanted()

    def _open_wanted(self) -> None:
        """Open what wants a value, once its table is shown as it is in the newest text: then or never."""
        form, place = self._form, self._then_open
        if not place or form is None or form.text != self.text or place[: len(form.home)] != form.home:
            return
        self._then_open = ()
        path = place[len(form.home) :]
        row = self.rows.selected if not form.fault and self.rows.go_to(path) else None
        if row is not None and row.path == path:
            self.open_editor(row)
        else:
            self.post_message(self.NoPlace(place))

    def _title(self) -> None:
        form = self._form
        title = self.query_one("#form-title", Static)
        if form is None:
            title.update(Content.styled("reading the schema ...", "$foreground 60%"))
            return
        name = "defaults, under every experiment" if form.kind == "defaults" else f"{form.kind} {form.name}"
        parts: list[Any] = [(clean_line(name), "bold")]
        if form.fault:
            parts.append((f"   locked: {clean_line(form.fault)}", "$text-error"))
        elif not form.name and form.kind != "defaults":
            parts = [("choose an experiment", "$foreground 60%")]
        else:
            if self.rows.view != "all":
                parts.append((f"   only {VIEWS[self.rows.view]}", "$text-warning"))
            if self.rows.words:
                parts.append((f"   only with '{clean_line(self.rows.words)}'", "$text-warning"))
            number = sum(row.is_own for row in form.rows if row.kind == "setting")
            faults = sum(bool(row.fault) for row in form.rows)
            parts.append((f"   {number} set here", "$foreground 60%"))
            if faults:
                parts.append((f"   {faults} wrong", "$text-error"))
        title.update(Content.assemble(*parts))

    @on(FormList.Moved)
    def show_help(self) -> None:
        row = self.rows.selected
        here = row.path if row else ()
        if self.editing is None and not (self._said_at == here and here):
            self._said_at = ()
            self.query_one("#form-help", Static).update(help_on(row) if row else self._nothing())

    def _nothing(self) -> Content:
        if self._form is None or self._form.fault:
            return Content("")
        if self.rows.words or self.rows.view != "all":
            return Content("No setting is left: escape takes the filter back, v shows all.")
        return Content("")

    def say(self, words: str, *, wrong: bool = False) -> None:
        """Show words in place of the help, until the cursor moves on or something is done."""
        self._said_at = self.rows.selected.path if self.rows.selected else ()
        look = "$text-error" if wrong else "$foreground"
        self.query_one("#form-help", Static).update(Content.styled(clean(words), look))

    # --- doing ---

    @on(FormList.Wanted)
    def _do(self, event: FormList.Wanted) -> None:
        event.stop()
        row = self.rows.selected
        self._said_at = ()
        if row is None or self._form is None:
            return
        if event.what == "origin":
            self.post_message(self.OriginWanted(row))
        elif event.what == "copy":
            if row.kind == "setting" and row.value is not ABSENT:
                from craft.config.toml_values import dotted, write_value

                self.app.copy(f"{dotted(row.path)}={write_value(row.value)}", "setting")
        elif self._form.fault:
            why = (
                "This cannot be changed here: it"
                if self._form.rows
                else "The form waits until the text is right again:"
            )
            self.say(f"{why} {self._form.fault}", wrong=True)
        elif event.what == "reset":
            self._reset(row)
        elif event.what == "add" or row.kind == "add":
            self._add(row)
        elif row.kind == "named" or _choices_of(row)[:1] == [False] or (event.what == "step" and _choices_of(row)):
            self._step(row)
        else:
            self.open_editor(row)

    def write(self, row_path: KeyPath, value: Any, why: str) -> None:
        from workbench.screens.experiments.editing.form_edits import set_setting, set_type

        assert self._form is not None
        if row_path[-1] == "type" and len(row_path) > 1 and isinstance(value, str):
            text, gone = set_type(self._form, self.text, row_path[:-1], value)
            self._explain_type(row_path, value, gone)
        else:
            text = set_setting(self._form, self.text, row_path, value)
        self.edit(text, why)

    def _put(self, row_path: KeyPath, value: Any, why: str) -> None:
        """Write a value; say why not where that is impossible."""
        try:
            self.write(row_path, value, why)
        except ConfigError as error:
            self.say(str(error), wrong=True)

    def _explain_type(self, path: KeyPath, kind: str, gone: list[str]) -> None:
        said = f"{'.'.join(path)} = {kind}: the section is replaced whole, nothing of another type is inherited"
        if gone:
            said += f"; taken out, as {kind} has no such setting: {', '.join(gone)}"
        self.app.say(f"{said}. ctrl+z takes it back.")

    def _step(self, row: Row) -> None:
        """The other of two values, or the next of several."""
        if row.kind == "named":
            if row.path[0] != "callbacks":
                return
            self._put(
                (*row.path, "enabled"), row.value is False, f"{row.label} {'on' if row.value is False else 'off'}"
            )
            return
        choices = _choices_of(row)
        if not choices:
            return
        at = choices.index(row.value) if row.value in choices else -1
        value = choices[(at + 1) % len(choices)]
        self._put(row.path, value, f"{row.label} = {said_of(value)}")

    def _reset(self, row: Row) -> None:
        """Take the own value, or the own part of a section, away."""
        from workbench.screens.experiments.editing.form_edits import reset_setting

        assert self._form is not None
        if row.kind == "add":
            return
        if not row.is_own and row.kind != "section":
            where = f"it comes from {row.origin}" if row.origin not in ("", "default") else "it is not set"
            more = "; space switches it off" if row.kind == "named" and row.path[0] == "callbacks" else ""
            self.say(f"{row.label} is not set here: {where}{more}.")
            return
        try:
            text = reset_setting(self._form, self.text, row.path)
        except ConfigError as error:
            self.say(str(error), wrong=True)
            return
        self.edit(text, f"{row.label} reset")

    def _add(self, row: Row) -> None:
        """One more callback, metric, axis or run: which, is asked."""
        from workbench.screens.experiments.editing.form_adding import ASKS, Addition

        assert self._form is not None
        home = self._form.home

        def add(addition: Addition) -> None:
            try:
                text = addition.edit(self.text)
            except ConfigError as error:
                self.say(str(error), wrong=True)
                return
            self._then_open = (*home, *addition.then)
            self.edit(text, addition.why)

        ask = ASKS.get(row.path[0])
        if ask is None or (row.path[0] == "sweep" and self._form.kind != "experiment"):
            self.say("Callbacks, metrics, axes and runs of a sweep can be added; all else is there.")
        else:
            ask(self.app, self._form, row, add)

    # --- filter and view ---

    def action_filter(self) -> None:
        self.query_one("#form-filter").display = True
        self.query_one("#form-words", Input).focus()

    @on(Input.Changed, "#form-words")
    def _filter(self, event: Input.Changed) -> None:
        event.stop()
        self.rows.words = event.value
        self.rows.choose_rows()
        if event.value:
            self.rows.go_to_first_setting()
        self._title()

    @on(Input.Submitted, "#form-words")
    def _filtered(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one("#form-filter").display = bool(event.value)
        self.rows.focus()

    def action_unfilter(self) -> None:
        self.query_one("#form-words", Input).value = ""
        self.query_one("#form-filter").display = False
        self.rows.focus()

    def action_view(self) -> None:
        names = list(VIEWS)
        self.rows.view = names[(names.index(self.rows.view) + 1) % len(names)]
        self.rows.choose_rows()
        self._remember()
        self._title()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "unfilter":
            return bool(self.query_one("#form-filter").display)
        return True


def _sign(look: str, sign: str, means: str) -> tuple[tuple[str, str], str]:
    return (sign, {"differs": "bold $secondary", "own": "bold $foreground", "fault": "$error"}[look]), f" {means}   "


def _choices_of(row: Row) -> list[Any]:
    """All values of a row that can be stepped through."""
    if row.kind != "setting" or row.facts is None:
        return []
    if row.facts.shape == "switch":
        return [False, True]
    return list(row.facts.choices) if row.facts.shape == "choice" else []
