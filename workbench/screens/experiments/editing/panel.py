"""The editor of an experiments file: one text with two faces, a form and the TOML itself.

A screen that mounts it adds `editing/editing.tcss` to its CSS_PATH, tells it what is wrong with the text
(`show_inspection`), and asks `buffer.unsaved()` before it is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual import events, on, work
from textual.app import ComposeResult, SuspendNotSupported
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import TextArea

from craft.errors import CraftError
from workbench.actions import bindings_of
from workbench.screens.experiments.editing.buffer import Buffer
from workbench.screens.experiments.editing.file_care import FileCare
from workbench.screens.experiments.editing.form_pane import FormPane
from workbench.screens.experiments.editing.notice import NoticeBar
from workbench.screens.experiments.editing.toml_face import TomlFace
from workbench.screens.experiments.editing.toml_pane import TomlPane
from workbench.widgets.split import Divider, Split

if TYPE_CHECKING:
    from craft.config.experiments import Inspection
    from craft.config.own_settings import OwnType
    from workbench.bench import Bench
    from workbench.screens.experiments.editing.form_model import Form

FACES = ("form", "toml", "both")
_SETTLE = 0.1
"""Seconds without a key until the form is made anew."""
WIDE = 116
"""Columns from which both faces fit beside each other."""


class EditPanel(Widget):
    """Edits `buffer`. Others change the text with `apply`, and move both faces with `show_experiment`."""

    app: Bench
    BINDINGS = bindings_of("edit panel")

    class TextChanged(Message):
        """The buffer's text is another: this version of it."""

        def __init__(self, version: int) -> None:
            super().__init__()
            self.version = version

    class ExperimentAtCursor(Message):
        """The cursor went into the table of another template or experiment, or into the defaults (without a name)."""

        def __init__(self, name: str, kind: str) -> None:
            super().__init__()
            self.name, self.kind = name, kind

    class Wanted(Message):
        """Something of a template, an experiment or the defaults (without a name) is to be seen in the editor."""

        def __init__(self, name: str, kind: str) -> None:
            super().__init__()
            self.name, self.kind = name, kind

    class Saved(Message):
        """The text is in the file."""

    def __init__(self, buffer: Buffer, *, ascii_only: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self.buffer, self.ascii_only = buffer, ascii_only
        self.inspection: Inspection | None = None
        self.known: Mapping[str, OwnType] = {}
        """What was found out about classes of the person's own, by "module:Class"."""
        self.owner = ("", "")
        """Kind and name of what the form shows."""
        self.ready = False
        """Whether the schema is there: before it is, nothing is completed, and there is no form."""
        self.care = FileCare(self)
        self._face = "form"
        self._wanted: tuple[Any, ...] = ()  # the form that is to be read
        self._reading = False
        self._settling: Timer | None = None
        self._typed_into: TomlFace

    def compose(self) -> ComposeResult:
        yield NoticeBar(ascii_only=self.ascii_only, id="edit-notice")
        yield Split(
            FormPane(ascii_only=self.ascii_only, id="form"),
            TomlPane(self.buffer.text, ascii_only=self.ascii_only, id="toml-pane"),
            name="editor",
            share=0.5,
        )

    def on_mount(self) -> None:
        self._typed_into = self.toml  # still there when the panel itself is taken down
        self.toml.edited = self._take_text
        self.toml.stepped = self._stepped
        self.form.text = self.buffer.text
        self.form.edit = self.apply
        face = self.app.memory.get("experiments.face", "both")
        self._face = face if face in FACES else "both"
        self._show_faces()
        self.care.start()
        self.call_after_refresh(self._import_schema)

    @property
    def toml(self) -> TomlFace:
        return self.query_one(TomlFace)

    @property
    def pane(self) -> TomlPane:
        return self.query_one(TomlPane)

    @property
    def form(self) -> FormPane:
        return self.query_one(FormPane)

    @work(thread=True, group="schema", exit_on_error=False)
    def _import_schema(self) -> None:
        import workbench.screens.experiments.editing.completion
        import workbench.screens.experiments.editing.form_rows  # noqa: F401

        self.app.call_from_thread(self._take_schema)

    def _take_schema(self) -> None:
        from workbench.screens.experiments.editing.completion import Names

        self.ready = self.pane.ready = True
        self.pane.names = Names()
        if self.owner == ("", ""):
            self.owner = self._first_owner()
        self._read_form()

    def _first_owner(self) -> tuple[str, str]:
        """What is looked at first: the first experiment, else the defaults."""
        document = self.toml.document
        tables = (document.table_at(row) for row in range(document.line_count))
        return next(((table[0], table[1]) for table in tables if table[:1] == ("experiment",) and table[1:]), _DEFAULTS)

    # --- for others ---

    def show_experiment(self, name: str, kind: str) -> None:
        """Move both faces to a template, an experiment or, with the kind "defaults", to those."""
        self._look_at((kind, name))
        if self.pane.owner != (kind, name):
            self.pane.go_to_table(("defaults",) if kind == "defaults" else (kind, name))

    def show_inspection(self, inspection: Inspection, version: int, known: Mapping[str, OwnType] | None = None) -> None:
        """What is wrong with the text at `version`; of an older text it only tells until the newer one is known."""
        self.inspection, self.known = inspection, known or {}
        self.toml.show_problems([one for one in inspection.problems if one.file in (None, self.buffer.path)])
        self.pane.show_help()
        if version == self.buffer.version:
            self._read_form()

    def apply(self, new_text: str, why: str) -> None:
        """Make the text another, as one step that undo takes back; `why` names it."""
        if self.buffer.fault:
            self.app.say(f"{why}: not done, for {self.buffer.fault}", "error")
            return
        self.toml.replace_text(new_text)
        self._take_text()
        self._read_form()

    def go_to(self, line: int, column: int = 1) -> None:
        """Show a place of the text, counted from 1, and give it the keys."""
        if not self.pane.display:
            self._set_face("toml")
        self.toml.go_to(line, column)
        self.toml.focus()

    def open_field(self, place: tuple[str, ...]) -> None:
        """Open the field of a setting in the form. `place` begins with the path of its table."""
        kind, name = (place[0], place[1]) if place[0] != "defaults" else _DEFAULTS
        if not self.form.display:
            self._set_face("form")
        self.post_message(self.Wanted(name, kind))
        self.show_experiment(name, kind)
        self.form.open_at(place)

    def reload(self) -> None:
        """Take what is on disk for the text, as a step that undo takes back."""
        self.care.reload()

    # --- the text ---

    @on(TextArea.Changed, "TomlFace")
    def _text_typed(self, event: TextArea.Changed) -> None:
        event.stop()
        self._take_text()

    def _take_text(self) -> None:
        before = self.buffer.version
        self.buffer.set_text(self._typed_into.document.text)
        self.form.text = self.buffer.text
        if self.buffer.version != before:
            self._hand_over()
            self.post_message(self.TextChanged(self.buffer.version))
            if self._settling is not None:
                self._settling.stop()
            self._settling = self.set_timer(_SETTLE, self._read_form)

    def _stepped(self, before: str) -> None:
        self._take_text()
        self.care.stepped(before)
        self._read_form()

    def _hand_over(self) -> None:
        if rest := self.buffer.hand_over():
            self.set_timer(rest, self._hand_over)

    @on(FormPane.NoPlace)
    def _no_place(self, event: FormPane.NoPlace) -> None:
        event.stop()
        self.care.offer_again(event.place)

    @on(FormPane.OriginWanted)
    def _go_to_origin(self, event: FormPane.OriginWanted) -> None:
        event.stop()
        if event.row.line:
            self.go_to(event.row.line)
        else:
            self.form.say(
                f"{event.row.label} is written nowhere in this file: {event.row.origin or 'nothing sets it'}."
            )

    # --- where we are ---

    @on(TomlPane.Entered)
    def _cursor_elsewhere(self, event: TomlPane.Entered) -> None:
        event.stop()
        if event.owner != ("", ""):
            self._look_at(event.owner)
            self.post_message(self.ExperimentAtCursor(event.owner[1], event.owner[0]))

    def _look_at(self, owner: tuple[str, str]) -> None:
        if owner != self.owner:
            self.owner = owner
            self._read_form()

    def _read_form(self) -> None:
        """Read the form of the newest text; while one is read, the newest waits."""
        if not self.ready or not self.owner[0]:
            return
        problems = self.inspection.problems if self.inspection else []
        wanted = (self.buffer.path, self.buffer.text, *self.owner, tuple(problems), self.known)
        if wanted == self._wanted:
            return
        self._wanted = wanted
        if not self._reading:
            self._reading = True
            self._read_wanted()

    @work(thread=True, group="form", exit_on_error=False)
    def _read_wanted(self) -> None:
        from workbench.screens.experiments.editing.form_rows import read_form

        wanted = self._wanted
        try:
            form = read_form(*wanted)
        except BaseException:
            self._reading = False
            raise
        self.app.call_from_thread(self._take_form, form, wanted)

    def _take_form(self, form: Form, wanted: tuple[Any, ...]) -> None:
        from workbench.screens.experiments.editing.completion import Names

        self._reading = False
        if not self.is_attached:
            return
        if (form.kind, form.name) == self.owner:
            self.form.show(form)
            if not form.fault:
                self.pane.names = Names(form.entries, form.types, form.own)
        if wanted is not self._wanted:
            self._reading = True
            self._read_wanted()

    # --- the faces ---

    def on_resize(self, event: events.Resize) -> None:
        self._show_faces()

    def _show_faces(self) -> None:
        narrow = self.size.width < WIDE
        face = "form" if self._face == "both" and narrow else self._face
        split = self.query_one(Split)
        form, toml = face != "toml", face != "form"
        split.first.display, split.second.display = form, toml
        split.query_one(Divider).display = form and toml

    def _set_face(self, face: str) -> None:
        self._face = face
        self.app.memory.set("experiments.face", face)
        self._show_faces()

    def action_other_face(self) -> None:
        """The form, the TOML, and where it is wide both."""
        faces = FACES if self.size.width >= WIDE else FACES[:2]
        at = faces.index(self._face) if self._face in faces else 0
        self._set_face(faces[(at + 1) % len(faces)])
        if self._face == "toml":
            self.toml.focus()
        else:
            self.form.rows.focus()

    def focus_face(self) -> None:
        """Give the keys to the face that is seen."""
        (self.form.rows if self._face != "toml" else self.toml).focus()

    # --- keys ---

    def action_save(self) -> None:
        self.form.finish()
        self._take_text()  # a letter of a moment ago may not have been told yet
        self.care.save()

    def action_decide(self) -> None:
        self.care.ask()

    def action_undo(self) -> None:
        self.toml.undo()

    def action_redo(self) -> None:
        self.toml.redo()

    def action_next_problem(self) -> None:
        self._go_to_problem(1)

    def action_previous_problem(self) -> None:
        self._go_to_problem(-1)

    def _go_to_problem(self, onward: int) -> None:
        if self.toml.problem_rows:
            if not self.pane.display:
                self._set_face("toml")
            self.pane.go_to_problem(onward)

    def action_external_editor(self) -> None:
        from workbench.screens.experiments.editing.outside import edit_outside, editor_command

        self.form.finish()
        self._take_text()
        try:
            command = editor_command()
            with self.app.suspend():
                line = self.toml.cursor_location[0] + 1
                text = edit_outside(command, self.buffer.text, name=self.buffer.path.name, line=line)
        except CraftError as error:
            self.app.say(str(error), "error")
        except SuspendNotSupported:
            self.app.say("this terminal cannot be given to another program for a while", "error")
        else:
            changed = text != self.buffer.text
            self.apply(text, "edited outside")
            self.app.say(f"{command[0]}: {'taken; ctrl+z takes it back' if changed else 'nothing changed'}")

    @property
    def has_question(self) -> bool:
        """Whether the line above the text asks for a decision."""
        notice = self.query_one(NoticeBar).notice if self.is_mounted else None
        return notice is not None and bool(notice.choices)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "save":
                typed = self._typed_into.document.text != self.buffer.saved_text or self.form.editing is not None
                return typed or not self.buffer.exists
            case "decide":
                return self.has_question
            case "next_problem" | "previous_problem":
                return bool(self.toml.problem_rows)
        return True

    def on_unmount(self) -> None:
        self.buffer.set_text(self._typed_into.document.text)
        self.buffer.close()


_DEFAULTS = ("defaults", "")
