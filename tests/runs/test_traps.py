"""What misleads those who look after processes: copies, removed locks, strays, suspended workers, containers."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from craft import platform
from craft.errors import RunBusyError
from craft.launch import workers
from craft.platform import processes
from craft.runs.folder import RunFolder
from craft.runs.json_files import encode_file, read_object
from craft.runs.liveness import host_elsewhere, observe
from craft.runs.lock import MARK, hold_run_lock, left_behind, new_mark, owner_here, read_owner
from craft.runs.status import StatusWriter, read_status
from tests.children import child, says, wait_until
from tests.runs.make import a_run
from tests.runs.test_liveness import WORK

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells who has which lock")

# A library that forks past Python, so that no hook closes what is open.
WORK_WITH_A_STRAY = """
import ctypes, sys, time
from pathlib import Path
from craft.runs.folder import RunFolder
from craft.runs.lock import hold_run_lock
from craft.runs.status import StatusWriter
folder = RunFolder(Path(sys.argv[1]))
lock = hold_run_lock(folder)
StatusWriter(folder).write(phase="running", step=7, progressed=True)
pid = ctypes.CDLL(None).fork()
if pid == 0:
    time.sleep(300)
print(pid, flush=True)
sys.stdin.readline()
"""

# The workers of torch's loader are forked while the lock is held; every third of a second they look for their parent.
WORK_WITH_A_LOADER = """
import sys, time, warnings
from pathlib import Path
from craft.runs.folder import RunFolder
from craft.runs.lock import hold_run_lock
from craft.runs.status import StatusWriter
folder = RunFolder(Path(sys.argv[1]))
lock = hold_run_lock(folder)
StatusWriter(folder).write(phase="running", step=7, progressed=True)
import torch.utils.data as data
import torch.utils.data._utils.worker as loop
loop.MP_STATUS_CHECK_INTERVAL = 0.3
warnings.simplefilter("ignore")
batches = iter(data.DataLoader(range(100), num_workers=2))
next(batches), next(batches)  # one of each: who has not begun yet would take init for its parent
print(*(worker.pid for worker in batches._workers), flush=True)
sys.stdin.readline()
"""


# Children that never look for their parent, started in every way that Python has.
WORK_WITH_CHILDREN = """
import multiprocessing, os, subprocess, sys, time
from pathlib import Path
from craft.runs.folder import RunFolder
from craft.runs.lock import hold_run_lock
from craft.runs.status import StatusWriter
def main():
    folder = RunFolder(Path(sys.argv[1]))
    lock = hold_run_lock(folder)
    StatusWriter(folder).write(phase="running", step=7, progressed=True)
    if sys.argv[2] == "exec":
        pid = os.fork()
        if pid == 0:
            os.execvp("sleep", ["sleep", "300"])
    else:
        child = multiprocessing.get_context(sys.argv[2]).Process(target=time.sleep, args=(300,))
        child.start()
        pid = child.pid
    print(pid, flush=True)
    sys.stdin.readline()
if __name__ == "__main__":
    main()
"""

WAIT_ELSEWHERE = "print('waits', flush=True); import sys; sys.stdin.readline()"


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return a_run(tmp_path / "runs")


@pytest.fixture
def worker(folder: RunFolder) -> Iterator[subprocess.Popen[str]]:
    with child(WORK, folder.path, new_session=True) as process:
        assert says(process) == "at it"
        yield process


def ends_with_a_kill(process: subprocess.Popen[str]) -> None:
    assert process.wait(20) == -signal.SIGKILL


# Copies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["copied", "hard-linked"])
def test_a_copied_folder_never_has_the_originals_worker_signalled(
    folder: RunFolder, worker: subprocess.Popen[str], how: str
) -> None:
    copy = RunFolder(folder.path.with_name("copy-001"))
    shutil.copytree(folder.path, copy.path, copy_function=os.link if how == "hard-linked" else shutil.copy2)
    found = read_owner(copy)
    assert found is not None
    assert found.is_alive()
    assert owner_here(copy) is None
    assert not workers.kill(copy)
    if how == "copied":
        assert observe(copy).phase == "interrupted"
        # Also in the instant in which a worker of the copy's own has its lock and has not yet said who it is.
        with platform.FileLock(copy.lock):
            assert owner_here(copy) is None
            assert not workers.kill(copy)
    assert worker.poll() is None
    assert observe(folder).phase == "running"


def test_a_folder_that_was_moved_keeps_its_worker(folder: RunFolder, worker: subprocess.Popen[str]) -> None:
    moved = RunFolder(folder.path.rename(folder.path.with_name("moved-001")))
    assert observe(moved).phase == "running"
    assert workers.kill(moved)
    ends_with_a_kill(worker)
    assert observe(moved).phase == "interrupted"


# Lock files -------------------------------------------------------------------------------------------------------


@needs_proc
@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_lock_file_taken_away_lets_no_second_worker_in(
    folder: RunFolder, worker: subprocess.Popen[str], how: str
) -> None:
    folder.lock.unlink()
    if how == "replaced":
        folder.lock.touch()
    seen = observe(folder)
    assert (seen.phase, seen.held) == ("running", True)
    with pytest.raises(RunBusyError, match=rf"process {worker.pid} trains this run, although worker.lock was removed"):
        hold_run_lock(folder, timeout=0.0)
    assert workers.kill(folder)
    ends_with_a_kill(worker)
    assert observe(folder).phase == "interrupted"
    with hold_run_lock(folder, timeout=0.0):
        pass


def test_a_process_that_let_go_of_the_lock_is_not_a_worker_for_ever(folder: RunFolder) -> None:
    with hold_run_lock(folder):  # as a notebook that trains, is interrupted and lives on
        StatusWriter(folder).write(phase="running")
    folder.lock.unlink()
    assert owner_here(folder) is None
    assert observe(folder).phase == "interrupted"


def test_a_lock_is_not_taken_on_a_file_that_was_removed_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    first, second = platform.FileLock(path), platform.FileLock(path)
    assert first.acquire()
    take = """
import sys
from pathlib import Path
from craft.platform import FileLock
print("waits", flush=True)
print(FileLock(Path(sys.argv[1])).acquire(20), flush=True)
"""
    with child(take, path) as waiting:
        assert says(waiting) == "waits"
        fds = Path(f"/proc/{waiting.pid}/fd")
        if fds.is_dir():  # it has the file open and waits for the lock
            wait_until(lambda: any(os.path.samefile(fd, path) for fd in fds.iterdir() if os.path.exists(fd)))  # noqa: PTH110, PTH121
        path.unlink()
        assert second.acquire()
        first.release()
        with contextlib.suppress(subprocess.TimeoutExpired):
            waiting.wait(0.3)  # long enough to take the wrong one, were it to
        assert waiting.poll() is None
        second.release()
        assert says(waiting) == "True"


# What a worker leaves behind --------------------------------------------------------------------------------------


@needs_proc
@pytest.mark.parametrize("how", ["killed", "resumed"])
def test_a_child_that_a_library_forked_is_no_worker_and_is_ended(folder: RunFolder, how: str) -> None:
    with child(WORK_WITH_A_STRAY, folder.path, new_session=True) as process:
        stray = int(says(process))
        try:
            assert left_behind(folder) == []
            assert observe(folder).phase == "running"
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            seen = observe(folder)
            assert (seen.phase, seen.held, seen.is_live) == ("interrupted", False, False)
            assert f"process {stray}, which it left behind, keeps its lock" in seen.reason
            if how == "killed":
                assert workers.kill(folder)
                wait_until(lambda: not platform.is_locked(folder.lock))
            with hold_run_lock(folder, timeout=5.0):
                assert left_behind(folder) == []
            assert platform.start_ticks(stray) is None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(stray, signal.SIGKILL)


@needs_proc
def test_a_new_worker_is_not_taken_for_what_the_last_one_left_behind(folder: RunFolder) -> None:
    with child(WORK, folder.path) as first:
        assert says(first) == "at it"
    with child("import sys\nfrom pathlib import Path\nfrom craft.platform import FileLock\n"
               "lock = FileLock(Path(sys.argv[1]))\nlock.acquire()\nprint('held', flush=True)\nsys.stdin.readline()",
               folder.lock) as second:  # fmt: skip
        assert says(second) == "held"
        assert left_behind(folder) == []
        assert observe(folder).held
        assert not workers.kill(folder)
        assert second.poll() is None


def test_loader_workers_of_a_killed_worker_keep_no_lock_and_end(folder: RunFolder) -> None:
    with child(WORK_WITH_A_LOADER, folder.path, new_session=True) as process:
        loaders = [platform.ProcessIdentity.of(int(pid), 0) for pid in says(process).split()]
        assert all(one.is_alive() for one in loaders)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert observe(folder).phase == "interrupted"  # at once, while they still live
        wait_until(lambda: not any(one.is_alive() for one in loaders))


@needs_proc
@pytest.mark.parametrize("way", ["fork", "spawn", "exec"])
def test_children_that_would_go_on_for_ever_keep_no_lock_and_are_ended(
    folder: RunFolder, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in new_mark().items():
        monkeypatch.setenv(name, value)
    with child(WORK_WITH_CHILDREN, folder.path, way, new_session=True) as process:
        monkeypatch.delenv(MARK)
        stray = platform.ProcessIdentity.of(int(says(process)), 0)
        with child(WAIT_ELSEWHERE, new_session=True) as innocent:
            assert says(innocent) == "waits"
            try:
                assert left_behind(folder) == []  # its worker lives
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                assert observe(folder).phase == "interrupted"
                assert not platform.is_locked(folder.lock)
                assert stray.is_alive()
                assert stray.pid in [one.pid for one in left_behind(folder)]
                with hold_run_lock(folder, timeout=0.0):
                    wait_until(lambda: not stray.is_alive())
                    assert left_behind(folder) == []
                assert innocent.poll() is None
            finally:
                stray.send(signal.SIGKILL)


@pytest.mark.parametrize("way", ["fork", "spawn", "exec"])
def test_a_kill_ends_the_worker_with_its_children(folder: RunFolder, way: str) -> None:
    with child(WORK_WITH_CHILDREN, folder.path, way, new_session=True) as process:
        other = platform.ProcessIdentity.of(int(says(process)), 0)
        assert workers.kill(folder)
        ends_with_a_kill(process)
        wait_until(lambda: not other.is_alive())


# Suspended --------------------------------------------------------------------------------------------------------


def test_a_suspended_worker_is_silent_with_its_reason_and_can_be_killed(
    folder: RunFolder, worker: subprocess.Popen[str]
) -> None:
    os.kill(worker.pid, signal.SIGSTOP)
    wait_until(lambda: platform.is_suspended(worker.pid))
    claim = read_status(folder)
    assert claim is not None
    seen = observe(folder, now=claim.updated + 40, clock=claim.clock + 40)
    assert (seen.phase, seen.is_live) == ("silent", True)
    assert seen.reason == f"its worker was suspended 40 s ago; `kill -CONT {worker.pid}` lets it go on"
    assert workers.kill(folder)
    ends_with_a_kill(worker)
    assert observe(folder).phase == "interrupted"


# Other places -----------------------------------------------------------------------------------------------------


def test_a_pid_of_another_container_means_nothing_here(
    folder: RunFolder, worker: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = read_owner(folder)
    assert owner is not None
    monkeypatch.setattr(processes, "pid_namespace", lambda: "pid:[1]")
    assert not owner.is_alive()
    assert not owner.send(signal.SIGKILL)
    assert not workers.kill(folder)
    assert observe(folder).phase == "running"  # the lock is the kernel's, and that is the same
    workers.ask_to_stop(folder)
    assert [json.loads(file.read_text())["kind"] for file in folder.control.glob("*.json")] == ["stop"]
    assert worker.poll() is None


@needs_proc
def test_in_a_container_of_its_own_a_worker_is_seen_and_not_signalled(
    folder: RunFolder, worker: subprocess.Popen[str]
) -> None:
    look = "import sys\nfrom pathlib import Path\nfrom craft.launch import workers\n" \
           "from craft.runs.folder import RunFolder\nfrom craft.runs.liveness import observe\n" \
           "folder = RunFolder(Path(sys.argv[1]))\nprint(observe(folder).phase, workers.kill(folder))"  # fmt: skip
    inside = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", look, str(folder.path)]
    answer = subprocess.run(inside, capture_output=True, text=True, check=False)
    if answer.returncode:
        pytest.skip(f"no process table of its own can be had here: {answer.stderr.strip()[:80]}")
    assert answer.stdout.split() == ["running", "False"]
    assert worker.poll() is None


def test_another_machine_of_the_same_name_is_not_this_one(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine_id", lambda: "mine")
    with hold_run_lock(folder):
        StatusWriter(folder).write(phase="running", step=3)
    assert observe(folder).phase == "interrupted"
    folder.owner.write_bytes(encode_file({**read_object(folder.owner), "machine": "theirs", "boot_id": "another"}))
    name = f"another machine named {platform.hostname()}"
    assert host_elsewhere(folder, read_status(folder)) == name
    seen = observe(folder)
    assert seen.phase == "running"
    assert seen.reason.startswith(f"{name} works on it")
    monkeypatch.setattr(platform, "machine_id", lambda: "")  # a container that does not tell
    assert observe(folder).phase == "interrupted"
