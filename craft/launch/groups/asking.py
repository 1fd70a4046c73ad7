"""Asking several runs that train for one thing: told of each as its answer comes, and why of those that could not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from craft.errors import RunError
from craft.launch.follow import look_at
from craft.launch.queue.dispatch import wait_while_starting
from craft.runs.asking import Answer, Asked
from craft.runs.folder import RunFolder
from craft.runs.liveness import Observed, host_elsewhere, observe

_LOOK_EVERY = 0.05
_SAID_AFTER = 5.0  # seconds without a sign from the worker, before a person is told what that may mean


class Asking:
    """Asks runs for one thing, and says what came of it.

    `verb` is how a person says it, such as "pause"; `tell` gives the line, without the run's name, that says that it
    is done; `why_not` the reason why a run that trains need not be asked, if there is one. `say` is given what was
    done, or is under way, `refuse` what could not be; once `cancelled`, nobody is waited for any longer.
    """

    def __init__(
        self,
        kind: str,
        verb: str,
        tell: Callable[[RunFolder, Answer], str],
        *,
        say: Callable[[str], None],
        refuse: Callable[[str], None],
        wait: bool = True,
        why_not: Callable[[Observed], str] = lambda _: "",
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.kind, self.verb, self.tell, self.wait, self.why_not = kind, verb, tell, wait, why_not
        self._say, self._refuse, self._cancelled = say, refuse, cancelled
        self.done = self.failed = 0

    def ask(self, folders: Sequence[RunFolder], **arguments: Any) -> list[Answer]:
        """Ask all of them, then wait for all; returns the answers of those that did it."""
        return self.ask_each(dict.fromkeys(folders, arguments))

    def ask_each(self, asked_for: Mapping[RunFolder, Mapping[str, Any]]) -> list[Answer]:
        """The same, with arguments for each run."""
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
                self._say(f"{asked.folder.name} is asked to {self.verb}")
            return []
        try:
            return self._wait_for(under_way)
        except KeyboardInterrupt:
            for asked in under_way:
                self._say(f"{asked.folder.name}: not waited for any longer; what was asked stays asked")
            raise

    def refuse(self, words: str) -> None:
        """Say that one could not."""
        self.failed += 1
        self._refuse(words)

    def _can_be_asked(self, folder: RunFolder) -> bool:
        """Whether there is a worker to ask; else it is said why not."""
        folder.require()
        wait_while_starting(folder)
        look = look_at(folder)
        if not look.is_live:
            self.refuse(f"{folder.name} {self._why_nobody(folder, look)}")
            return False
        if words := self.why_not(look):
            self.done += 1
            self._say(f"{folder.name} {words}")
            return False
        if look.phase == "silent":
            self._say(f"{folder.name} is silent: {look.reason}; 'craft kill {folder.name}' ends it")
        if host := host_elsewhere(folder, look.status):
            self._say(f"{folder.name} is trained on {host}: it is asked through its folder")
        return True

    def _why_nobody(self, folder: RunFolder, look: Observed) -> str:
        if look.phase == "queued":
            return f"is queued and does not train yet, so there is nothing to {self.verb}: {look.reason}"
        on = "" if look.phase == "finished" else f"; 'craft resume {folder.name}' goes on with it"
        return f"is {look.phase}, so there is nothing to {self.verb}{on}"

    def _wait_for(self, under_way: list[Asked]) -> list[Answer]:
        said: set[str] = set()
        done = []
        while under_way and not self._cancelled():
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
                    self._say(f"{name} {_what_takes_long(asked)}")
            if under_way:
                time.sleep(_LOOK_EVERY)
        return done

    def _told(self, folder: RunFolder, answer: Answer) -> None:
        if answer.what == "done":
            self.done += 1
            self._say(f"{folder.name} {self.tell(folder, answer)}")
        elif answer.what == "refused":
            self.refuse(f"{folder.name} does not {self.verb}: {answer.reason.removeprefix(f'{folder.name}: ')}")
        else:
            self.refuse(f"{folder.name} left before it could {self.verb}: it is {look_at(folder).phase}")


def _what_takes_long(asked: Asked) -> str:
    look = observe(asked.folder)
    if asked.taken:
        return f"has heard it, and is {look.phase}: it is done at the end of the step"
    return f"has not heard it yet, and is {look.phase}; it stays asked when nobody waits for it"
