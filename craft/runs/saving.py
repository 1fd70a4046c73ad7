"""Asking a run that trains to save a checkpoint now, and waiting until it lies there."""

from __future__ import annotations

import time
from collections.abc import Callable

from craft.errors import RunError
from craft.runs import control
from craft.runs.events import read_events
from craft.runs.folder import RunFolder
from craft.runs.liveness import observe

_LOOK_EVERY = 0.1  # seconds; a worker looks for requests twice a second


def save_now(folder: RunFolder, *, timeout: float = 600.0, cancelled: Callable[[], bool] = lambda: False) -> int | None:
    """Let a run's worker save at the end of its step; the step that it saved. None when no worker is at the run, or it
    left meanwhile: what it saved last is the newest there is. Also None once `cancelled` says so.

    Raises RunError when the worker does not answer in time, or took the request and did not save.
    """
    if not observe(folder).is_live:
        return None
    before = len(read_events(folder))
    asked, started = control.request(folder, "checkpoint", reason="its newest state is asked for"), time.monotonic()
    answered = False
    while not cancelled():
        live = observe(folder).is_live  # before the events: whoever leaves has said everything then
        events = read_events(folder)[before:]
        taken = next((place for place, event in enumerate(events) if event.get("request") == asked), None)
        answered = taken is not None
        for event in events[taken or 0 :] if answered else []:
            step = event.get("step")
            if event.get("kind") == "checkpoint" and isinstance(step, int):
                return step
            if event.get("kind") == "warning" and "not saved" in str(event.get("text")):
                raise RunError(f"{folder.name} could not save: {event['text']}")
        if not live:
            return None
        if time.monotonic() - started > timeout:
            did = "took the request and has not saved" if answered else "has not answered the request to save"
            raise RunError(
                f"{folder.name} {did} for {timeout:.0f} s: it may hang; take a checkpoint that it has, as "
                f"{folder.name}@latest"
            )
        time.sleep(_LOOK_EVERY)
    return None
