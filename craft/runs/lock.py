"""Who trains a run: the lock that its worker holds for life, and the process to signal.

The lock is the truth. `owner.json` names the process for signals, and beside it what keeps it from being mistaken: the
machine, this very folder (a copy of it has another number) and this very lock file (which a person may have removed).
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import Any

from craft import platform
from craft.errors import RunBusyError, RunError
from craft.runs.folder import RunFolder
from craft.runs.json_files import encode_file, read_object

MARK = "CRAFT_WORKER"
"""A worker is started with a number of its own in this variable, by which its children are known."""


def new_mark() -> dict[str, str]:
    """What the environment of a worker that is to be started must have."""
    return {MARK: os.urandom(8).hex()}


@dataclass(frozen=True)
class Owner:
    """What `owner.json` says."""

    process: platform.ProcessIdentity
    machine: str = ""
    """Tells machines of the same name apart; empty where that is not known."""
    folder: platform.Place | None = None
    """The run's folder when the process took it over."""
    lock: platform.Place | None = None
    """The lock file that it holds."""
    mark: str = ""
    """What its environment and that of its children has as `MARK`."""
    clock: float = 0.0
    """The monotonic clock of its machine when it took the run over; 0 where that is not known."""


def hold_run_lock(folder: RunFolder, timeout: float = 2.0) -> platform.FileLock:
    """Take a run's lock and record this process as its owner; the lock can be used with `with`.

    Taken before torch is imported, so that a second worker hears of it within `timeout` seconds: RunBusyError, which
    names the holder. What a worker that is gone left behind is ended. Raises RunError for a folder that cannot be
    written.
    """
    lock = platform.FileLock(folder.lock)
    try:
        if not lock.acquire(0.0):
            end_left_behind(folder)  # one of them may keep the lock
            if not lock.acquire(timeout):
                raise RunBusyError(_who_has_it(folder))
        if owner := owner_without_lock_file(folder):
            lock.release()
            raise RunBusyError(
                f"{folder.name}: process {owner.pid} trains this run, although {folder.lock.name} was removed or "
                f"replaced; `craft stop {folder.name}` would stop it"
            )
        end_left_behind(folder)
        for place in (folder.path, folder.control):
            platform.remove_dead_temporaries(place)
        write_owner(folder)
    except OSError as error:
        lock.release()
        raise RunError(f"{folder.path}: the run cannot be taken over: {error.strerror}") from error
    return lock


def _who_has_it(folder: RunFolder) -> str:
    owner = read_owner(folder)
    if owner is None or (owner.is_here and not owner.is_alive()):
        who = "another process"  # it has the lock, and has not yet said who it is
    else:
        who = f"process {owner.pid} on {owner.host}"
    return f"{folder.name}: {who} trains this run; `craft stop {folder.name}` would stop it"


def write_owner(folder: RunFolder) -> None:
    """Record this process as the run's worker."""
    record = {
        **platform.ProcessIdentity.current().as_json(),
        "machine": platform.machine_id(),
        "folder": platform.place_of(folder.path),
        "lock": platform.place_of(folder.lock),
        "mark": os.environ.get(MARK, ""),
        "clock": time.monotonic(),
    }
    platform.write_file_atomic(folder.owner, encode_file(record))


def load_owner(folder: RunFolder) -> Owner | None:
    """What `owner.json` says; None when there is none or it is damaged."""
    try:
        data = read_object(folder.owner)
        process = platform.ProcessIdentity.from_json(data)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    machine, mark, clock = str(data.get("machine", "")), str(data.get("mark", "")), data.get("clock")
    taken = clock if isinstance(clock, float) else 0.0
    return Owner(process, machine, _place(data.get("folder")), _place(data.get("lock")), mark, taken)


def _place(value: Any) -> platform.Place | None:
    match value:
        case [int(device), int(number)]:
            return device, number
    return None


def read_owner(folder: RunFolder) -> platform.ProcessIdentity | None:
    """The process that last trained this run; None when there was none or the file is damaged."""
    owner = load_owner(folder)
    return owner.process if owner else None


def owner_here(folder: RunFolder) -> platform.ProcessIdentity | None:
    """The living process on this machine that trains this very folder; None when there is none to be signalled.

    A copy of a folder comes with the original's owner, which has nothing to do with it.
    """
    owner = load_owner(folder)
    if owner is None or not owner.process.is_alive():
        return None
    if owner.folder is not None and owner.folder != platform.place_of(folder.path):
        return None
    if platform.is_locked(folder.lock) or owner_without_lock_file(folder):
        return owner.process
    return None


def owner_without_lock_file(folder: RunFolder) -> platform.ProcessIdentity | None:
    """The living process that trains a run whose lock file was removed or replaced under it; None as a rule.

    Its lock is on a file without a name, where nobody finds it; only the process itself shows that it holds it.
    """
    owner = load_owner(folder)
    if owner is None or owner.lock in (None, platform.place_of(folder.lock)) or not owner.process.is_alive():
        return None
    if owner.folder is not None and owner.folder != platform.place_of(folder.path):
        return None
    assert owner.lock is not None
    return owner.process if platform.lock_taker(owner.process.pid, owner.lock) is not None else None


def end_left_behind(folder: RunFolder) -> int:
    """End what a worker that is gone left behind; how many processes. Raises RunError where they are another user's."""
    return sum(process.send(signal.SIGKILL) for process in left_behind(folder))


def left_behind(folder: RunFolder) -> list[platform.ProcessIdentity]:
    """Processes of a worker that is gone; none as a rule.

    Its lock and its pid are free then, but not what they hold: memory, a GPU. torch's loader workers look for their
    parent and end; one that was still starting when that died takes init for it and goes on for ever.
    """
    owner = load_owner(folder)
    if not _is_dead(folder, owner):
        return []
    assert owner is not None
    strays = {process.pid: process for process in keeps_lock(folder)}
    if owner.mark:
        for process in platform.members_of_session(owner.process.pid):
            if process.start_ticks and platform.was_started_with(process.pid, MARK, owner.mark):
                strays[process.pid] = process
    return list(strays.values())


def keeps_lock(folder: RunFolder) -> list[platform.ProcessIdentity]:
    """Processes that keep the lock of a worker that is gone; none as a rule.

    Python's own children close it. One that a library forked past Python has a copy.
    """
    if not _is_dead(folder, load_owner(folder)):
        return []
    # Who they are first, what they hold second: a number that is given away meanwhile is then of another identity.
    known = {pid: platform.ProcessIdentity.of(pid, 0) for pid, _ in platform.lock_holders(folder.lock)}
    holders = platform.lock_holders(folder.lock)
    pids = {pid for pid, _ in holders}
    if any(taker in pids for _, taker in holders):
        return []  # the taker itself is there: a new worker that has not yet said who it is
    return [known[pid] for pid in pids if pid in known and known[pid].start_ticks]


def _is_dead(folder: RunFolder, owner: Owner | None) -> bool:
    """Whether the worker that last had this very folder ran here, since this machine was started, and is gone."""
    if owner is None or not owner.process.is_here or owner.process.is_alive():
        return False
    return owner.folder is None or owner.folder == platform.place_of(folder.path)
