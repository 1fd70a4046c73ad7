"""Kernel locks on files (flock): freed whenever their process ends, in whatever way.

flock and not lockf: a POSIX record lock is lost, without a word, when its process opens and closes the same file
anywhere else. Across machines, over NFS, neither can be trusted; a run says which host owns it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import time
import weakref
from pathlib import Path
from typing import Self

_TRY_EVERY = 0.02  # seconds
_BUSY = (errno.EWOULDBLOCK, errno.EACCES)
_FLOCK = re.compile(r"^lock:\s.*\bFLOCK\s+ADVISORY\s+WRITE\s+(-?\d+)\s", re.MULTILINE)

Place = tuple[int, int]
"""A file as the system numbers it: device and inode. Whatever it is called, and no copy of it."""


class FileLock:
    """An exclusive lock, held by this object from `acquire` to `release` or to the end of the process.

    Forked children close it: a data loader that outlives its parent must not keep a dead run alive.
    """

    _held: weakref.WeakSet[FileLock] = weakref.WeakSet()

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def acquire(self, timeout: float | None = 0.0) -> bool:
        """Take the lock, trying for `timeout` seconds (None: for ever). False when another holds it.

        A reader that looks whether the lock is held (`is_locked`) is not taken for a holder, whatever the timeout.
        Raises OSError when the file cannot be made or the file system has no locks.
        """
        assert self._descriptor is None, f"{self.path} is held by this object already"
        deadline = None if timeout is None else time.monotonic() + timeout
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            # Readable by others, who may look whether it is held.
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                taken = _take(descriptor, deadline)
            except OSError:
                os.close(descriptor)
                raise
            if taken and place_of(self.path) == _place(os.fstat(descriptor)):
                break
            os.close(descriptor)
            if not taken:
                return False
            # The file was removed or replaced while we waited: a lock on it would keep nobody out.
        self._descriptor = descriptor
        FileLock._held.add(self)
        return True

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._descriptor is None:
            return
        # Unlocked, not only closed: a child that some library forked past Python may have a copy of the descriptor.
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)
        self._descriptor = None
        FileLock._held.discard(self)

    def write(self, content: bytes) -> None:
        """Leave a note in the held file, for those who wait."""
        assert self._descriptor is not None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, content, 0)

    def __enter__(self) -> Self:
        if not self.held:
            self.acquire(None)
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @classmethod
    def _close_in_child(cls) -> None:
        for lock in list(cls._held):
            if lock._descriptor is not None:
                os.close(lock._descriptor)  # closed and not unlocked: the lock is the parent's
                lock._descriptor = None
        cls._held.clear()


os.register_at_fork(after_in_child=FileLock._close_in_child)


def is_locked(path: Path | str) -> bool:
    """Whether some process holds the lock of `path`. Asks with a shared lock, let go at once."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _try(descriptor, fcntl.LOCK_SH)
    except OSError:
        return False  # a file system without locks: nobody can hold one
    finally:
        os.close(descriptor)


def place_of(path: Path) -> Place | None:
    """Which file or folder has this name now, told apart from copies of it; None when there is none."""
    try:
        return _place(path.stat())
    except OSError:
        return None


def _place(found: os.stat_result) -> Place:
    return found.st_dev, found.st_ino


def lock_taker(pid: int, place: Place) -> int | None:
    """Who took the lock that process `pid` holds on this very file, its name aside; None when it holds none.

    Another number than `pid` when it was forked from the taker past Python, and so has the lock of its parent. Known
    on Linux, for processes of one's own: proc_pid_fdinfo(5) names the locks of each open file.
    """
    try:
        with os.scandir(f"/proc/{pid}/fd") as descriptors:
            opened = [one.name for one in descriptors if _leads_to(one, place)]
    except OSError:  # it has ended, or is another user's
        return None
    for descriptor in opened:
        with contextlib.suppress(OSError):
            if found := _FLOCK.search(Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text()):
                return int(found[1])
    return None


def _leads_to(descriptor: os.DirEntry[str], place: Place) -> bool:
    try:
        return _place(descriptor.stat()) == place
    except OSError:  # closed meanwhile
        return False


def lock_holders(path: Path) -> list[tuple[int, int]]:
    """The processes that keep the lock of `path` from being free, and for each the process that took it."""
    place = place_of(path)
    if place is None or not Path("/proc/self/fdinfo").is_dir():
        return []
    with os.scandir("/proc") as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdecimal()]
    return [(pid, taker) for pid in pids if (taker := lock_taker(pid, place)) is not None]


def _take(descriptor: int, deadline: float | None) -> bool:
    looked_at = 0
    while not _try(descriptor, fcntl.LOCK_EX):
        if deadline is not None and time.monotonic() >= deadline:
            # Where a shared lock is to be had, nobody holds it: somebody looked. A look takes microseconds.
            looked_at += 1
            if looked_at > 10 or not _try(descriptor, fcntl.LOCK_SH):
                return False
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            time.sleep(0.001)
        else:
            time.sleep(_TRY_EVERY)
    return True


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise
    return True
