"""Who trains a run: the lock that its worker holds for life, and the process to signal."""

from __future__ import annotations

from craft import platform
from craft.errors import RunBusyError, RunError
from craft.runs.folder import RunFolder
from craft.runs.json_files import encode_file, read_object


def hold_run_lock(folder: RunFolder, timeout: float = 2.0) -> platform.FileLock:
    """Take a run's lock and record this process as its owner; the lock can be used with `with`.

    Taken before torch is imported, so that a second worker hears of it within `timeout` seconds: RunBusyError, which
    names the holder. Raises RunError when the folder cannot be written.
    """
    lock = platform.FileLock(folder.lock)
    try:
        if not lock.acquire(timeout):
            raise RunBusyError(
                f"{folder.name}: {_holder(folder)} trains this run; `craft stop {folder.name}` would stop it"
            )
        for place in (folder.path, folder.control):
            platform.remove_dead_temporaries(place)
        write_owner(folder)
    except OSError as error:
        lock.release()
        raise RunError(f"{folder.path}: the run cannot be taken over: {error.strerror}") from error
    return lock


def _holder(folder: RunFolder) -> str:
    owner = read_owner(folder)
    if owner is None or (owner.is_here and not owner.is_alive()):
        return "another process"  # it has the lock, and has not yet said who it is
    return f"process {owner.pid} on {owner.host}"


def write_owner(folder: RunFolder) -> None:
    """Record this process as the run's worker."""
    platform.write_file_atomic(folder.owner, encode_file(platform.ProcessIdentity.current().as_json()))


def read_owner(folder: RunFolder) -> platform.ProcessIdentity | None:
    """The process that last trained this run; None when there was none or the file is damaged."""
    try:
        return platform.ProcessIdentity.from_json(read_object(folder.owner))
    except (OSError, ValueError, KeyError, TypeError):
        return None
