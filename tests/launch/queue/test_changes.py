"""Changes of a queue by a person: each does what it says, and what makes no sense is refused with what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from craft.errors import RunError, UnknownRunError, UsageError
from craft.launch.groups.several import all_broken_runs, stop_all
from craft.launch.queue import changes as queue_changes
from craft.launch.queue import dispatch
from craft.launch.queue.entries import Entry, Queue
from craft.runs.folder import RunFolder, RunIdentity, create_run
from craft.runs.liveness import observe
from craft.runs.status import StatusWriter


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    """Four runs that wait in a paused queue, so that nobody starts one: a-001, a-002, b-001, c-001."""
    queue = Queue(tmp_path)
    for experiment in ("a", "a", "b", "c"):
        folder = make(tmp_path, experiment, "queued")
        queue.add([Entry(folder.name, "mps" if experiment == "c" else "cpu", 1, 1.0)])
    queue.pause()
    return tmp_path


def make(runs_dir: Path, experiment: str, phase: str) -> RunFolder:
    identity = RunIdentity(experiment, created=1.0)
    folder = create_run(runs_dir, experiment=experiment, definition_toml="craft = 1\n", identity=identity)
    StatusWriter(folder).write(phase=phase)
    return folder


def order(runs_dir: Path) -> str:
    return " ".join(one.entry.run for one in dispatch.waiting_runs(runs_dir))


@pytest.mark.parametrize(
    ("name", "where", "other", "expected"),
    [
        ("c-001", "first", None, "c-001 a-001 a-002 b-001"),
        ("a-001", "last", None, "a-002 b-001 c-001 a-001"),
        ("c-001", "before", "a-002", "a-001 c-001 a-002 b-001"),
        ("a-001", "after", "b", "a-002 b-001 a-001 c-001"),
        ("a-001", "1", None, "a-001 a-002 b-001 c-001"),
        ("a-001", "3", None, "a-002 b-001 a-001 c-001"),
        ("a-001", "4", None, "a-002 b-001 c-001 a-001"),
        ("a", "first", None, "a-002 a-001 b-001 c-001"),
    ],
)
def test_a_run_is_moved(name: str, where: str, other: str | None, expected: str, runs_dir: Path) -> None:
    run, position, count = queue_changes.move(runs_dir, name, where, other)
    assert order(runs_dir) == expected
    assert (expected.split()[position - 1], count) == (run, 4)


def test_places_are_counted_among_those_that_wait(runs_dir: Path) -> None:
    make(runs_dir, "old", "finished")  # it began and ended, and its entry was not cleared away yet
    with Queue(runs_dir).lock():
        Queue(runs_dir).add([Entry("old-001", "cpu", 1, 1.0)])
        Queue(runs_dir).move("old-001", 1)
    assert order(runs_dir) == "a-001 a-002 b-001 c-001"
    queue_changes.move(runs_dir, "c-001", "2", None)
    assert order(runs_dir) == "a-001 c-001 a-002 b-001"
    queue_changes.move(runs_dir, "b-001", "first", None)
    assert order(runs_dir) == "b-001 a-001 c-001 a-002"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a-001", "0", None), "0 is no place: 4 runs wait"),
        (("a-001", "5", None), "5 is no place: 4 runs wait"),
        (("a-001", "9" * 5000, None), "999999999 is no place: 4 runs wait"),
        (("a-001", "up", None), "'up' is no place: first, last, before RUN, after RUN, or a number from 1"),
        (("a-001", "before", None), "'before' needs the name of another waiting run"),
        (("a-001", "after", "a-001"), "a-001 cannot be put after itself"),
        (("a-001", "first", "b-001"), "'first' takes no other run"),
    ],
)
def test_a_place_that_there_is_not_is_refused(
    arguments: tuple[str, str, str | None], said: str, runs_dir: Path
) -> None:
    with pytest.raises(UsageError) as refused:
        queue_changes.move(runs_dir, *arguments)
    assert said in str(refused.value)
    assert order(runs_dir) == "a-001 a-002 b-001 c-001"


def test_one_that_does_not_wait_is_named_with_those_that_do(runs_dir: Path) -> None:
    make(runs_dir, "ended", "finished")
    with pytest.raises(RunError, match=r"ended-001 does not wait .*; there wait a-001, a-002, b-001, c-001"):
        queue_changes.move(runs_dir, "ended", "first", None)
    with pytest.raises(UnknownRunError, match="no run 'a-003'"):
        queue_changes.move(runs_dir, "a-003", "first", None)


def test_slots_are_changed_for_those_that_wait_for_the_cpu(runs_dir: Path) -> None:
    assert queue_changes.set_slots(runs_dir, 3) == 3
    assert [entry.cpu_slots for entry in Queue(runs_dir).entries()] == [3, 3, 3, 1]


def test_a_run_is_made_to_wait_and_let_go_again(runs_dir: Path) -> None:
    ended = make(runs_dir, "ended", "failed")
    assert queue_changes.wait_for(runs_dir, "b", [ended], whatever=True) == "b-001"
    assert [wait.run for wait in Queue(runs_dir).entries()[2].after] == ["ended-001"]
    with pytest.raises(UsageError, match="cannot wait for itself"):
        queue_changes.wait_for(runs_dir, "b", [RunFolder(runs_dir / "b-001")])
    queue_changes.wait_for(runs_dir, "b", [])
    assert Queue(runs_dir).entries()[2].after == ()


def test_those_that_wait_are_stopped_at_once_and_say_how(runs_dir: Path) -> None:
    folders = [RunFolder(runs_dir / name) for name in ("a-001", "c-001")] + [make(runs_dir, "ended", "finished")]
    found = {one.folder.name: (one.what, one.reason) for one in stop_all(folders)}
    assert found["a-001"] == found["c-001"] == ("withdrawn", "")
    assert found["ended-001"] == ("refused", "ended-001 is finished: nothing to stop")
    assert order(runs_dir) == "a-002 b-001"
    assert observe(folders[0]).phase == "stopped"


def test_a_run_that_lost_its_place_is_among_those_to_be_retried(runs_dir: Path) -> None:
    make(runs_dir, "failed", "failed")
    make(runs_dir, "dead", "running")
    make(runs_dir, "ended", "finished")
    make(runs_dir, "robbed", "failed").run_json.unlink()
    with Queue(runs_dir).lock():
        Queue(runs_dir).drop(["b-001"])
    assert {folder.name for folder in all_broken_runs(runs_dir)} == {"failed-001", "dead-001", "b-001"}


def test_without_a_folder_there_is_nothing_to_pause(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such folder"):
        queue_changes.pause(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()
    assert not queue_changes.go(tmp_path / "absent")
    assert queue_changes.pause(tmp_path)
    assert not queue_changes.pause(tmp_path)
    assert queue_changes.go(tmp_path)
