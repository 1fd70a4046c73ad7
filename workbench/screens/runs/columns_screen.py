"""Which columns the list has: known ones, and any setting or metric of a run as one of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static
from textual.widgets.option_list import Option
from textual.worker import get_current_worker

from workbench.actions import bindings_of
from workbench.dialogs.answers import Answers
from workbench.dialogs.dialog import Dialog
from workbench.screens.runs.columns import COLUMNS, MORE_COLUMNS
from workbench.screens.runs.details.metric_help import about
from workbench.widgets.choices import Choices
from workbench.widgets.typed import Line

if TYPE_CHECKING:
    from craft.runs.folder import RunFolder

_QUIET = "$foreground 60%"
_MOST = 300  # that are listed at once; typing finds the others


class ColumnsScreen(Dialog[list[str] | None]):
    """Gives the keys of the columns in their order, or None."""

    BINDINGS = bindings_of("columns")

    def __init__(self, keys: Sequence[str], folder: RunFolder | None) -> None:
        super().__init__()
        self._keys = list(keys)
        self._folder = folder
        known = {column.key: column.title for column in (*COLUMNS, *MORE_COLUMNS)}
        self._shown: list[str] = []
        self._offered = {key: known.get(key, "") for key in [*keys, *known]}

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content.styled("Columns", "bold"))
            hint = "any setting or metric can be one; narrow terminals drop some"
            yield Static(Content.styled(hint, _QUIET))
            yield Line(placeholder="type to find, or a name", classes="space")
            yield Choices(classes="space")
            yield Answers()

    def on_mount(self) -> None:
        self._list("")
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
        found = ((name, f"{name} {title}".lower()) for name, title in self._offered.items())
        options, before = self.query_one(Choices), self._here
        self._shown = [name for name, text in found if all(word in text for word in wanted)][:_MOST]
        options.clear_options()
        options.add_options(Option(self._line(name)) for name in self._shown)
        if self._shown:
            # What files say comes a little later: whoever went somewhere meanwhile stays there.
            options.highlighted = self._shown.index(before) if before in self._shown else 0
        elif " " in words.strip():
            options.say_nothing_matches(words, ascii_only=self.app.ascii_only)
        else:
            said = f"nothing known matches; enter takes '{self.line(words)}' as it is"
            options.add_option(Option(Content.styled(said, "$foreground 55%"), disabled=True))

    @property
    def _here(self) -> str:
        """The name under the cursor; empty where there is none."""
        place = self.query_one(Choices).highlighted
        return self._shown[place] if place is not None and place < len(self._shown) else ""

    def _line(self, name: str) -> Content:
        mark, title = "[x]" if name in self._keys else "[ ]", self.line(self._offered[name])[:40]
        return Content.assemble(f"{mark} {self.line(name)}", (f"  {title}" if title != name else "", _QUIET))

    def on_input_changed(self, event: Input.Changed) -> None:
        self._list(event.value)

    def on_input_submitted(self) -> None:
        self.action_take_or_leave()

    def on_option_list_option_selected(self) -> None:
        self.action_take_or_leave()

    def action_take_or_leave(self) -> None:
        """The column under the cursor; where none is, the name that was typed."""
        field = self.query_one(Input)
        name, typed = self._here, field.value.strip()
        if not name and typed and " " not in typed:
            name = typed
            self._offered[name] = ""
            field.value = ""
        if name in self._keys:
            self._keys.remove(name)
        elif name:
            self._keys.append(name)
        if self._here:
            options = self.query_one(Choices)
            options.replace_option_prompt_at_index(self._shown.index(self._here), self._line(self._here))

    def action_accept(self) -> None:
        self.dismiss(list(dict.fromkeys(self._keys)))

    def action_cursor_down(self) -> None:
        self.query_one(Choices).action_cursor_down()

    def action_cursor_up(self) -> None:
        self.query_one(Choices).action_cursor_up()

    def action_as_at_first(self) -> None:
        """The columns that a new project has."""
        self.dismiss([])

    def action_cancel(self) -> None:
        self.dismiss(None)
