"""Locks, held by real processes that are really killed."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from craft.platform import FileLock, is_locked
from tests.children import child, says, wait_until

HOLD = """
import sys
from pathlib import Path
from craft.platform import FileLock
lock = FileLock(Path(sys.argv[1]))
print("held" if lock.acquire(float(sys.argv[2])) else "busy", flush=True)
sys.stdin.readline()
"""

HOLD_AND_FORK = """
import os, sys, time
from pathlib import Path
from craft.platform import FileLock
lock = FileLock(Path(sys.argv[1]))
assert lock.acquire()
pid = os.fork()
if pid == 0:
    print(os.getpid(), lock.held, flush=True)
    time.sleep(60)
time.sleep(60)
"""


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.lock"
    first, second = FileLock(path), FileLock(path)
    assert first.acquire()
    assert first.held
    assert not second.acquire()
    assert not second.acquire(0.05)
    first.release()
    first.release()
    assert second.acquire()
    second.release()
    assert not is_locked(path)


def test_a_lock_is_seen_and_freed_by_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    assert not is_locked(path)
    with child(HOLD, path, 0) as holder:
        assert says(holder) == "held"
        assert is_locked(path)
        assert not FileLock(path).acquire()
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    assert not is_locked(path)
    with FileLock(path) as lock:
        assert lock.held


def test_of_many_takers_one_gets_it(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with child(HOLD, path, 0) as a, child(HOLD, path, 0) as b, child(HOLD, path, 0) as c:
        assert sorted(says(process) for process in (a, b, c)) == ["busy", "busy", "held"]


def test_a_waiting_taker_gets_it_when_the_holder_dies(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    lock = FileLock(path)
    assert lock.acquire()
    with child(HOLD, path, 60) as waiting:
        lock.release()
        assert says(waiting) == "held"


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with child(HOLD_AND_FORK, path) as parent:
        pid, held = says(parent).split()
        try:
            assert held == "False"
            assert is_locked(path)
            parent.kill()
            parent.wait()
            os.kill(int(pid), 0)  # the child lives on
            assert not is_locked(path)
        finally:
            os.kill(int(pid), signal.SIGKILL)


def test_releasing_frees_it_although_another_process_has_a_copy_of_the_descriptor(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "a.lock")
    assert lock.acquire()
    assert lock._descriptor is not None
    with subprocess.Popen(["sleep", "60"], pass_fds=[lock._descriptor]) as copy:
        lock.release()
        assert not is_locked(lock.path)
        copy.kill()


def test_looking_disturbs_no_taker(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    stop = threading.Event()
    looks = [0, 0]

    def look(who: int) -> None:
        while not stop.is_set():
            is_locked(path)
            looks[who] += 1

    lookers = [threading.Thread(target=look, args=(who,)) for who in (0, 1)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(300):
            lock = FileLock(path)
            assert lock.acquire()
            lock.release()
        wait_until(lambda: min(looks) > 300)
    finally:
        stop.set()
        for looker in lookers:
            looker.join()


def test_with_keeps_what_is_held_already(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "a.lock")
    assert lock.acquire()
    with lock:
        assert is_locked(lock.path)
    assert not lock.held


def test_a_holder_leaves_a_note(tmp_path: Path) -> None:
    with FileLock(tmp_path / "a.lock") as lock:
        lock.write(b"a long note")
        lock.write(b"short")
        assert lock.path.read_bytes() == b"short"


def test_a_lock_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        FileLock(tmp_path / "file" / "a.lock").acquire()
    assert not is_locked(tmp_path / "file" / "a.lock")
