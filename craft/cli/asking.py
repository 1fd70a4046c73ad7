"""What the commands share that ask runs for something: several at once, each told as its answer comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from craft.cli.common import say

if TYPE_CHECKING:
    from craft.runs.asking import Answer, Asked
    from craft.runs.folder import RunFolder
    from craft.runs.liveness import Observed

_LOOK_EVERY = 0.05
_SAID_AFTER = 5.0  # seconds without a sign from the worker, before a person is told what that may mean

no_wait_option = click.option("--no-wait", is_flag=True, help="Ask, and do not wait until it is done.")


def is_picked(names: Sequence[str], group: str | None) -> bool:
    """Whether runs were picked by a pattern or a group: then one that cannot is passed over."""
    return group is not None or any(sign in name for name in names for sign in "*?[")


class Asking:
    """Asks runs for one thing, and says on standard error what came of it.

    `verb` is how a person says it, such as "pause"; `tell` gives the line, without the run's name, that says that it
    is done; `why_not` the reason why a run that trains need not be asked, if there is one.
    """

    def __init__(
        self,
        kind: str,
        verb: str,
        tell: Callable[[RunFolder, Answer], str],
        *,
        wait: bool = True,
        why_not: Callable[[Observed], str] = lambda _: "",
    ) -> None:
        self.kind, self.verb, self.tell, self.wait, self.why_not = kind, verb, tell, wait, why_not
        self.done = self.failed = 0

    def ask(self, folders: Sequence[RunFolder], **arguments: Any) -> list[Answer]:
        """Ask all of them, then wait for all; returns the answers of those that did it."""
        return self.ask_each(dict.fromkeys(folders, arguments))

    def ask_each(self, asked_for: Mapping[RunFolder, Mapping[str, Any]]) -> list[Answer]:
        """The same, with arguments for each run."""
        from craft.errors import RunError
        from craft.runs.asking import Asked

        under_way: list[Asked] = []
        for folder, arguments in asked_for.items():
            if not self._can_be_asked(folder):
                continue
            try:
                under_way.append(Asked(folder, self.kind, **arguments))
            except RunError as error:
                self.refuse(str(error))
        if not self.wait:
            for asked in under_way:
                self.done += 1
                say(f"{asked.folder.name} is asked to {self.verb}")
            return []
        try:
            return self._wait_for(under_way)
        except KeyboardInterrupt:
            for asked in under_way:
                say(f"{asked.folder.name}: not waited for any longer; what was asked stays asked")
            raise

    def status(self, *, picked: bool) -> int:
        """The exit status: 2 when a run that was named could not, or none of those that were picked."""
        return 2 if self.failed and not (picked and self.done) else 0

    def _can_be_asked(self, folder: RunFolder) -> bool:
        """Whether there is a worker to ask; else it is said why not."""
        from craft.launch.follow import look_at
        from craft.launch.queue.dispatch import wait_while_starting
        from craft.runs.liveness import host_elsewhere

        folder.require()
        wait_while_starting(folder)
        look = look_at(folder)
        if not look.is_live:
            self.refuse(f"{folder.name} {self._why_nobody(folder, look)}")
            return False
        if words := self.why_not(look):
            self.done += 1
            say(f"{folder.name} {words}")
            return False
        if look.phase == "silent":
            say(f"{folder.name} is silent: {look.reason}; 'craft kill {folder.name}' ends it")
        if host := host_elsewhere(folder, look.status):
            say(f"{folder.name} is trained on {host}: it is asked through its folder")
        return True

    def _why_nobody(self, folder: RunFolder, look: Observed) -> str:
        if look.phase == "queued":
            return f"is queued and does not train yet, so there is nothing to {self.verb}: {look.reason}"
        on = "" if look.phase == "finished" else f"; 'craft resume {folder.name}' goes on with it"
        return f"is {look.phase}, so there is nothing to {self.verb}{on}"

    def _wait_for(self, under_way: list[Asked]) -> list[Answer]:
        said: set[str] = set()
        done = []
        while under_way:
            for asked in list(under_way):
                name = asked.folder.name
                answer = asked.look()
                if answer is not None:
                    under_way.remove(asked)
                    self._told(asked.folder, answer)
                    if answer.what == "done":
                        done.append(answer)
                elif name not in said and time.monotonic() - asked.started > _SAID_AFTER:
                    said.add(name)
                    say(f"{name} {_what_takes_long(asked)}")
            if under_way:
                time.sleep(_LOOK_EVERY)
        return done

    def _told(self, folder: RunFolder, answer: Answer) -> None:
        from craft.launch.follow import look_at

        if answer.what == "done":
            self.done += 1
            say(f"{folder.name} {self.tell(folder, answer)}")
        elif answer.what == "refused":
            self.refuse(f"{folder.name} does not {self.verb}: {answer.reason.removeprefix(f'{folder.name}: ')}")
        else:
            self.refuse(f"{folder.name} left before it could {self.verb}: it is {look_at(folder).phase}")

    def refuse(self, words: str) -> None:
        self.failed += 1
        say(f"craft: {words}")


def _what_takes_long(asked: Asked) -> str:
    from craft.runs.liveness import observe

    look = observe(asked.folder)
    if asked.taken:
        return f"has heard it, and is {look.phase}: it is done at the end of the step"
    return f"has not heard it yet, and is {look.phase}; Ctrl-C ends the waiting only"
