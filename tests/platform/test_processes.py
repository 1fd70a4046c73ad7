"""Who a process is, signals that reach only the one that was meant, and processes that outlive their parent."""

from __future__ import annotations

import dataclasses
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from craft import platform
from craft.errors import RunError
from craft.platform import ProcessIdentity, processes
from tests.children import child, says, wait_until

WAIT = "print('ready', flush=True); import sys; sys.stdin.readline()"

WITH_A_GRANDCHILD = """
import subprocess, sys
grandchild = subprocess.Popen(["sleep", "60"])
print(grandchild.pid, flush=True)
sys.stdin.readline()
"""

SPAWN = '''
import sys, time
from pathlib import Path
from craft import platform
code = """
import os, sys, time
print(os.getsid(0), sys.stdin.read() == "", os.environ["MARK"], flush=True)
time.sleep(60)
"""
pid = platform.spawn_detached([sys.executable, "-c", code], Path(sys.argv[1]), {"MARK": "seen"})
print(pid, flush=True)
time.sleep(60)
'''


needs_waitid = pytest.mark.skipif(not hasattr(os, "waitid"), reason="no way to see an end without collecting it")


def identity_of(pid: int) -> ProcessIdentity:
    ticks = platform.start_ticks(pid)
    assert ticks is not None
    return ProcessIdentity(platform.hostname(), platform.boot_id(), pid, ticks, os.getpgid(pid))


def test_this_process_is_itself_and_can_be_written_down() -> None:
    me = ProcessIdentity.current()
    assert me.is_alive()
    assert ProcessIdentity.from_json(me.as_json()) == me


@pytest.mark.parametrize("change", [{"pid": 0}, {"pid": -1}, {"pid": "x"}, {"start_ticks": None}])
def test_a_damaged_identity_is_none(change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        ProcessIdentity.from_json({**ProcessIdentity.current().as_json(), **change})
    with pytest.raises(KeyError):
        ProcessIdentity.from_json({})


@needs_waitid
def test_a_process_that_ended_is_gone_also_before_it_is_waited_for() -> None:
    with child(WAIT) as process:
        says(process)
        one = identity_of(process.pid)
        assert one.is_alive()
        os.kill(process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
        assert not one.is_alive()
        assert not one.send(signal.SIGTERM)


@pytest.mark.parametrize(
    "change",
    [{"host": "elsewhere"}, {"boot_id": "another boot"}, {"start_ticks": 1}],
    ids=["another host", "before a restart", "another process by the same number"],
)
@pytest.mark.parametrize("group", [False, True])
def test_what_is_not_that_very_process_is_never_signalled(change: dict[str, Any], group: bool) -> None:
    with child(WAIT, new_session=True) as innocent:
        says(innocent)
        other = dataclasses.replace(identity_of(innocent.pid), **change)
        assert not other.is_alive()
        assert not other.send(signal.SIGKILL, group=group)
        assert innocent.poll() is None
        innocent.communicate("leave\n")
        assert innocent.returncode == 0


@pytest.mark.parametrize("way", ["pidfd of a group", "pidfd", "no pidfd"])
def test_a_signal_reaches_the_process_and_its_group(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "no pidfd":
        monkeypatch.setattr(processes, "_open_handle", lambda pid: None)
    elif not hasattr(os, "pidfd_open"):
        pytest.skip("this system has no pidfds")
    if way == "pidfd":
        real = signal.pidfd_send_signal

        def older_kernel(handle: int, number: int, info: None = None, flags: int = 0) -> None:
            if flags:
                raise OSError(errno.EINVAL, "flags")
            real(handle, number, info, flags)

        monkeypatch.setattr(signal, "pidfd_send_signal", older_kernel)
    with child(WITH_A_GRANDCHILD, new_session=True) as leader:
        grandchild = identity_of(int(says(leader)))
        assert identity_of(leader.pid).send(signal.SIGTERM, group=True)
        assert leader.wait() == -signal.SIGTERM
        wait_until(lambda: not grandchild.is_alive())
    with child(WAIT) as single:
        says(single)
        assert identity_of(single.pid).send(signal.SIGTERM)
        assert single.wait() == -signal.SIGTERM


def test_only_a_leader_has_its_group_signalled() -> None:
    with child(WAIT) as member:  # of this very test's group
        says(member)
        assert identity_of(member.pid).send(signal.SIGTERM, group=True)
        assert member.wait() == -signal.SIGTERM


@pytest.mark.skipif(not hasattr(os, "setresuid") or os.geteuid() != 0, reason="needs a process of another user")
def test_another_users_process_is_refused_in_words() -> None:
    with child(WAIT) as process:
        says(process)
        one = identity_of(process.pid)
        os.setresuid(65534, 65534, 0)
        try:
            with pytest.raises(RunError, match="another user's"):
                one.send(signal.SIGTERM)
        finally:
            os.setresuid(0, 0, 0)


def test_a_detached_process_outlives_its_parent(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("before\n")
    with child(SPAWN, log, new_session=True) as parent:
        detached = identity_of(int(says(parent)))
        try:
            wait_until(lambda: log.read_text().count("\n") == 2)
            os.killpg(parent.pid, signal.SIGKILL)
            parent.wait()
            assert detached.is_alive()
            assert detached.pgid == detached.pid
            assert log.read_text() == f"before\n{detached.pid} True seen\n"
        finally:
            detached.send(signal.SIGKILL, group=True)


@needs_waitid
def test_reaping_collects_detached_processes_and_nobody_elses(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"]) as mine:
        os.waitid(os.P_PID, mine.pid, os.WEXITED | os.WNOWAIT)
        pid = platform.spawn_detached([sys.executable, "-c", ""], tmp_path / "log.txt")
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert Path(f"/proc/{pid}").exists() or sys.platform != "linux"
        platform.reap()
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        assert mine.wait() == 7


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        platform.spawn_detached([str(tmp_path / "nothing")], tmp_path / "log.txt")
