"""The processes that train: started detached, stopped and killed by an identity that no other process can have."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Mapping

from craft import platform
from craft.errors import RunError
from craft.launch.standby import Standby
from craft.runs import control
from craft.runs.events import append_event
from craft.runs.folder import RunFolder
from craft.runs.liveness import observe
from craft.runs.lock import end_left_behind, new_mark, owner_here
from craft.runs.status import KILLED, OUTCOMES, WORKING, StatusWriter, read_status

WORKER = "craft.training.worker"
_LOG_TAIL = 12


def start_worker(
    folder: RunFolder, environment: Mapping[str, str], standby: Standby | None = None
) -> platform.ProcessIdentity:
    """Start a run's worker in a session of its own, with its output in `log.txt`; returns at once.

    One that stands by already, with torch imported, becomes it where it still can.
    """
    if standby is not None and (process := standby.become(folder, environment)) is not None:
        return process
    command = [sys.executable, "-P", "-m", WORKER, str(folder.path)]
    pid = platform.spawn_detached(command, folder.log, {**environment, **new_mark()})
    return platform.ProcessIdentity.of(pid, pgid=pid)


def ask_to_stop(folder: RunFolder) -> None:
    """Ask a run's worker to finish the step, save and leave. Raises RunError when no worker is at it.

    By a signal where that reaches it, at once; by a request in the folder where another machine trains it.
    """
    owner = owner_here(folder)
    if owner is not None and owner.send(signal.SIGTERM):
        return
    observed = observe(folder)
    if not observed.is_live:
        raise RunError(f"{folder.name} is {observed.phase}: nothing to stop")
    control.request(folder, "stop", reason="asked to stop")


def kill(folder: RunFolder, started: platform.ProcessIdentity | None = None) -> bool:
    """End a run's worker and its children at once, saving nothing; False when there was none here.

    `started`: the process that was started for the run, for the moment before it took the lock. The checkpoints
    are whole, so the run can be resumed. Where the worker is gone, what it left behind is ended.
    """
    process = owner_here(folder) or started
    if process is None:
        return end_left_behind(folder) > 0
    if not process.send(signal.SIGKILL, group=True):
        return False
    with contextlib.suppress(OSError):  # a full disk, say: killed it is all the same
        append_event(folder, "stopped", reason="killed")
    status = read_status(folder)
    if status is not None and status.phase == "queued":  # it never took the run over, so nothing else would say it
        StatusWriter(folder).write(phase="stopped", message=f"{KILLED} before it began", durable=True)
    else:
        _say_killed(folder)
    return True


def _say_killed(folder: RunFolder) -> None:
    """Leave in a dead worker's claim that it was killed; a run that somebody goes on with already is left alone."""
    lock = platform.FileLock(folder.lock)
    with contextlib.suppress(OSError):
        if not lock.acquire(2.0):
            return
        try:
            status = read_status(folder)
            if status is not None and status.phase in WORKING:
                StatusWriter(folder).write(message=KILLED)
        finally:
            lock.release()


def fail_to_start(folder: RunFolder) -> None:
    """Record that a run's worker ended before it took the run over, with what it printed last.

    Nothing happens when a worker did take it over, or is just about to. Raises OSError when the disk does not take it.
    """
    with_lock = platform.FileLock(folder.lock)
    if not with_lock.acquire(0.0):
        return
    try:
        status = read_status(folder)
        if status is None or status.phase == "queued":
            said = log_tail(folder)
            error = f"the worker did not start: {said}" if said else "the worker did not start and printed nothing"
            writer = StatusWriter(folder)
            writer.write(phase="failed", error=error, message=None, durable=True)
            if writer.fault:
                raise writer.fault
    finally:
        with_lock.release()


def log_tail(folder: RunFolder, lines: int = _LOG_TAIL) -> str:
    """The last lines that a run's worker printed; the text is not clean."""
    try:
        with folder.log.open("rb") as file:
            file.seek(max(0, folder.log.stat().st_size - 16_384))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.strip().splitlines()[-lines:])


def has_outcome(folder: RunFolder) -> bool:
    """Whether the run came to an end that its worker recorded."""
    status = read_status(folder)
    return status is not None and status.phase in OUTCOMES
