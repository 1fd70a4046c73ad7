"""Locks, processes, signals, and writes that survive a crash: every call that differs between Linux and macOS.

All durable operations of Craft go through the functions of this module, so that a test can record them and replay
what a power cut would leave.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import importlib
import os
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Self

# Places -----------------------------------------------------------------------------------------------------------


def state_dir() -> Path:
    """Where Craft keeps what belongs to this machine: slots and measurements. $CRAFT_STATE_DIR wins."""
    if own := os.environ.get("CRAFT_STATE_DIR"):
        return Path(own)
    if xdg := os.environ.get("XDG_STATE_HOME"):
        return Path(xdg) / "craft"
    return Path.home() / ".local" / "state" / "craft"


@contextlib.contextmanager
def import_path(folder: Path | None) -> Iterator[None]:
    """Look for a person's own modules in `folder` first."""
    if folder is None:
        yield
        return
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))


# Durable writes ---------------------------------------------------------------------------------------------------


def fsync_file(path: Path) -> None:
    """Force a file's content to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _full_sync(descriptor)
    finally:
        os.close(descriptor)


def _full_sync(descriptor: int) -> None:
    # On macOS fsync stops at the drive's cache; F_FULLFSYNC goes through it.
    if sys.platform == "darwin":
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def sync_data(descriptor: int) -> None:
    """Force what was written through an open file to disk."""
    if sys.platform == "darwin":
        _full_sync(descriptor)
    else:
        os.fdatasync(descriptor)


def fsync_dir(path: Path) -> None:
    """Force a folder's entries to disk: names that were created, renamed or removed in it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename(source: Path, target: Path) -> None:
    """Rename within one file system; the name is on disk once the parent folder is forced."""
    source.rename(target)


def replace(source: Path, target: Path) -> None:
    """Rename over a file, atomically; on disk once the parent folder is forced."""
    source.replace(target)


def write_file_durable(path: Path, content: bytes) -> None:
    """Replace a file by new content that is on disk when this returns; a crash leaves the old or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        fsync_file(temporary)
        replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    fsync_dir(path.parent)


def write_file_atomic(path: Path, content: bytes) -> None:
    """Replace a file at once for every reader, without forcing it to disk: for claims, not for records."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


# Locks ------------------------------------------------------------------------------------------------------------


class FileLock:
    """A kernel lock on a file (flock), freed whenever its process ends, in whatever way.

    Closed in forked children: a data loader that outlives its parent must not keep a dead run alive.
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
        """Take the lock, trying for `timeout` seconds (None: for ever). False when another holds it."""
        deadline = None if timeout is None else time.monotonic() + timeout
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EINTR):
                    os.close(descriptor)
                    raise
                if deadline is not None and time.monotonic() >= deadline:
                    os.close(descriptor)
                    return False
                time.sleep(0.02)
            else:
                self._descriptor = descriptor
                FileLock._held.add(self)
                return True

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            FileLock._held.discard(self)

    def write(self, content: bytes) -> None:
        """Leave a note in the held file, for those who wait."""
        assert self._descriptor is not None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, content, 0)

    def __enter__(self) -> Self:
        self.acquire(None)
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @classmethod
    def _close_in_child(cls) -> None:
        for lock in list(cls._held):
            if lock._descriptor is not None:
                os.close(lock._descriptor)
                lock._descriptor = None
        cls._held.clear()


os.register_at_fork(after_in_child=FileLock._close_in_child)


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock of `path`. Asks with a shared lock, let go at once."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in (errno.EWOULDBLOCK, errno.EACCES)
    else:
        return False
    finally:
        os.close(descriptor)


# Processes --------------------------------------------------------------------------------------------------------


def hostname() -> str:
    """This machine's name."""
    return socket.gethostname()


def boot_id() -> str:
    """What changes with every start of the machine."""
    if sys.platform == "linux":
        try:
            return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return "unknown"
    found = subprocess.run(["sysctl", "-n", "kern.boottime"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def start_ticks(pid: int) -> int | None:
    """When a process began, in a unit that no clock change moves; None when there is no such process."""
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return None
        fields = stat[stat.rindex(b")") + 2 :].split()
        return None if fields[0] in (b"Z", b"X") else int(fields[19])  # field 22; the dead and unreaped are gone
    import psutil

    try:
        return int(psutil.Process(pid).create_time() * 100)
    except psutil.Error:
        return None


@dataclass(frozen=True)
class ProcessIdentity:
    """A process that can be told from a later one with the same number."""

    host: str
    boot_id: str
    pid: int
    start_ticks: int
    pgid: int

    @classmethod
    def current(cls) -> ProcessIdentity:
        """This process."""
        pid = os.getpid()
        return cls(hostname(), boot_id(), pid, start_ticks(pid) or 0, os.getpgid(0))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ProcessIdentity:
        """Read what `as_json` gave. Raises KeyError, TypeError or ValueError when it is something else."""
        return cls(
            str(data["host"]),
            str(data["boot_id"]),
            int(data["pid"]),
            int(data["start_ticks"]),
            int(data["pgid"]),
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @property
    def is_here(self) -> bool:
        """Whether it ran on this machine."""
        return self.host == hostname()

    def is_alive(self) -> bool:
        """Whether this very process runs on this machine now."""
        return self.is_here and self.boot_id == boot_id() and start_ticks(self.pid) == self.start_ticks

    def send(self, number: int, *, group: bool = False) -> bool:
        """Signal this very process, or its group; False when it is gone or belongs to another machine.

        The identity is checked again with a pidfd in hand: from then on the number cannot be given to another.
        """
        if not self.is_alive():
            return False
        descriptor = None
        try:
            if hasattr(os, "pidfd_open"):
                descriptor = os.pidfd_open(self.pid)
                if not self.is_alive():
                    return False
            if group and self.pgid == self.pid:
                os.killpg(self.pgid, number)
            elif descriptor is not None:
                signal.pidfd_send_signal(descriptor, number)
            else:
                os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        finally:
            if descriptor is not None:
                os.close(descriptor)
        return True


def spawn_detached(arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> int:
    """Start a process that outlives this one and its terminal; returns its pid.

    A session of its own, no standard input, output appended to `log`. Popen and not asyncio: the latter kills its
    children at exit on some versions of Python.
    """
    output: IO[bytes]
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(arguments),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
            env={**os.environ, **(environment or {})},
        )
    # The child is not waited for here; whoever stays alive reaps it with `reap`.
    process.returncode = 0
    return process.pid


def reap() -> None:
    """Collect children that have ended, so that they do not stay as zombies."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


def keep_freed_memory() -> None:
    """Let glibc keep what is freed instead of giving it back to the kernel and faulting it in again each step.

    A small model's step on a CPU is a fifth faster for it (docs/measurements.md). Elsewhere this does nothing.
    """
    if sys.platform != "linux":
        return
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # another libc
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3
    mallopt(mmap_threshold, 32 << 20)  # the largest that glibc takes
    mallopt(trim_threshold, 1 << 30)
    mallopt(top_pad, 64 << 20)
