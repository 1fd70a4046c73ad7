"""A run that waits for others begins when they ended as it was said, and says what can be done where they did not."""

from __future__ import annotations

from pathlib import Path

import pytest

from craft import platform
from craft.errors import UsageError
from craft.launch.queue.entries import Entry, Wait
from craft.launch.queue.waits import Holds, waits_for
from craft.runs.folder import RunFolder, RunIdentity, create_run, read_identity
from craft.runs.status import StatusWriter


def make(runs_dir: Path, experiment: str, phase: str | None = None) -> RunFolder:
    folder = create_run(
        runs_dir, experiment=experiment, definition_toml="craft = 1\n", identity=RunIdentity(experiment, created=1.0)
    )
    if phase is not None:
        StatusWriter(folder).write(phase=phase)
    return folder


def entry(run: str, *after: str, whatever: bool = False) -> Entry:
    return Entry(run, "cpu", 1, 1.0, tuple(Wait(other, "", whatever) for other in after))


def hold(runs_dir: Path, one: Entry, *others: Entry) -> tuple[str, bool] | None:
    found = Holds(runs_dir, [one, *others]).of(one)
    return None if found is None else (found.reason, found.ends)


@pytest.mark.parametrize(
    ("phase", "said", "ends", "whatever_begins"),
    [
        ("finished", None, None, True),
        ("failed", "which failed: 'craft queue retry b-001'", False, True),
        ("stopped", "which was stopped: 'craft queue retry b-001'", False, True),
        ("running", "which was interrupted: 'craft queue retry b-001'", False, True),  # its lock is free
        ("queued", "which was interrupted", False, True),  # it lost its place in the queue
        (None, "which is in no queue", False, False),  # it is only being made
    ],
)
def test_each_end_of_the_other_is_told_apart(
    phase: str | None, said: str | None, ends: bool | None, whatever_begins: bool, tmp_path: Path
) -> None:
    make(tmp_path, "b", phase)
    found = hold(tmp_path, entry("a-001", "b-001"))
    if said is None:
        assert found is None
    else:
        assert found is not None
        assert said in found[0]
        assert "'craft queue after a-001 none' starts this one anyway" in found[0]
        assert found[1] is ends
    assert (hold(tmp_path, entry("a-001", "b-001", whatever=True)) is None) is whatever_begins


def test_one_that_trains_or_leaves_is_waited_for(tmp_path: Path) -> None:
    folder = make(tmp_path, "b", "running")
    lock = platform.FileLock(folder.lock)
    with lock:
        StatusWriter(folder).write(phase="running")
        assert hold(tmp_path, entry("a-001", "b-001")) == ("waits for b-001, which is running", True)
        for phase in ("finished", "failed"):
            StatusWriter(folder).write(phase=phase)
            for whatever in (False, True):
                found = hold(tmp_path, entry("a-001", "b-001", whatever=whatever))
                assert found == ("waits for b-001, which is ending", True)


def test_one_that_waits_itself_ends_as_far_as_that_ends(tmp_path: Path) -> None:
    make(tmp_path, "b", "queued")
    make(tmp_path, "c", "failed")
    waits = entry("a-001", "b-001")
    assert hold(tmp_path, waits, entry("b-001")) == ("waits for b-001, which is queued", True)
    assert hold(tmp_path, waits, entry("b-001", "c-001")) == ("waits for b-001, which is queued", False)


def test_what_a_person_must_know_comes_first(tmp_path: Path) -> None:
    make(tmp_path, "b", "queued")
    make(tmp_path, "c", "failed")
    found = hold(tmp_path, entry("a-001", "b-001", "c-001"), entry("b-001"))
    assert found is not None
    assert "c-001, which failed" in found[0]


def test_one_that_was_removed_is_gone_also_when_its_name_is_taken_again(tmp_path: Path) -> None:
    old = read_identity(make(tmp_path, "b", "finished")).id
    assert hold(tmp_path, Entry("a-001", "cpu", 1, 1.0, (Wait("b-001", old),))) is None
    for gone in (Wait("b-001", "another"), Wait("x-001", "any")):
        found = hold(tmp_path, Entry("a-001", "cpu", 1, 1.0, (gone,)))
        assert found is not None
        assert f"{gone.run}, which is gone: 'craft queue after a-001 none'" in found[0]
        assert not found[1]


def test_a_circle_in_the_files_ends_nothing_and_does_not_hang(tmp_path: Path) -> None:
    make(tmp_path, "a", "queued")
    make(tmp_path, "b", "queued")
    found = hold(tmp_path, entry("a-001", "b-001"), entry("b-001", "a-001"))
    assert found is not None
    assert not found[1]


def test_circles_are_refused(tmp_path: Path) -> None:
    a, b, c = (make(tmp_path, name, "queued") for name in "abc")
    entries = [entry("a-001"), entry("b-001", "a-001"), entry("c-001", "b-001")]
    with pytest.raises(UsageError, match="a-001 cannot wait for itself"):
        waits_for(tmp_path, "a-001", [a], entries, whatever=False)
    with pytest.raises(UsageError, match="a-001 cannot wait for c-001, which waits for b-001, which waits for a-001"):
        waits_for(tmp_path, "a-001", [c], entries, whatever=False)
    (found,) = waits_for(tmp_path, "c-001", [a, a], entries, whatever=True)
    assert found == Wait("a-001", read_identity(a).id, True)
    (tmp_path / "other").mkdir()
    with pytest.raises(UsageError, match="only for one of the same folder"):
        waits_for(tmp_path / "other", "x-001", [b], [], whatever=False)
