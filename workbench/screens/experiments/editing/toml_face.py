"""The TOML itself: Textual's text area over the file's own bytes."""

from __future__ import annotations

from textual.document._document import Location
from textual.document._document_navigator import DocumentNavigator
from textual.document._edit import Edit
from textual.document._wrapped_document import WrappedDocument
from textual.widgets import TextArea

from workbench.screens.experiments.editing.buffer import common_start
from workbench.screens.experiments.editing.text_document import FileDocument


class TomlFace(TextArea):
    """Edits a text. Every change, typed or made by others, is in one history that undo takes back."""

    document: FileDocument

    def __init__(self, text: str, *, ascii_only: bool = False, id: str | None = None) -> None:
        self.ascii_only = ascii_only
        super().__init__(text, soft_wrap=False, show_line_numbers=True, max_checkpoints=500, compact=True, id=id)

    def _set_document(self, text: str, language: str | None) -> None:
        """Textual makes its document here, and would even out line ends."""
        self.document = FileDocument(text)
        self.wrapped_document = WrappedDocument(self.document, tab_width=self.indent_width)
        self.navigator = DocumentNavigator(self.wrapped_document)
        self.move_cursor((0, 0))
        self._rewrap_and_refresh_virtual_size()

    def replace_text(self, new: str) -> None:
        """Make the text `new` by replacing what differs, as one step for undo; the cursor stays on its line."""
        old = self.document.text
        if new == old:
            return
        start = common_start(old, new)
        tail = common_start(old[start:][::-1], new[start:][::-1])
        # Half of a Windows line end is no place for an edit.
        if start and old[start - 1 : start + 1] == "\r\n":
            start -= 1
        if tail and old[len(old) - tail - 1 : len(old) - tail + 1] == "\r\n":
            tail -= 1
        top, bottom = self.document.location_of(start), self.document.location_of(len(old) - tail)
        here = self.cursor_location
        self.history.checkpoint()
        result = self.edit(Edit(new[start : len(new) - tail], top, bottom, maintain_selection_offset=True))
        self.history.checkpoint()
        if top < here < bottom:
            self.move_cursor(min(here, result.end_location))

    def go_to(self, line: int, column: int = 1) -> None:
        """Put the cursor to a place that is counted from 1, in the middle of the view."""
        place: Location = self.clamp_visitable((max(line - 1, 0), max(column - 1, 0)))
        self.move_cursor(place, center=True)
