"""What is done to runs from the list of them: each verb on the marked runs, or else on the selected one.

Here is what all verbs need, and the menu of them; `steering` and `tending` have the verbs. The deeds are in
`workbench.verbs` and are done in threads; what became of them is told as it comes.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.widgets import Input
from textual.worker import get_current_worker

from craft.errors import CraftError
from workbench.messages import DeedPlanned, VerbsAsked
from workbench.screens.base import WorkbenchScreen
from workbench.verbs.telling import Telling
from workbench.verbs.which import BY_ACTION, VERBS, fitting

if TYPE_CHECKING:
    from craft.runs.folder import RunFolder
    from craft.runs.store import RunSummary

_MORE = {"queue": "the queue", "retry": "retry what failed", "doctor": "doctor"}
"""What needs no run."""


class ActingScreen(WorkbenchScreen):
    """A screen with runs to act on."""

    @property
    def targets(self) -> list[RunSummary]:
        """The runs that verbs act on."""
        raise NotImplementedError

    @property
    def marked_or_shown(self) -> list[RunSummary]:
        """The marked runs, or else all that a filter lets through."""
        raise NotImplementedError

    def fitting(self, action: str) -> list[RunFolder]:
        """The folders of those that a verb makes sense for."""
        return [run.folder for run in fitting(action, self.targets)]

    def can(self, action: str) -> bool:
        """Whether a verb makes sense now."""
        return any(map(BY_ACTION[action].fits, self.targets))

    # --- doing ---

    def do(self, deed: str, *arguments: Any, after: Callable[[], None] | None = None) -> None:
        """Do "module.function" of `workbench.verbs`, in a thread."""
        self._do(deed, arguments, after)

    @work(thread=True, group="verbs", description="do", exit_on_error=False)
    def _do(self, deed: str, arguments: tuple[Any, ...], after: Callable[[], None] | None) -> None:
        worker = get_current_worker()
        told = Telling(self._note, lambda: worker.is_cancelled)
        try:
            imported(deed)(*arguments, told)
        except CraftError as error:
            told.refuse(str(error))
        except OSError as error:
            told.refuse(f"{error.filename or 'it'}: {error.strerror}")
        finally:
            told.close()
            self.app.look_soon()
        if after is not None and not worker.is_cancelled:
            self.app.call_from_thread(after)

    def _note(self, text: str, severity: Any) -> None:
        self.app.say(text, severity)

    @work(thread=True, group="verb plan", description="plan", exclusive=True, exit_on_error=False)
    def ask_first(self, plan: str, deed: str, arguments: Sequence[Any]) -> None:
        """Find out with one function of `workbench.verbs` what a deed would do, ask a person, and then do it."""
        worker = get_current_worker()
        found = imported(plan)(*arguments)
        if not worker.is_cancelled:
            self.post_message(DeedPlanned(found, deed))

    @on(DeedPlanned)
    def _ask_planned(self, message: DeedPlanned) -> None:
        plan = message.plan
        if plan.is_empty:
            self.app.say(plan.why_nothing, "warning")
            return
        if self.is_waited_for(plan.question):
            self.confirm(plan.question, plan.detail, message.deed, plan)

    def confirm(self, question: str, detail: str, deed: str, *arguments: Any) -> None:
        """Do it when a person says yes."""
        from workbench.dialogs.confirm import ConfirmScreen

        def decide(yes: bool | None) -> None:
            if yes:
                self.do(deed, *arguments)

        self.app.push_screen(ConfirmScreen(question, detail), decide)

    # --- the menu ---

    @on(VerbsAsked)
    def action_verbs(self) -> None:
        """Everything that can be done now."""
        from workbench.actions import PLACES, key_name
        from workbench.dialogs.choose import Choice, ChooseScreen

        targets = self.targets
        actions = {action.name: action for action in PLACES["runs"]}
        choices = []
        for verb in VERBS:
            fits = fitting(verb.action, targets)
            if fits:
                keys = key_name(actions[verb.action].keys[0], ascii_only=self.app.ascii_only)
                some = f" ({len(fits)} of {len(targets)})" if len(fits) < len(targets) else ""
                choices.append(Choice(verb.action, f"{keys:<3} {verb.name}{some}", verb.about))
        for name, what in _MORE.items():
            keys = key_name(actions[name].keys[0], ascii_only=self.app.ascii_only)
            choices.append(Choice(name, f"{keys:<3} {what}", ""))

        names = {run.name for run in targets}

        async def chosen(action: str | None) -> None:
            if action in BY_ACTION and {run.name for run in self.targets} != names:
                self.app.say(f"the list moved, and {what} is not chosen any more: nothing was done", "warning")
            elif action is not None:
                await self.run_action(action)

        what = targets[0].name if len(targets) == 1 else f"{len(targets)} runs"
        self.app.push_screen(ChooseScreen(f"What to do with {what}" if targets else "What to do", choices), chosen)

    # --- for the verbs ---

    def is_waited_for(self, question: str) -> bool:
        """Whether nobody went elsewhere while a question was thought out: a key meant for something else, such as a y
        in a note, must not answer it."""
        if self.app.screen is self and not isinstance(self.focused, Input):
            return True
        self.app.say(f"{question} Ask again: it took a while, and something else was begun meanwhile.", "warning")
        return False

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        """Keys that would do nothing are not offered."""
        if action in BY_ACTION and self.is_mounted:
            return self.can(action)
        return super().check_action(action, parameters)


def named(folders: Sequence[RunFolder]) -> str:
    """One run by its name, several by their number."""
    return folders[0].name if len(folders) == 1 else f"{len(folders)} runs"


def imported(name: str) -> Callable[..., Any]:
    """A function of `workbench.verbs`; imported in the thread that calls it, as some need the whole schema."""
    module, _, function = name.partition(".")
    found: Callable[..., Any] = getattr(importlib.import_module(f"workbench.verbs.{module}"), function)
    return found
