"""Processes that can be told apart for ever, signalled safely, and started so that they outlive their parent."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from craft.errors import RunError
from craft.platform import sessions

# linux/pidfd.h, Linux 6.9: the signal goes to the process group of the pidfd's process.
_PIDFD_SIGNAL_PROCESS_GROUP = 4


def hostname() -> str:
    """This machine's name."""
    return socket.gethostname()


@cache
def boot_id() -> str:
    """What changes with every start of the machine, and with nothing else; "unknown" where it cannot be had."""
    if sys.platform == "darwin":
        # Not kern.boottime: that one moves when the clock is set.
        command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
        try:
            found = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        except OSError:
            found = ""
    else:
        try:
            found = Path("/proc/sys/kernel/random/boot_id").read_text()
        except OSError:
            found = ""
    return found.strip() or "unknown"


@cache
def machine_id() -> str:
    """What tells this machine from another one of the same name; empty where there is no such thing.

    machine-id(5) asks not to show the id itself to anybody, so it is a digest of it.
    """
    try:
        found = Path("/etc/machine-id").read_text().strip()
    except OSError:
        return ""
    return hashlib.sha256(f"craft {found}".encode()).hexdigest()[:16] if found else ""


def pid_namespace() -> str:
    """The table that this process's pid is a number of: two containers on one kernel have one each; empty elsewhere."""
    try:
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - it leads to no file
    except OSError:
        return ""


def start_ticks(pid: int) -> int | None:
    """When a process began, in a unit that setting the clock does not move; None when there is no such process.

    One that has ended and was not yet waited for counts as gone. Linux: field 22 of /proc/PID/stat. macOS:
    microseconds from libproc; psutil's `create_time` follows the clock there.
    """
    if sys.platform == "darwin":
        return _start_on_macos(pid)
    fields = _stat(pid)
    return None if not fields or fields[0] in (b"Z", b"X") else int(fields[19])


def is_suspended(pid: int) -> bool:
    """Whether a process was halted by a signal, as Ctrl-Z does, and does nothing until it is let go on."""
    return _stat(pid)[:1] in ([b"T"], [b"t"])


def members_of_session(session: int) -> list[ProcessIdentity]:
    """The living processes of a session, by the pid of the process that began it. Linux only; elsewhere none."""
    try:
        with os.scandir("/proc") as entries:
            pids = [int(entry.name) for entry in entries if entry.name.isdecimal()]
    except OSError:
        return []
    return [ProcessIdentity.of(pid, 0) for pid in pids if _stat(pid)[3:4] == [b"%d" % session]]


def was_started_with(pid: int, name: str, value: str) -> bool:
    """Whether a process of one's own, or whoever forked it, was given this environment variable. Linux only."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return f"{name}={value}".encode() in environment.split(b"\0")


def _stat(pid: int) -> list[bytes]:
    """proc_pid_stat(5) from its third field on; empty when there is no such process. Its name may hold anything."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return []
    return stat[stat.rindex(b")") + 2 :].split()


def _start_on_macos(pid: int) -> int | None:
    import ctypes

    flavor, size, start_offset = 3, 136, 120  # PROC_PIDTBSDINFO and struct proc_bsdinfo of sys/proc_info.h
    buffer = ctypes.create_string_buffer(size)
    if ctypes.CDLL("/usr/lib/libproc.dylib").proc_pidinfo(pid, flavor, ctypes.c_uint64(0), buffer, size) != size:
        return None
    seconds, microseconds = struct.unpack_from("=QQ", buffer.raw, start_offset)
    return int(seconds * 1_000_000 + microseconds)


@dataclass(frozen=True)
class ProcessIdentity:
    """A process that can be told from a later one with the same number."""

    host: str
    boot_id: str
    pid: int
    start_ticks: int
    pgid: int
    namespace: str = ""
    """The table of processes that `pid` is a number of; empty where that is not known."""

    @classmethod
    def current(cls) -> ProcessIdentity:
        """This process."""
        return cls.of(os.getpid(), os.getpgid(0))

    @classmethod
    def of(cls, pid: int, pgid: int) -> ProcessIdentity:
        """A process of this machine by its number; one that is gone already is never found alive again."""
        return cls(hostname(), boot_id(), pid, start_ticks(pid) or 0, pgid, pid_namespace())

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ProcessIdentity:
        """Read what `as_json` gave. Raises KeyError, TypeError or ValueError when it is something else."""
        numbers = [int(data[name]) for name in ("pid", "start_ticks", "pgid")]
        if numbers[0] < 1:
            raise ValueError(f"process {numbers[0]}")  # to kill(), 0 and -1 mean everybody
        pid, ticks, pgid = numbers
        return cls(str(data["host"]), str(data["boot_id"]), pid, ticks, pgid, str(data.get("namespace", "")))

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @property
    def is_here(self) -> bool:
        """Whether it was started on this machine, since this machine was started, and its pid means it here too."""
        if self.host != hostname() or self.boot_id != boot_id():
            return False
        return self.namespace in ("", pid_namespace())

    def is_alive(self) -> bool:
        """Whether this very process runs on this machine now."""
        return self.is_here and self.start_ticks == start_ticks(self.pid)

    def send(self, number: int, *, group: bool = False) -> bool:
        """Signal this very process, or the group that it leads; False when it is gone or on another machine.

        Where the kernel has pidfds, the identity is checked with one in hand: from then on the signal cannot reach
        another process, even if this one ends and its number is given away. Raises RunError when the process is
        another user's.
        """
        group = group and self.pgid == self.pid and self.pgid > 1  # killpg(1) would be kill(-1): everybody
        handle = _open_handle(self.pid) if self.is_here else None
        try:
            if not self.is_alive():
                return False
            if handle is None:
                (os.killpg if group else os.kill)(self.pid, number)
            elif sys.platform == "linux":
                _send_by_handle(handle, self.pgid, number, group)
        except ProcessLookupError:
            return False
        except PermissionError as error:
            raise RunError(f"process {self.pid} is another user's: it cannot be signalled from here") from error
        finally:
            if handle is not None:
                os.close(handle)
        return True


def _open_handle(pid: int) -> int | None:
    if sys.platform != "linux":
        return None
    with contextlib.suppress(OSError):  # gone, or a sandbox that knows no pidfds
        return os.pidfd_open(pid)
    return None


if sys.platform == "linux":

    def _send_by_handle(handle: int, pgid: int, number: int, group: bool) -> None:
        if not group:
            signal.pidfd_send_signal(handle, number)
            return
        try:
            signal.pidfd_send_signal(handle, number, None, _PIDFD_SIGNAL_PROCESS_GROUP)
        except (ProcessLookupError, PermissionError):
            raise
        except OSError:  # before Linux 6.9; the leader was alive a moment ago, so its group's number is not reused
            os.killpg(pgid, number)


_children: set[int] = set()


def spawn_detached(arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> int:
    """Start a process that outlives this one, its terminal and, where that can be had, the login; returns its pid.

    A session of its own, no standard input, output appended to `log`; `environment` is added to this process's.
    Raises OSError when the program or the log cannot be opened. `reap` collects it once it has ended.
    """
    reap()
    with log.open("ab") as output:
        process = subprocess.Popen(
            sessions.outliving(arguments),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
            env={**os.environ, **(environment or {})},
        )
    process.returncode = 0  # it is meant to go on: its Popen must not warn that nobody waited
    _children.add(process.pid)
    return process.pid


def reap() -> None:
    """Collect processes of `spawn_detached` that have ended, so that they do not stay as zombies."""
    for pid in list(_children):
        try:
            ended = os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:  # collected by someone else, or it is a fork's parent's child
            ended = True
        if ended:
            _children.discard(pid)
