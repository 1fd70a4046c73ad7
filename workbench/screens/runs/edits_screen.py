"""Settings to change, as they would be given in a shell, and below them what that would do: asked while it is typed."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.suggester import Suggester
from textual.timer import Timer
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from workbench.actions import bindings_of
from workbench.dialogs.answers import Answers
from workbench.dialogs.dialog import Dialog
from workbench.widgets.typed import Line

Lines = list[tuple[str, str]]
"""Text and its tone: good, bad, plain or quiet."""
STYLES = {
    "good": "$text-success",
    "warn": "$text-warning",
    "bad": "$text-error",
    "plain": "$foreground",
    "quiet": "$foreground 60%",
}
_PAUSE = 0.2  # seconds without a key until it is asked what the edits would do


class Paths(Suggester):
    """Completes the last word to a path that can be set, with its present value."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.known: dict[str, str] = {}

    async def get_suggestion(self, value: str) -> str | None:
        head, space, last = value.rpartition(" ")
        if not last:
            return None
        path, equals, written = last.partition("=")
        for name, current in self.known.items():
            if equals and name == path and current.startswith(written) and current != written:
                return f"{head}{space}{name}={current}"
            if not equals and name.startswith(path):
                return f"{head}{space}{name}="
        return None


def words_of(text: str) -> list[str]:
    """The edits in a line, as a shell would part them. Raises ValueError for a quote that is not closed."""
    return shlex.split(text)


class EditsScreen(Dialog[list[str] | None]):
    """Gives the edits, or None. `explain` says in a thread what they would do, and whether they can be;
    `complete` gives what can be set, with the values of now."""

    BINDINGS = bindings_of("edits")
    KEEPS_TYPED = True

    def __init__(
        self,
        question: str,
        hint: str,
        explain: Callable[[list[str]], tuple[Lines, bool]],
        complete: Callable[[], dict[str, str]],
        *,
        value: str = "",
        example: str = "optimizer.lr=0.001 training.max_steps=2000",
    ) -> None:
        super().__init__()
        self._question, self._hint, self._value, self._example = question, hint, value, example
        self._explain, self._complete = explain, complete
        self._paths = Paths()
        self._timer: Timer | None = None
        self._possible = False
        self._accepted = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(Content.styled(self.line(self._question), "bold"))
            yield Static(Content.styled(self.line(self._hint), STYLES["quiet"]))
            yield Line(
                self._value, placeholder=self._example, suggester=self._paths,
                classes="space",
            )  # fmt: skip
            with VerticalScroll(classes="space plan"):
                yield Static(id="plan")
            yield Answers()

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self._read_paths()
        self._ask()

    @work(thread=True, group="paths", exit_on_error=False)
    def _read_paths(self) -> None:
        self._paths.known = self._complete()

    def on_input_changed(self) -> None:
        self._possible = False
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_PAUSE, self._ask)

    def _ask(self) -> None:
        try:
            edits = words_of(self.query_one(Input).value)
        except ValueError as error:
            self._show([(f"this cannot be read: {error}", "bad")], False, self.query_one(Input).value)
            return
        self._plan(edits, self.query_one(Input).value)

    @work(thread=True, group="plan", exclusive=True, exit_on_error=False)
    def _plan(self, edits: list[str], text: str) -> None:
        worker = get_current_worker()
        lines, possible = self._explain(edits)
        if not worker.is_cancelled:
            self.app.call_from_thread(self._show, lines, possible, text)

    def _show(self, lines: Lines, possible: bool, text: str) -> None:
        if not self.is_mounted or text != self.query_one(Input).value:
            return
        self._possible = possible
        said = [Content.styled(self.text(line), STYLES[tone]) for line, tone in lines]
        self.query_one("#plan", Static).update(Content("\n").join(said))
        if self._accepted:
            self._accepted = False
            self._take()

    def on_input_submitted(self) -> None:
        self.action_accept()

    def action_accept(self) -> None:
        """Take the edits once it is known that they can be."""
        if self._possible:
            self._take()
        else:
            self._accepted = True
            self._ask()

    def _take(self) -> None:
        if self._possible:
            self.dismiss(words_of(self.query_one(Input).value))

    def action_cancel(self) -> None:
        self.dismiss(None)
