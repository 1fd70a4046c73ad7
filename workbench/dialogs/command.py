"""A `craft` command over the screen: what it prints as it comes, and its end."""

from __future__ import annotations

import shlex
import time
from collections import deque
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
from workbench.verbs.command import Command
from workbench.widgets.lines import LinesView
from workbench.widgets.text_lines import Lines, Part, plain

if TYPE_CHECKING:
    from workbench.bench import Bench

_DRAW_EVERY = 0.1  # seconds
_AROUND = 8  # columns that the box and its edges take
_MOST = 100_000  # lines that are kept
_ANY = "Any command with its options; 'COMMAND --help' tells them. What would ask first needs --yes."


class Output(LinesView, inherit_bindings=False):
    """The lines of a command, without what looks for words in them."""

    BINDINGS = bindings_of("lines", but=("find", "find_next", "find_previous"))

    def action_first(self) -> None:
        self.go_to(0)


class Said(Lines):
    """The newest lines of what a command printed; cleaned when they are drawn, as there may be very many."""

    def __init__(self) -> None:
        super().__init__()
        self.ascii_only = False
        self.texts: list[str] = []
        self.is_cut = False

    def add(self, texts: Sequence[str]) -> int:
        """More at the end, and how many are not kept at the beginning for that."""
        self.texts += texts
        gone = max(len(self.texts) - _MOST, 0)
        del self.texts[:gone]
        self.is_cut = self.is_cut or gone > 0
        return gone

    def __len__(self) -> int:
        return len(self.texts)

    def line(self, index: int) -> Sequence[Part]:
        return [plain(self.texts[index], ascii_only=self.ascii_only)]


class CommandScreen(Dialog[None]):
    """Begins when it is opened, in the folder of the experiments file. It is closed only when the command has ended:
    leaving it ends it, as Ctrl-C does."""

    BINDINGS = bindings_of("command")
    CSS_PATH = ["../widgets/lines.tcss", "command.tcss"]

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        self._words = words
        self._command: Command | None = None
        self._said = Said()
        self._heard: deque[list[str]] = deque()  # from its thread, not yet shown
        self._fault = ""
        self._ended = False
        self._began = time.monotonic()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content.styled(self.line(shlex.join(("craft", *self._words))), "bold"))
            yield Output(ascii_only=self.app.ascii_only, follows=True)
            yield Static(id="command-end")
            yield Answers()

    def on_mount(self) -> None:
        self._said.ascii_only = self.app.ascii_only
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
            self._command = Command(self._words, self.app.project.home, columns)
            if worker.is_cancelled:  # the screen went before there was anything to kill
                self._command.kill()
            self._heard.extend(self._command.portions())
        except (OSError, ValueError) as error:  # no such folder; no word for a program, such as one with a zero in it
            self._fault = getattr(error, "strerror", None) or str(error)
        finally:
            if not worker.is_cancelled:
                self.app.call_from_thread(self._end)

    # --- what is shown ---

    def _show(self) -> None:
        """What came since, and for how long it runs: drawn now and then, however fast the lines come."""
        self._take()
        self._say(f"running, {self._took()}; esc ends it, as Ctrl-C does in a shell", "$text-muted")

    def _take(self) -> None:
        if self._heard:
            gone = sum(self._said.add(self._heard.popleft()) for _ in range(len(self._heard)))
            self.output.show(self._said, before=-gone)

    def _end(self) -> None:
        if not self.is_mounted:
            return
        self._clock.stop()
        self._ended = True
        self._take()
        status = self._command.status if self._command else None
        if self._fault:
            said, look = f"not started: {self._fault}", "$text-error"
        elif status == 0:
            said, look = f"done in {self._took()}", "$text-success"
        else:
            said = f"it ended with status {status}" if status and status > 0 else "it was ended by a signal"
            look = "$text-warning"
        self._say(said, look)
        self.refresh_bindings()
        self.app.look_soon()

    def _took(self) -> str:
        return format_duration(time.monotonic() - self._began)

    def _say(self, words: str, look: str) -> None:
        kept = f"; the newest {_MOST:,} lines are kept" if self._said.is_cut else ""
        self.query_one("#command-end", Static).update(Content.styled(self.line(words + kept), look))

    # --- keys ---

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        """A command that runs is left to run, or ended."""
        return self._ended if action in ("copy_all", "edit") else True

    def action_close(self) -> None:
        if self._ended or (self._command is not None and self._command.status is not None):
            self.dismiss()
        elif self._command is not None:
            self._command.end()

    def action_copy_all(self) -> None:
        self.app.copy("\n".join(map(self._said.text, range(len(self._said)))), "what it printed")

    def action_edit(self) -> None:
        self.dismiss()
        ask_for_command(self.app, self._words)


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
