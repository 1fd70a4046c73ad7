"""The line in which a filter is typed, how many it lets through, and what is wrong with it where it is wrong."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from craft.text import clean
from workbench.actions import bindings_of
from workbench.widgets.typed import Line

_EXAMPLES = "words, or val/loss < 1.9 and lr > 1e-3"


class FilterBar(Container):
    """Shown while there is a filter or one is typed."""

    BINDINGS = bindings_of("run filter")

    class Typed(Message):
        """The filter is another one."""

        def __init__(self, words: str, typing: bool) -> None:
            super().__init__()
            self.words, self.typing = words, typing

    class Rested(Message):
        """Nobody types in it any more."""

    class Left(Message):
        """The keyboard shall go back to the list."""

    def __init__(self, words: str, id: str | None = None) -> None:
        super().__init__(id=id)
        self._words = words
        self._says: tuple[int, int, str] | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(id="filter-line"):
            yield Static(Content("/"), id="filter-sign")
            yield Line(self._words, placeholder=_EXAMPLES, compact=True, id="filter-words")
            yield Static("", id="filter-count")
        yield Static("", id="filter-fault")

    @property
    def words(self) -> str:
        """As they are typed."""
        return self.query_one(Input).value

    @words.setter
    def words(self, words: str) -> None:
        self.query_one(Input).value = words

    def on_mount(self) -> None:
        self._show()

    def show(self, shown: int, of: int, fault: str) -> None:
        """How many of all are shown, or what is wrong: a message, and below it the filter with a mark at the place."""
        if (shown, of, fault) == self._says:
            return  # each look at the runs says so: what is drawn stays, also below a dialog
        self._says = shown, of, fault
        self.query_one("#filter-count", Static).update(Content(f"{shown:,} of {of:,}"))
        message, _, rest = fault.removeprefix("filter: ").partition("\n")
        mark = rest.rpartition("\n")[2].removeprefix("    ")  # below the place, as the message has it
        said = "\n".join(filter(None, (mark, message)))
        self.query_one("#filter-fault", Static).update(Content.styled(clean(said), "$text-error"))
        self.query_one("#filter-fault").display = bool(fault)

    def open(self) -> None:
        """Let a person type."""
        self.display = True
        self.query_one(Input).focus()

    def _show(self) -> None:
        self.display = bool(self.words) or self.query_one(Input).has_focus

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(event.value, event.input.has_focus))
        self._show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_done()

    def on_descendant_blur(self) -> None:
        self._show()
        self.post_message(self.Rested())

    def action_done(self) -> None:
        """Keep the filter and go back to the list."""
        self.post_message(self.Left())

    def action_clear(self) -> None:
        """Take the filter away."""
        self.words = ""
        self.post_message(self.Left())
