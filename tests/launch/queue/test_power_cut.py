"""A power cut at any instant while runs are queued: a run of which it was said that it waits does so afterwards."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from craft import platform
from craft.launch import workers
from craft.launch.queue import dispatch
from craft.launch.queue.entries import Queue
from craft.runs.folder import RunFolder, RunIdentity, create_run
from craft.runs.lock import hold_run_lock
from craft.runs.status import StatusWriter
from tests.runs.crash import Watch, crashes, lay_out, watch

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="files are forced by another call there")

NAMES = ("fresh-001", "forked-001", "failed-001")


@dataclass(frozen=True)
class Known:
    """Who was told that their runs wait."""

    queued: bool = False


def make(runs_dir: Path) -> list[RunFolder]:
    """A run that was just made, one that was forked, and one that failed, each as it lies on disk."""
    folders = []
    for experiment in ("fresh", "forked", "failed"):
        identity = RunIdentity(experiment, created=1.0)
        folders.append(create_run(runs_dir, experiment=experiment, definition_toml="craft = 1\n", identity=identity))
    StatusWriter(folders[1]).write(phase="stopped", message="forked, and not started yet", durable=True)
    hold_run_lock(folders[2]).release()
    platform.fsync_file(folders[2].owner)
    StatusWriter(folders[2]).write(phase="failed", error="it was so", durable=True)
    return folders


def no_worker(*_: object) -> platform.ProcessIdentity:
    """A start on a disk that does not take the worker: the run waits on."""
    raise OSError(28, "No space left on device")


def record(root: Path) -> Watch:
    """Runs are queued, and an attempt is made to start one."""
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "start_worker", no_worker)
        patch.setattr(dispatch, "ensure_runner", lambda runs_dir: None)
        folders = make(root / "runs")
        watched = watch(root, patch)
        watched.note = Known()
        assert dispatch.submit(root / "runs", [(folder, "cpu") for folder in folders]) is None
        watched.note = Known(queued=True)
        watched.take()
        for name in NAMES:
            with dispatch.hold_queue(Queue(root / "runs")) as held, pytest.raises(OSError, match="No space"):
                assert held.held
                dispatch.start_next(Queue(root / "runs"), only=name)
        watched.take()
    return watched


def check(runs_dir: Path) -> None:
    waiting = [entry.run for entry in Queue(runs_dir).entries()]
    assert waiting == list(NAMES)
    for name in NAMES:
        assert not dispatch.was_taken_over(RunFolder(runs_dir / name)), f"the entry of {name} would be dropped"


def replay(watched: Watch, place: Path) -> int:
    """Look at what each crash left; returns how many there were after the runs had been queued."""
    chance, looked = random.Random(0), 0
    place.mkdir()
    for number, picture in enumerate(watched.pictures):
        if picture.note != Known(queued=True):
            continue
        for way, tree in crashes(picture, watched.root, chance):
            root = place / f"{number}-{way}-{looked}"
            lay_out(tree, root)
            try:
                check(root / "runs")
            except AssertionError as error:
                raise AssertionError(f"{way}: {error}") from error
            looked += 1
    return looked


def test_who_was_told_that_a_run_waits_finds_it_waiting(tmp_path: Path) -> None:
    watched = record(tmp_path / "watched")
    assert replay(watched, tmp_path / "after") > 10


def test_a_claim_that_is_not_forced_would_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = StatusWriter.write

    def write(self: StatusWriter, *, durable: bool = False, **changes: Any) -> None:
        real(self, durable=durable and changes.get("phase") != "queued", **changes)

    monkeypatch.setattr(StatusWriter, "write", write)
    with pytest.raises(AssertionError, match="would be dropped"):
        replay(record(tmp_path / "watched"), tmp_path / "after")
