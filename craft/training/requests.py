"""Requests to this worker: taken from the run's folder, acknowledged at once, and kept until they are answered.

They are taken by whoever looks first, training or the thread of the heartbeat: a step, an import or a compilation may
take minutes, and nobody who asks should wonder for so long whether he was heard.

request    it was taken                                {request, asked}
refused    it is not done, and why                     {request, asked, reason}
answered   it is done: a checkpoint, an evaluation, samples, a stop, with what came of it
paused, continued, changed    it is done, each an event by its own name
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from craft.runs import control
from craft.runs.control import Request

if TYPE_CHECKING:
    from craft.training.recorder import Recorder

LOOK_UP_SECONDS = 0.2  # requests are looked for at most this often


class Requests:
    """What was asked of a run and is not answered yet."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.waiting: list[Request] = []
        """Everything but stops, in the order it came. Only training takes from it."""
        self.stop: Request | None = None
        """The last one that asked to stop."""
        self._stops: list[Request] = []
        self._looking = threading.Lock()
        self._looked = 0.0
        self._signals = 0

    def look(self, *, now: bool = False) -> None:
        """Take what came since the last look, at most five times a second unless `now`."""
        with self._looking:
            if self.recorder.signals > self._signals:  # the last word counts: this one saves
                self._signals = self.recorder.signals
                self._take(Request("signal", "stop", {"reason": "asked to stop"}))
            moment = time.monotonic()
            if now or moment - self._looked >= LOOK_UP_SECONDS:
                # Another run's requests are not for this worker. Not counted as a look: training shall hear of it too.
                self.recorder.require_folder()
                self._looked = moment
                for request in control.take(self.recorder.folder):
                    self._take(request)

    def _take(self, request: Request) -> None:
        if request.fault is not None:
            self.refuse(request, request.fault)
            return
        self.recorder.event("request", request=request.id, asked=request.kind)
        if request.kind == "stop":
            self.stop = request
            self._stops.append(request)
            self.recorder.leave()
            self.recorder.phase("stopping")
        else:
            self.waiting.append(request)

    def refuse(self, request: Request, reason: str) -> None:
        """Say that it is not done."""
        self.recorder.event("refused", request=request.id, asked=request.kind, reason=reason)

    def answer(self, request: Request, **what: Any) -> None:
        """Say that it is done, and what came of it."""
        self.recorder.event("answered", request=request.id, asked=request.kind, **what)

    def close(self, phase: str, words: str | None) -> None:
        """The run has come to its end: the last stops are answered, and nothing that waits is left without a word."""
        self.look(now=True)
        for request in self._stops:
            if request.id != "signal":
                self.answer(request, phase=phase, text=words)
        self._stops.clear()
        while self.waiting:
            self.refuse(self.waiting.pop(0), f"it came too late: the run is {phase}")
