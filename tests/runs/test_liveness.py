"""What a run is doing, from its lock and its claim: no clock, no stale file and no other host misleads."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from craft import platform
from craft.errors import RunBusyError, RunError
from craft.runs import liveness
from craft.runs.folder import RunFolder
from craft.runs.json_files import encode_file
from craft.runs.liveness import Observed, host_elsewhere, observe
from craft.runs.lock import hold_run_lock, read_owner
from craft.runs.status import WORKING, StatusWriter, load_status, read_status
from tests.children import child, says
from tests.runs.make import a_run

WORK = """
import sys
from pathlib import Path
from craft.runs.folder import RunFolder
from craft.runs.lock import hold_run_lock
from craft.runs.status import StatusWriter
folder = RunFolder(Path(sys.argv[1]))
with hold_run_lock(folder):
    StatusWriter(folder).write(phase="running", step=120, progressed=True)
    print("at it", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return a_run(tmp_path / "runs")


@pytest.fixture
def held(folder: RunFolder) -> Iterator[platform.FileLock]:
    with hold_run_lock(folder) as lock:
        yield lock


def backdate_owner(folder: RunFolder) -> None:
    """As if the lock had been taken a while before the claim was written."""
    os.utime(folder.owner, (1000, 1000))


# Who has it -------------------------------------------------------------------------------------------------------


def test_the_second_taker_hears_within_two_seconds_who_has_it(folder: RunFolder) -> None:
    with child(WORK, folder.path) as worker:
        assert says(worker) == "at it"
        begun = time.monotonic()
        with pytest.raises(RunBusyError) as caught:
            hold_run_lock(folder)
        assert 2.0 <= time.monotonic() - begun < 3.5
        assert f"exp-001: process {worker.pid} on {platform.hostname()} trains this run" in str(caught.value)
        owner = read_owner(folder)
        assert owner is not None
        assert owner.is_alive()
        assert owner.pid == worker.pid
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        assert not owner.is_alive()
    with hold_run_lock(folder, timeout=0.0):
        assert read_owner(folder) == platform.ProcessIdentity.current()


def test_a_holder_who_has_not_said_who_it_is_is_not_given_another_ones_name(folder: RunFolder) -> None:
    gone = platform.ProcessIdentity(platform.hostname(), platform.boot_id(), os.getpid(), 1, 1)
    folder.owner.write_bytes(encode_file(gone.as_json()))
    with platform.FileLock(folder.lock), pytest.raises(RunBusyError, match="another process trains this run"):
        hold_run_lock(folder, timeout=0.0)


def test_a_folder_that_cannot_be_taken_over_is_said_in_words(folder: RunFolder) -> None:
    folder.lock.mkdir()
    with pytest.raises(RunError, match="the run cannot be taken over: Is a directory"):
        hold_run_lock(folder)


def test_taking_a_run_over_removes_what_a_killed_worker_left_half_written(folder: RunFolder) -> None:
    for path in (folder.path / ".status.json.4194399-7.tmp", folder.control / ".1.json.4194399-8.tmp"):
        path.write_text("{")
        os.utime(path, (0, 0))
    with hold_run_lock(folder):
        assert not list(folder.path.glob("**/.*.tmp"))


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"pid": "x"}', b"\0" * 40])
def test_a_damaged_owner_is_none(folder: RunFolder, content: bytes) -> None:
    folder.owner.write_bytes(content)
    assert read_owner(folder) is None


# Phases -----------------------------------------------------------------------------------------------------------


def test_a_new_run_is_queued(folder: RunFolder) -> None:
    seen = observe(folder)
    assert (seen.phase, seen.reason, seen.is_live, seen.held) == ("queued", "not started yet", False, False)
    StatusWriter(folder).write(phase="queued", message="the GPU is taken")
    assert observe(folder).reason == "the GPU is taken"


def test_a_worker_is_seen_from_its_start_to_its_death(folder: RunFolder) -> None:
    with child(WORK, folder.path) as worker:
        assert says(worker) == "at it"
        seen = observe(folder)
        assert (seen.phase, seen.status.step, seen.is_live, seen.held) == ("running", 120, True, True)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        seen = observe(folder)
        assert (seen.phase, seen.is_live, seen.held) == ("interrupted", False, False)
        assert "while running, at step 120" in seen.reason


@pytest.mark.parametrize("phase", WORKING)
def test_a_claim_is_believed_while_the_lock_is_held(folder: RunFolder, held: platform.FileLock, phase: str) -> None:
    StatusWriter(folder).write(phase=phase, message="so it is")
    assert (observe(folder).phase, observe(folder).reason) == (phase, "so it is")
    held.release()
    assert observe(folder).phase == "interrupted"


@pytest.mark.parametrize("phase", ["finished", "stopped", "failed"])
def test_an_outcome_is_one_also_while_its_worker_leaves(folder: RunFolder, held: platform.FileLock, phase: str) -> None:
    StatusWriter(folder).write(phase=phase, error="out of memory" if phase == "failed" else None)
    backdate_owner(folder)
    assert observe(folder).phase == phase
    held.release()
    assert observe(folder).phase == phase
    assert observe(folder).reason == ("out of memory" if phase == "failed" else phase)


@pytest.mark.parametrize("phase", ["queued", "finished", "running"])
def test_a_claim_from_before_the_lock_was_taken_means_starting(folder: RunFolder, phase: str) -> None:
    StatusWriter(folder).write(phase=phase)
    os.utime(folder.status, (1000, 1000))
    with hold_run_lock(folder):
        assert observe(folder).phase == "starting"


def test_a_run_whose_worker_has_claimed_nothing_yet_is_starting(folder: RunFolder, held: platform.FileLock) -> None:
    assert observe(folder).phase == "starting"


def test_a_worker_that_starts_between_two_looks_is_not_interrupted(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, looks = platform.is_locked, []

    def look(path: Path) -> bool:
        looks.append(real(path))
        if len(looks) == 1:  # just after this look a worker comes, and is at it when the claim is read
            lock = hold_run_lock(folder)
            looks.append(lock)  # kept alive
            StatusWriter(folder).write(phase="running")
            return False
        return real(path)

    monkeypatch.setattr(platform, "is_locked", look)
    assert observe(folder).phase == "running"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "status.json is damaged: empty"),
        (b'{"phase": "runn', "status.json is damaged: not JSON"),
        (b'{"step": 3}', "status.json is damaged: it names no phase"),
        (b'{"phase": 3}', "status.json is damaged: it names no phase"),
        (b'{"phase": "dancing"}', "status.json is damaged: 'dancing' is no phase"),
        (b'{"phase": "running", "step": "x"}', "status.json is damaged: step is 'x', not a whole number"),
        (b'{"phase": "running", "best": 1e999}', "status.json is damaged: best is no sensible number"),
    ],
)
def test_a_damaged_claim_is_named_and_the_lock_still_counts(folder: RunFolder, content: bytes, fault: str) -> None:
    folder.status.write_bytes(content)
    seen = observe(folder)
    assert seen.phase == "interrupted"
    assert seen.fault is not None
    assert seen.fault.startswith(fault)
    with hold_run_lock(folder):
        backdate_owner(folder)
        assert observe(folder).phase in ("running", "silent")
    assert load_status(folder)[1] == seen.fault
    writer = StatusWriter(folder)
    writer.write(phase="running")
    assert observe(folder).fault is None


# Clocks -----------------------------------------------------------------------------------------------------------


def test_a_worker_that_says_nothing_for_thirty_seconds_is_silent(folder: RunFolder, held: platform.FileLock) -> None:
    writer = StatusWriter(folder)
    writer.write(phase="running", progressed=True)
    now, clock = writer.status.updated, writer.status.clock
    assert observe(folder, now=now + 29, clock=clock + 29).phase == "running"
    seen = observe(folder, now=now + 31, clock=clock + 31)
    assert (seen.phase, seen.is_live) == ("silent", True)
    assert seen.reason == "its worker lives but has said nothing for 31 s"
    writer.write()
    assert observe(folder, now=writer.status.updated + 1, clock=writer.status.clock + 1).phase == "running"


def test_a_full_disk_is_named_where_the_claim_cannot_be_written(
    folder: RunFolder, held: platform.FileLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = StatusWriter(folder)
    writer.write(phase="running", progressed=True)
    written, clock = folder.status.stat().st_mtime, writer.status.clock
    folder.log.write_text("step 40")

    def seen_after(seconds: float, logged: float) -> Observed:
        os.utime(folder.log, (written + logged, written + logged))
        return observe(folder, now=writer.status.updated + seconds, clock=clock + seconds)

    assert seen_after(10, 9).reason.startswith("its log goes on, but its status.json is 10 s old")
    assert seen_after(100, 99).phase == "running", "its log shows that it goes on"
    assert seen_after(100, 9).phase == "silent", "which its log did as well, long ago"
    assert seen_after(4, 3.9).reason == "its worker says so"
    monkeypatch.setattr("craft.runs.liveness.free_space", lambda path: 0)
    assert "the disk is full: what is shown is 10 s old" in seen_after(10, 0).reason
    assert (silent := seen_after(40, 0)).phase == "silent" and "the disk is full" in silent.reason


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0, -1e9])
def test_a_clock_that_is_set_changes_nothing(folder: RunFolder, held: platform.FileLock, jump: float) -> None:
    writer = StatusWriter(folder)
    writer.write(phase="running", progressed=True)
    now, clock = writer.status.updated + jump, writer.status.clock
    assert observe(folder, now=now + 1, clock=clock + 1).phase == "running"
    assert observe(folder, now=now + 31, clock=clock + 31).phase == "silent"


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
def test_a_clock_that_is_set_between_two_writes_changes_nothing(
    folder: RunFolder, held: platform.FileLock, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    writer = StatusWriter(folder)
    writer.write(phase="running", progressed=True)
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + jump)
    writer.write()
    os.utime(folder.status, (now + jump, now + jump))
    seen = observe(folder)
    assert (seen.phase, seen.reason) == ("running", "its worker says so")


def test_a_claim_from_the_future_is_not_silent_and_an_old_one_without_a_clock_is(
    folder: RunFolder, held: platform.FileLock
) -> None:
    folder.status.write_bytes(encode_file({"phase": "running", "updated": 5000.0, "progressed": 4000.0}))
    assert observe(folder, now=4990.0).phase == "running"
    assert observe(folder, now=5031.0).phase == "silent"


def test_a_run_that_does_not_come_forward_says_so(folder: RunFolder, held: platform.FileLock) -> None:
    folder.status.write_bytes(encode_file({"phase": "running", "updated": 5000.0, "progressed": 4800.0}))
    seen = observe(folder, now=5001.0)
    assert (seen.phase, seen.reason) == ("running", "no progress for 3 min")


# Other hosts ------------------------------------------------------------------------------------------------------


def test_another_hosts_run_is_shown_by_its_claim(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(platform, "hostname", lambda: "cluster-7")
        writer = StatusWriter(folder)
        writer.write(phase="running", step=3)
    status = read_status(folder)
    assert host_elsewhere(folder, status) == "cluster-7"
    seen = observe(folder, now=writer.status.updated + 600)
    assert (seen.phase, seen.reason) == ("running", "cluster-7 works on it, and said so 10 min ago")
    other = platform.ProcessIdentity("cluster-7", platform.boot_id(), os.getpid(), 1, 1)
    assert not other.send(signal.SIGKILL)
    with monkeypatch.context() as patch:
        patch.setattr(platform, "hostname", lambda: "cluster-7")
        writer.write(phase="finished")
    assert observe(folder).phase == "finished"
    assert host_elsewhere(folder, read_status(folder)) is None


def test_another_hosts_claim_is_not_measured_by_this_machines_clock(
    folder: RunFolder, held: platform.FileLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.owner.unlink()
    content = {"phase": "running", "host": "cluster-7", "updated": 5000.0, "clock": 10.0}
    folder.status.write_bytes(encode_file(content))
    assert observe(folder, now=5003.0, clock=1e6).phase == "running"
    assert observe(folder, now=5050.0, clock=1e6).phase == "silent"


def test_a_machine_that_was_renamed_knows_its_runs(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    with hold_run_lock(folder):
        StatusWriter(folder).write(phase="running")
    monkeypatch.setattr(platform, "hostname", lambda: "new-name")
    assert observe(folder).phase == "interrupted"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (119, "119 s"), (121, "2 min"), (7100, "118 min"), (9000, "2 h")]
)
def test_ages_in_words(seconds: float, words: str) -> None:
    assert liveness._words(seconds) == words
