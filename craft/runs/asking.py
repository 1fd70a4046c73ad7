"""Asking a run's worker for something, and waiting for the event that says what came of it.

Whoever asks writes a file into the run's folder and reads its events; no process needs to know another.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from craft.errors import RunError
from craft.runs import control
from craft.runs.folder import RunFolder
from craft.runs.jsonl import LineReader, Record
from craft.runs.liveness import observe

LOOK_EVERY = 0.05  # seconds; a worker looks for requests five times a second
_ANSWERS = ("answered", "paused", "continued", "changed")


@dataclass(frozen=True)
class Answer:
    """What came of a request."""

    what: Literal["done", "refused", "left"]
    """`left`: no worker is at the run any more, and none has answered."""
    event: Record = field(default_factory=dict)
    """The event that answers it."""

    @property
    def reason(self) -> str:
        """Why it was refused. The text is not clean."""
        return str(self.event.get("reason", ""))

    @property
    def step(self) -> int:
        """The step at which it was done."""
        step = self.event.get("step")
        return step if isinstance(step, int) else 0


class Asked:
    """A request that is on its way to one run's worker."""

    def __init__(self, folder: RunFolder, kind: str, **arguments: Any) -> None:
        self.folder, self.kind = folder, kind
        self._events = LineReader(folder.events)
        for _ in self._events.stream():  # what happened before is no answer
            pass
        self.started = time.monotonic()
        self.id = control.request(folder, kind, **arguments)
        self.taken = False
        """Whether the worker has it; what it asks for is done at the end of a step."""

    def look(self) -> Answer | None:
        """The answer, once there is one."""
        live = observe(self.folder).is_live  # before the events: whoever leaves has said everything then
        for event in self._events.stream():
            if event.get("request") != self.id:
                continue
            self.taken = True
            if event.get("kind") == "refused":
                return Answer("refused", event)
            if event.get("kind") in _ANSWERS:
                return Answer("done", event)
        if live:
            return None
        control.withdraw(self.folder, self.id)  # or the next worker would obey it
        return Answer("left")


def ask(
    folder: RunFolder,
    kind: str,
    *,
    timeout: float = 600.0,
    cancelled: Callable[[], bool] = lambda: False,
    **arguments: Any,
) -> Answer | None:
    """Ask a run's worker for something and wait for what comes of it. None once `cancelled` says so.

    Raises RunError when the worker does not answer in time.
    """
    asked = Asked(folder, kind, **arguments)
    while not cancelled():
        if (answer := asked.look()) is not None:
            return answer
        if time.monotonic() - asked.started > timeout:
            did = "took the request and has not done it" if asked.taken else "has not answered the request"
            raise RunError(f"{folder.name} {did} to {kind} for {timeout:.0f} s: it may hang")
        time.sleep(LOOK_EVERY)
    return None
