"""A `craft` command over the screen: what it prints as it comes, and its end."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static
from textual.worker import get_current_worker

from craft.analysis.numbers import format_duration
from workbench.actions import bindings_of
from workbench.dialogs.answers import Answers
from workbench.dialogs.dialog import Dialog
from workbench.dialogs.prompt import PromptScreen
from workbench.project import DEFAULT_FILE
from workbench.verbs.command import Command
from workbench.widgets.lines import LinesView
from workbench.widgets.text_lines import Lines, Part, plain

if TYPE_CHECKING:
    from craft.runs.store import RunSummary
    from workbench.bench import Bench

_DRAW_EVERY = 0.1  # seconds
_AROUND = 8  # columns that the box and its edges take
_ANY = "Any command with its options; 'COMMAND --help' tells them. What would ask first needs --yes."


class Output(LinesView, inherit_bindings=False):
    """The lines of a command, without what looks for words in them."""

    BINDINGS = bindings_of("lines", but=("find", "find_next", "find_previous"))

    def action_first(self) -> None:
        self.go_to(0)


class CommandScreen(Dialog[None]):
    """Begins when it is opened, in the folder of the experiments file. It is closed only when the command has ended:
    leaving it ends it, as Ctrl-C does."""

    BINDINGS = bindings_of("command")
    CSS_PATH = ["../screens/runs/details/details.tcss", "command.tcss"]

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        self._words = words
        self._command: Command | None = None
        self._said: list[list[Part]] = []
        self._drawn = 0
        self._ended = False
        self._began = time.monotonic()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content.styled(self.line(shlex.join(("craft", *self._words))), "bold"))
            yield Output(ascii_only=self.app.ascii_only, follows=True)
            yield Static(id="command-end")
            yield Answers()

    def on_mount(self) -> None:
        self.output.wraps = True
        self.output.focus()
        self._show()
        self._clock = self.set_interval(_DRAW_EVERY, self._show)
        self._run(max(self.app.size.width - _AROUND, 40))

    def on_unmount(self) -> None:
        if self._command is not None:
            self._command.kill()

    @property
    def output(self) -> Output:
        return self.query_one(Output)

    @work(thread=True, group="command", description="command", exit_on_error=False)
    def _run(self, columns: int) -> None:
        worker = get_current_worker()
        try:
            self._command = Command(self._words, self.app.project.file.absolute().parent, columns)
        except OSError as error:
            self._said.append([plain(f"not started: {error.strerror}", "bad", ascii_only=self.app.ascii_only)])
        else:
            if worker.is_cancelled:  # the screen went before there was anything to kill
                self._command.kill()
            for line in self._command.lines():
                self._said.append([plain(line, ascii_only=self.app.ascii_only)])
        if not worker.is_cancelled:
            self.app.call_from_thread(self._end)

    # --- what is shown ---

    def _show(self) -> None:
        """What came since, and for how long it runs: drawn now and then, however fast the lines come."""
        if self._drawn != len(self._said):
            self._drawn = len(self._said)
            self.output.show(Lines(self._said))
        took = format_duration(time.monotonic() - self._began)
        self._say(f"running, {took}; esc ends it, as Ctrl-C does in a shell", "$text-muted")

    def _end(self) -> None:
        if not self.is_mounted:
            return
        self._clock.stop()
        self._ended = True
        self._show()
        status = self._command.status if self._command else 2
        took = format_duration(time.monotonic() - self._began)
        if status == 0:
            said, look = f"done in {took}", "$text-success"
        else:
            said = f"it ended with status {status}" if status and status > 0 else "it was ended by a signal"
            look = "$text-warning"
        self._say(said, look)
        self.refresh_bindings()
        self.app.look_soon()

    def _say(self, words: str, look: str) -> None:
        self.query_one("#command-end", Static).update(Content.styled(words, look))

    # --- keys ---

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        """A command that runs is left to run, or ended."""
        return self._ended if action in ("copy_all", "edit") else True

    def action_close(self) -> None:
        if self._ended:
            self.dismiss()
        elif self._command is not None:
            self._command.end()

    def action_copy_all(self) -> None:
        self.app.copy("\n".join(text for parts in self._said for text, _ in parts), "what it printed")

    def action_edit(self) -> None:
        self.dismiss()
        ask_for_command(self.app, self._words)


def word_for(app: Bench, run: RunSummary) -> str:
    """How a command that runs there names `run`: its name where that is enough."""
    by_name = app.project.file.name == DEFAULT_FILE.name and app.own_runs_dir is None
    return run.name if by_name else str(run.folder.path)


def ask_for_command(app: Bench, words: Sequence[str] = (), detail: str = "") -> None:
    """Let a person write, or complete, a `craft` command, and run it."""

    def check(text: str) -> str:
        try:
            shlex.split(text)
        except ValueError:
            return "a quotation mark has no end"
        return ""

    def take(text: str | None) -> None:
        if text is not None:
            given = shlex.split(text)
            app.push_screen(CommandScreen((given[1:] if given[:1] == ["craft"] else given) or ["--help"]))

    value = shlex.join(words) + " " * bool(words)
    app.push_screen(PromptScreen("craft ...", detail=detail or _ANY, value=value, check=check), take)
