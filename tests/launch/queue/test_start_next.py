"""Which waiting run is started next: in order among those that wait for the same slots, and nobody else held up."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from craft import platform
from craft.errors import RunBusyError, RunError
from craft.launch import workers
from craft.launch.queue import dispatch, slots
from craft.launch.queue.entries import Entry, Queue, Wait
from craft.runs.folder import RunFolder, RunIdentity, create_run
from craft.runs.status import StatusWriter, read_status


def identity_of(pid: int) -> platform.ProcessIdentity:
    return platform.ProcessIdentity(
        platform.hostname(), platform.boot_id(), pid, platform.start_ticks(pid) or 0, pgid=pid
    )


@pytest.fixture
def sleepers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Processes that stand for workers which have been started and have not taken their runs over yet."""
    started: dict[str, subprocess.Popen[bytes]] = {}

    def start(folder: RunFolder, environment: object, standby: object) -> platform.ProcessIdentity:
        assert folder.name not in started, "started twice"
        started[folder.name] = subprocess.Popen(["sleep", "600"], start_new_session=True)
        return identity_of(started[folder.name].pid)

    monkeypatch.setattr(workers, "start_worker", start)
    yield started
    for process in started.values():
        process.kill()
        process.wait()


def run(runs_dir: Path, experiment: str) -> RunFolder:
    identity = RunIdentity(experiment, created=1.0)
    folder = create_run(runs_dir, experiment=experiment, definition_toml="craft = 1\n", identity=identity)
    StatusWriter(folder).write(phase="queued")
    return folder


def queue_of(runs_dir: Path, *waiting: tuple[str, str, int]) -> Queue:
    """Runs that wait, given as experiment, device and how many at once."""
    queue = Queue(runs_dir)
    queue.add(Entry(run(runs_dir, name).name, device, number, 1.0) for name, device, number in waiting)
    return queue


def start_all(queue: Queue) -> list[str]:
    """Who is started when it is looked for as long as somebody is."""
    started = []
    with queue.lock():
        while found := dispatch.start_next(queue):
            started.append(found.folder.name)
    return started


def test_no_run_passes_one_that_waits_for_the_same(
    tmp_path: Path, sleepers: dict[str, subprocess.Popen[bytes]]
) -> None:
    queue = queue_of(tmp_path, ("a", "cpu", 3), ("b", "cpu", 1), ("c", "cpu", 3), ("d", "mps", 1))
    assert start_all(queue) == ["a-001", "d-001"], "c would fit beside a, but b was there before"
    sleepers["a-001"].kill()
    sleepers["a-001"].wait()
    Queue(tmp_path).drop(["a-001"])
    assert start_all(queue) == ["b-001"]
    assert start_all(queue) == []


def test_a_run_that_waits_for_another_holds_up_nobody(
    tmp_path: Path, sleepers: dict[str, subprocess.Popen[bytes]]
) -> None:
    queue = queue_of(tmp_path, ("a", "cpu", 2), ("b", "cpu", 2))
    with queue.lock():
        queue.change(Entry("a-001", "cpu", 2, 1.0, (Wait("b-001"),)))
    assert start_all(queue) == ["b-001"]


def test_an_entry_of_a_run_that_began_holds_up_nobody_and_is_cleared_away(
    tmp_path: Path, sleepers: dict[str, subprocess.Popen[bytes]]
) -> None:
    queue = queue_of(tmp_path, ("other", "cpu", 3), ("old", "cpu", 1), ("new", "cpu", 3))
    StatusWriter(RunFolder(tmp_path / "old-001")).write(phase="finished")
    assert start_all(queue) == ["other-001", "new-001"], "old wanted to be alone, but is over"
    assert [entry.run for entry in queue.entries()] == ["other-001", "new-001"]


def test_while_paused_nothing_is_started(tmp_path: Path, sleepers: dict[str, subprocess.Popen[bytes]]) -> None:
    queue = queue_of(tmp_path, ("a", "cpu", 1))
    queue.pause()
    assert start_all(queue) == []
    assert not dispatch.has_work(queue)
    queue.go()
    assert dispatch.has_work(queue)
    assert not dispatch.has_work(queue, besides="a-001")
    assert start_all(queue) == ["a-001"]


def test_a_worker_without_a_note_on_its_slot_is_not_left_running(
    tmp_path: Path, sleepers: dict[str, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, folder: Path, process: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    queue = queue_of(tmp_path, ("a", "cpu", 1))
    monkeypatch.setattr(slots.Slot, "give", full)
    with queue.lock(), pytest.raises(OSError, match="No space left"):
        dispatch.start_next(queue)
    assert sleepers["a-001"].wait(timeout=60) == -9
    assert [entry.run for entry in queue.entries()] == ["a-001"], "it waits on"


def test_a_process_that_keeps_the_slots_is_not_waited_for_without_end(
    tmp_path: Path, sleepers: dict[str, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "_HANDING_OUT_PATIENCE", 0.1)
    monkeypatch.setattr(dispatch, "ensure_runner", lambda runs_dir: None)
    folders = [run(tmp_path, name) for name in ("a", "b")]
    with slots.handing_out():
        assert dispatch.submit(tmp_path, [(folder, "cpu") for folder in folders]) is None
        with Queue(tmp_path).lock(), pytest.raises(TimeoutError, match="nothing can be started"):
            dispatch.start_next(Queue(tmp_path))
    assert sleepers == {}
    assert start_all(Queue(tmp_path)) == ["a-001"], "they wait, and one begins when it is let go"


def test_the_slots_are_not_kept_while_it_is_looked_what_a_logout_ends(
    tmp_path: Path, sleepers: dict[str, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []
    at_logout = platform.at_logout

    def look() -> object:
        held.append(platform.is_locked(slots.handing_out().path))
        return at_logout()

    monkeypatch.setattr(platform, "at_logout", look)
    assert start_all(queue_of(tmp_path, ("a", "cpu", 1))) == ["a-001"]
    assert held
    assert not any(held)


def test_all_are_queued_or_none(
    tmp_path: Path, sleepers: dict[str, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [run(tmp_path, name) for name in ("a", "b", "c")]
    StatusWriter(folders[2]).write(phase="failed")
    write = platform.write_file_durable

    def full(path: Path, content: bytes) -> None:
        if path == folders[2].status:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, content)

    monkeypatch.setattr(platform, "write_file_durable", full)
    with pytest.raises(RunError, match=r"status\.json: nothing was queued: No space left"):
        dispatch.submit(tmp_path, [(folder, "cpu") for folder in folders])
    assert Queue(tmp_path).is_empty()
    assert sleepers == {}
    status = read_status(folders[2])
    assert status is not None
    assert status.phase == "failed", "as it was"


def test_a_run_that_is_held_is_not_queued_and_lost(
    tmp_path: Path, sleepers: dict[str, subprocess.Popen[bytes]]
) -> None:
    folders = [run(tmp_path, name) for name in ("a", "b")]
    StatusWriter(folders[1]).write(phase="stopped", message="forked, and not started yet")
    held = platform.FileLock(folders[1].lock)  # as tidying up does, without the queue's
    assert held.acquire()
    with pytest.raises(RunBusyError, match="b-001 is held by another process"):
        dispatch.submit(tmp_path, [(folder, "cpu") for folder in folders])
    assert Queue(tmp_path).is_empty()
    assert sleepers == {}
    status = read_status(folders[1])
    assert status is not None
    assert status.phase == "stopped", "as it was"
    held.release()
    assert dispatch.submit(tmp_path, [(folder, "cpu") for folder in folders]) is not None
    assert [entry.run for entry in Queue(tmp_path).entries()] == ["a-001", "b-001"]
