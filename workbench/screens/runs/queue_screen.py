"""The queue as a page: what trains on this machine, whether anything is started, who waits for what, in which order."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import get_current_worker

from craft.analysis.numbers import format_age, format_duration
from craft.text import clean, clean_line, fit
from workbench.actions import bindings_of
from workbench.dialogs.dialog import ClosesOnce
from workbench.widgets.bars import KeyBar, TitleBar
from workbench.widgets.choices import Choices

if TYPE_CHECKING:
    from craft.launch.queue.dispatch import Waiting
    from workbench.bench import Bench
    from workbench.verbs.queueing import QueueState

_LOOK = 0.5  # seconds between two looks
_QUIET = "$foreground 55%"


class QueueScreen(ClosesOnce[None]):
    """Changes are asked of `do`, which tells what became of them."""

    app: Bench
    BINDINGS = bindings_of("queue")

    def __init__(self, runs_dir: Path, do: Callable[..., None]) -> None:
        super().__init__()
        self._runs_dir, self._do = runs_dir, do
        self._state: QueueState | None = None
        self._said: list[tuple[str, str]] = []

    def compose(self) -> ComposeResult:
        yield TitleBar("runs", id="title")
        with Vertical(id="queue"):
            yield Static(id="queue-head")
            yield Choices(id="queue-list")
            yield Static(id="queue-empty")
        yield KeyBar(id="keys")

    def on_mount(self) -> None:
        self.query_one(TitleBar).show("the queue", [])
        self.query_one(OptionList).focus()
        self._look()
        self.set_interval(_LOOK, self._look)

    @work(thread=True, group="queue", exclusive=True, exit_on_error=False)
    def _look(self) -> None:
        from workbench.verbs.queueing import read_queue

        worker = get_current_worker()
        state = read_queue(self._runs_dir)
        if not worker.is_cancelled:
            self.app.call_from_thread(self._show, state)

    # --- what is shown ---

    def _show(self, state: QueueState) -> None:
        if not self.is_mounted:
            return
        selected = self._selected()
        self._state = state
        head = Content("\n").join(self._head(state))
        self.query_one("#queue-head", Static).update(head)
        options = self.query_one(OptionList)
        lines = [self._line(one) for one in state.waiting]
        # By their whole names too: two that are cut look alike, and the cursor would be on the other one.
        said = [(one.entry.run, line.plain) for one, line in zip(state.waiting, lines, strict=True)]
        if said != self._said:
            self._said = said
            options.clear_options()
            options.add_options(Option(line) for line in lines)
            names = [one.entry.run for one in state.waiting]
            if names:
                options.highlighted = names.index(selected) if selected in names else 0
        options.display = bool(lines)
        empty = self.query_one("#queue-empty", Static)
        empty.display = not lines
        empty.update(Content("Nothing waits. Launch experiments on screen 1, or resume a run with r."))
        self.refresh_bindings()

    def _head(self, state: QueueState) -> list[Content]:
        lines = [Content.styled("trains on this machine", _QUIET)]
        for slot in state.slots:
            steps = f"  step {slot.step} of {slot.max_steps}" if slot.max_steps else ""
            left = f", {format_duration(slot.left)} left" if slot.left is not None else ""
            where = "" if slot.here else "  in another project"
            lines.append(Content(self._clean(f"  {slot.slot}  {slot.run}  {slot.phase}{steps}{left}{where}")))
        if not state.slots:
            lines.append(Content("  nothing"))
        lines.append(Content(""))
        count = len(state.waiting)
        if state.paused:
            lines.append(Content.styled("the queue is on hold: p lets it go on", "bold $text-warning"))
        elif count and not state.runner and any(one.ends for one in state.waiting):
            lines.append(Content.styled("a runner that starts what waits is on its way", _QUIET))
        lines += [
            Content.styled(f"the entry of {self._clean(run)} is damaged: r on it queues it anew", "$text-error")
            for run in state.damaged
        ]
        if count:
            lines.append(Content.styled(f"{count} wait{'s' * (count == 1)}", _QUIET))
        return lines

    def _line(self, one: Waiting) -> Content:
        width = min(max((len(each.entry.run) for each in self._state.waiting), default=0), 30) if self._state else 20
        name = fit(one.entry.run, width, ascii_only=self.app.ascii_only)
        age = format_age(time.time() - one.entry.queued)
        tone = "$foreground" if one.ends else "$text-warning"
        return Content.assemble(
            (f"{one.position:>3}  ", _QUIET), name, ("  " + self._clean(one.reason), tone), (f"  {age}", _QUIET)
        )

    def _clean(self, text: str) -> str:
        return clean_line(clean(text), ascii_only=self.app.ascii_only)

    def _selected(self) -> str:
        """The run under the cursor."""
        place = self.query_one(OptionList).highlighted
        waiting = self._state.waiting if self._state else []
        return waiting[place].entry.run if place is not None and place < len(waiting) else ""

    # --- keys ---

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        if action in ("up", "down", "first", "last", "after", "begin", "withdraw", "slots"):
            return bool(self._state and self._state.waiting)
        return True

    def _change(self, deed: str, *arguments: Any) -> None:
        self._do(f"queueing.{deed}", self._runs_dir, *arguments, after=self._look_again)

    def _look_again(self) -> None:
        if self.is_mounted:
            self._look()

    def action_up(self) -> None:
        self._change("move", [self._selected()], "up")

    def action_down(self) -> None:
        self._change("move", [self._selected()], "down")

    def action_first(self) -> None:
        self._change("move", [self._selected()], "first")

    def action_last(self) -> None:
        self._change("move", [self._selected()], "last")

    def action_hold(self) -> None:
        paused = self._state is not None and self._state.paused
        self._change("go" if paused else "hold")

    def action_withdraw(self) -> None:
        from craft.runs.folder import RunFolder

        self._do("ending.stop", [RunFolder(self._runs_dir / self._selected())], after=self._look_again)

    def action_after(self) -> None:
        name = self._selected()
        ask_after(self.app, name, lambda deed, others: self._change(deed, name, others))

    def action_begin(self) -> None:
        self._change("after", self._selected(), [])

    def action_slots(self) -> None:
        from workbench.dialogs.prompt import PromptScreen

        def take(text: str | None) -> None:
            if text:
                self._change("set_slots", int(text))

        def check(text: str) -> str:
            return "" if text.isdecimal() and len(text) < 9 and 1 <= int(text) <= 1024 else "a number from 1 to 1024"

        question = "How many may train on the CPU at once?"
        detail = "It holds for those that wait now; each computes on its share of the cores."
        self.app.push_screen(PromptScreen(question, detail=detail, value="2", check=check), take)

    def action_cursor_down(self) -> None:
        self.query_one(OptionList).action_cursor_down()

    def action_cursor_up(self) -> None:
        self.query_one(OptionList).action_cursor_up()

    def action_cursor_first(self) -> None:
        self.query_one(OptionList).action_first()

    def action_cursor_last(self) -> None:
        self.query_one(OptionList).action_last()

    def action_close(self) -> None:
        self.dismiss()


def ask_after(app: Bench, name: str, take: Callable[[str, list[str]], None]) -> None:
    """Ask which run has to end before a waiting one begins; gives `take` the deed of `verbs.queueing`, and that run."""
    from workbench.dialogs.choose import Choice, ChooseScreen

    others: Sequence[Any] = [run for run in app.runs if run.name != name and run.phase not in ("finished",)]
    choices = [Choice(("after", ""), "no other run", "it begins when a slot is free")]
    choices += [Choice(("after", run.name), run.name, f"has finished; it is {run.phase}") for run in others]
    choices += [Choice(("after_any_end", run.name), run.name, "has ended, however that is") for run in others]

    def chosen(answer: tuple[str, str] | None) -> None:
        if answer is not None:
            deed, other = answer
            take(deed, [other] if other else [])

    app.push_screen(ChooseScreen(f"{name} begins when ...", choices), chosen)
