"""Who trains a run: the lock that its worker holds for life, and the process to signal."""

from __future__ import annotations

import json

from craft import platform
from craft.errors import RunBusyError
from craft.runs.folder import RunFolder


def hold_run_lock(folder: RunFolder, timeout: float = 2.0) -> platform.FileLock:
    """Take a run's lock and say whose it is. Raises RunBusyError naming the holder."""
    lock = platform.FileLock(folder.lock)
    if not lock.acquire(timeout):
        owner = read_owner(folder)
        holder = f"process {owner.pid} on {owner.host}" if owner else "another process"
        raise RunBusyError(f"{folder.name}: {holder} trains this run; `craft stop {folder.name}` would stop it")
    write_owner(folder)
    return lock


def write_owner(folder: RunFolder) -> None:
    """Record this process as the run's worker."""
    content = json.dumps(platform.ProcessIdentity.current().as_json()).encode()
    platform.write_file_atomic(folder.owner, content)


def read_owner(folder: RunFolder) -> platform.ProcessIdentity | None:
    """The process that last trained this run; None when there was none or the file is damaged."""
    try:
        return platform.ProcessIdentity.from_json(json.loads(folder.owner.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None
