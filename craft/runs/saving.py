"""Asking a run that trains to save a checkpoint now, and waiting until it lies there."""

from __future__ import annotations

from collections.abc import Callable

from craft.errors import RunError
from craft.runs.asking import ask
from craft.runs.folder import RunFolder
from craft.runs.liveness import observe


def save_now(folder: RunFolder, *, timeout: float = 600.0, cancelled: Callable[[], bool] = lambda: False) -> int | None:
    """Let a run's worker save at the end of its step; the step that it saved. None when no worker is at the run, or it
    left meanwhile: what it saved last is the newest there is. Also None once `cancelled` says so.

    Raises RunError when the worker does not answer in time, or took the request and did not save.
    """
    if not observe(folder).is_live:
        return None
    try:
        answer = ask(folder, "checkpoint", timeout=timeout, cancelled=cancelled)
    except RunError as error:
        raise RunError(f"{error}; take a checkpoint that it has, as {folder.name}@latest") from error
    if answer is None or answer.what == "left":
        return None
    if answer.what == "refused":
        raise RunError(f"{folder.name} could not save: {answer.reason}")
    return answer.step
