"""Which columns the list has: known ones, and any setting or metric of a run as one of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, SelectionList, Static
from textual.widgets.selection_list import Selection
from textual.worker import get_current_worker

from workbench.actions import bindings_of
from workbench.dialogs.answers import Answers
from workbench.dialogs.dialog import Dialog
from workbench.screens.runs.columns import COLUMNS, MORE_COLUMNS
from workbench.screens.runs.details.metric_help import about
from workbench.widgets.typed import Line

if TYPE_CHECKING:
    from craft.runs.folder import RunFolder

_MOST = 300  # that are listed at once; typing finds the others


class ColumnsScreen(Dialog[list[str] | None]):
    """Gives the keys of the columns in their order, or None."""

    BINDINGS = bindings_of("columns")

    def __init__(self, keys: Sequence[str], folder: RunFolder | None) -> None:
        super().__init__()
        self._keys = list(keys)
        self._folder = folder
        known = {column.key: column.title for column in (*COLUMNS, *MORE_COLUMNS)}
        self._offered = {key: known.get(key, "") for key in [*keys, *known]}

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content.styled("Columns", "bold"))
            hint = "any setting or metric can be one; narrow terminals drop some"
            yield Static(Content.styled(hint, "$foreground 60%"))
            yield Line(placeholder="type to find, or a name and enter", classes="space")
            yield SelectionList[str](classes="space")
            yield Answers()

    def on_mount(self) -> None:
        self._list("")
        self.query_one(SelectionList).focus()
        self._read()

    @work(thread=True, group="columns", exit_on_error=False)
    def _read(self) -> None:
        """The settings and metrics of the selected run."""
        if self._folder is None:
            return
        from craft.analysis.facts import metric_names
        from workbench.verbs.changing import definition_of

        found = definition_of(self._folder)
        offered = {name: known.title if (known := about(name)) else "" for name in metric_names(self._folder)} | found
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._offer, offered)

    def _offer(self, offered: dict[str, str]) -> None:
        self._offered |= {key: value for key, value in offered.items() if key not in self._offered}
        if self.is_mounted:
            self._list(self.query_one(Input).value)

    def _list(self, words: str) -> None:
        wanted = words.lower().split()
        found = ((name, f"{name} {about}".lower()) for name, about in self._offered.items())
        names = [name for name, text in found if all(word in text for word in wanted)][:_MOST]
        options = self.query_one(SelectionList)
        options.clear_options()
        options.add_options(Selection(self._line(name), name, name in self._keys) for name in names)
        if names:
            options.highlighted = 0
        elif wanted:
            options.add_option(Selection(Content(f"nothing matches '{self.line(words)}'"), "", disabled=True))

    def _line(self, name: str) -> Content:
        about = self._offered[name]
        return Content.assemble(self.line(name), (f"  {self.line(about)[:40]}", "$foreground 55%"))

    def on_input_changed(self, event: Input.Changed) -> None:
        self._list(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        name = event.value.strip()
        if name and " " not in name:
            self._keys.append(name)
            self._offered.setdefault(name, "")
            self.query_one(Input).value = ""
        self.action_accept()

    def on_selection_list_selection_toggled(self, event: SelectionList.SelectionToggled[str]) -> None:
        key = event.selection.value
        if key in self._keys:
            self._keys.remove(key)
        else:
            self._keys.append(key)

    def action_accept(self) -> None:
        self.dismiss(list(dict.fromkeys(self._keys)))

    def action_cursor_down(self) -> None:
        self.query_one(SelectionList).action_cursor_down()

    def action_cursor_up(self) -> None:
        self.query_one(SelectionList).action_cursor_up()

    def action_as_at_first(self) -> None:
        """The columns that a new project has."""
        self.dismiss([])

    def action_cancel(self) -> None:
        self.dismiss(None)
