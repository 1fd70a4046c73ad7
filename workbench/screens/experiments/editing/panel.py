"""The editor of an experiments file: one text with two faces, the TOML and a form.

A screen that mounts it adds `editing/editing.tcss` to its CSS_PATH.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.message import Message
from textual.widget import Widget
from textual.widgets import TextArea

from craft.errors import CraftError
from workbench.actions import bindings_of
from workbench.screens.experiments.editing.buffer import Buffer
from workbench.screens.experiments.editing.toml_face import TomlFace
from workbench.screens.experiments.editing.toml_pane import TomlPane

if TYPE_CHECKING:
    from craft.config.experiments import Inspection
    from workbench.app import Workbench
    from workbench.screens.experiments.editing.completion import Names

_DRAFT_AFTER = 0.5
"""Seconds after which what was typed is on its way to the disk."""


class EditPanel(Widget):
    """Edits `buffer`. Others change the text with `apply`, and tell what is wrong with it by `show_inspection`."""

    app: Workbench
    BINDINGS = bindings_of("edit panel")

    class TextChanged(Message):
        """The buffer's text is another: this version of it."""

        def __init__(self, version: int) -> None:
            super().__init__()
            self.version = version

    class ExperimentAtCursor(Message):
        """The cursor went into the table of another template or experiment; an empty name stands for none."""

        def __init__(self, name: str, kind: str) -> None:
            super().__init__()
            self.name, self.kind = name, kind

    class Saved(Message):
        """The text is in the file."""

    def __init__(self, buffer: Buffer, *, ascii_only: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self.buffer, self.ascii_only = buffer, ascii_only
        self.inspection: Inspection | None = None

    def compose(self) -> ComposeResult:
        yield TomlPane(self.buffer.text, ascii_only=self.ascii_only, id="toml-pane")

    def on_mount(self) -> None:
        self.call_after_refresh(self._import_schema)

    @work(thread=True, group="schema", exit_on_error=False)
    def _import_schema(self) -> None:
        from workbench.screens.experiments.editing.completion import Names

        self.app.call_from_thread(self._take_schema, Names())

    def _take_schema(self, names: Names) -> None:
        pane = self.query_one(TomlPane)
        pane.names, pane.ready = names, True
        pane.show_help()

    @property
    def toml(self) -> TomlFace:
        return self.query_one(TomlFace)

    @property
    def ready(self) -> bool:
        """Whether the schema is there: before it is, nothing is completed, and there is no form."""
        return self.query_one(TomlPane).ready

    # --- for others ---

    def show_experiment(self, name: str, kind: str) -> None:
        """Move both faces to a template or an experiment."""

    def show_inspection(self, inspection: Inspection, version: int) -> None:
        """What is wrong with the text at `version`."""
        self.inspection = inspection
        self.toml.show_problems([one for one in inspection.problems if one.file in (None, self.buffer.path)])
        self.query_one(TomlPane).show_help()

    def apply(self, new_text: str, why: str) -> None:
        """Make the text another, as one step that undo takes back; `why` names it."""
        self.toml.replace_text(new_text)

    # --- the text ---

    @on(TextArea.Changed, "TomlFace")
    def _take_text(self, event: TextArea.Changed) -> None:
        event.stop()
        before = self.buffer.version
        self.buffer.set_text(self.toml.document.text)
        if self.buffer.version != before:
            self.post_message(self.TextChanged(self.buffer.version))
            self.set_timer(_DRAFT_AFTER, self._keep_draft)

    @work(thread=True, group="draft", exit_on_error=False)
    def _keep_draft(self) -> None:
        if self.buffer.draft_due:
            self.buffer.keep_draft()

    # --- keys ---

    def action_save(self) -> None:
        self._save(force=False)

    @work(thread=True, group="save", exit_on_error=False)
    def _save(self, *, force: bool) -> None:
        try:
            self.buffer.save(force=force)
        except CraftError as error:
            self.app.call_from_thread(self.app.say, str(error), "error")
        else:
            self.post_message(self.Saved())

    def action_next_problem(self) -> None:
        self.query_one(TomlPane).go_to_problem(1)

    def action_previous_problem(self) -> None:
        self.query_one(TomlPane).go_to_problem(-1)

    def action_undo(self) -> None:
        self.toml.undo()

    def action_redo(self) -> None:
        self.toml.redo()
