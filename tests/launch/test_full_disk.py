"""Runs that wait while the disk is full: none loses its place, and they begin when there is room."""

from __future__ import annotations

from pathlib import Path

import pytest

from craft import platform
from craft.launch.queue.dispatch import Started, runner_lock, settle, start_next
from craft.launch.queue.entries import Queue
from craft.runs.status import read_status
from tests.launch.project import Project, wait_for
from tests.runs.disk import FULL, mounted

NAMES = ["tiny-001", "tiny-002", "tiny-003"]


def test_waiting_runs_keep_their_places_on_a_full_disk(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk") as disk:
        project = Project(disk.path / "project", fake=True)
        runner = runner_lock(project.runs_dir)
        try:
            assert runner.acquire()  # so that nobody begins to train them
            assert project.craft("queue", "pause").returncode == 0
            for _ in NAMES:
                done = project.craft("run", "experiments.toml", "tiny", "training.max_steps=1", "--detach")
                assert done.returncode == 0, done.stderr
            queue = Queue(project.runs_dir)
            assert project.craft("queue", "go").returncode == 0
            disk.fill()
            with pytest.raises(OSError) as caught:
                start_next(queue)
            assert caught.value.errno in FULL
            # A worker that was started nevertheless, and found no room.
            gone = platform.ProcessIdentity(platform.hostname(), platform.boot_id(), 4194304, 1, 4194304)
            assert settle(Started(project.run(NAMES[0]), gone))
            assert [entry.run for entry in queue.entries()] == NAMES
            assert [getattr(read_status(project.run(name)), "phase", None) for name in NAMES] == ["queued"] * 3
            disk.free()
            runner.release()
            project.craft("runs")  # starts a runner
            wait_for(lambda: all(project.phase(name) == "finished" for name in NAMES))
        finally:
            runner.release()
            disk.free()
            project.end()
