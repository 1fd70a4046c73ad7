"""Kernel locks on files (flock): freed whenever their process ends, in whatever way.

flock and not lockf: a POSIX record lock is lost, without a word, when its process opens and closes the same file
anywhere else. Across machines, over NFS, neither can be trusted; a run says which host owns it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
import weakref
from pathlib import Path
from typing import Self

_TRY_EVERY = 0.02  # seconds
_BUSY = (errno.EWOULDBLOCK, errno.EACCES)


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
        # Readable by others, who may look whether it is held.
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            looked_at = 0
            while not _try(descriptor, fcntl.LOCK_EX):
                if deadline is not None and time.monotonic() >= deadline:
                    # Where a shared lock is to be had, nobody holds it: somebody looked. A look takes microseconds.
                    looked_at += 1
                    if looked_at > 10 or not _try(descriptor, fcntl.LOCK_SH):
                        os.close(descriptor)
                        return False
                    fcntl.flock(descriptor, fcntl.LOCK_UN)
                    time.sleep(0.001)
                else:
                    time.sleep(_TRY_EVERY)
        except OSError:
            os.close(descriptor)
            raise
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


def is_locked(path: Path) -> bool:
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


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise
    return True
