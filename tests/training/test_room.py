"""A disk that fills up is said before a checkpoint fails, once, and again after there was room."""

from __future__ import annotations

import os
from pathlib import Path

from craft.runs.checkpoints import commit_checkpoint
from craft.runs.events import read_events
from craft.training.recorder import Recorder
from craft.training.room import RoomWatch
from tests.runs.disk import mounted
from tests.runs.make import a_run


def test_it_is_said_once_while_there_is_time(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=1m") as disk:
        saved = disk.path / "step-00000001"
        saved.mkdir()
        (saved / "model.safetensors").write_bytes(os.urandom(200_000))
        watch, other = RoomWatch(), disk.path / "other"
        assert watch.after(saved) == ""
        other.write_bytes(bytes(500_000))
        words = watch.after(saved)
        assert words.startswith("the disk is nearly full: ")
        assert "a checkpoint takes 201 kB; 'craft prune' makes room" in words
        assert watch.after(saved) == "", "it was said"
        other.unlink()
        assert watch.after(saved) == ""
        disk.fill()
        assert "0 B are free" in watch.after(saved)
        assert watch.after(disk.path / "gone") == "", "pruned meanwhile"


def test_a_run_says_it(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=1m") as disk:
        folder = a_run(disk.path / "runs")
        recorder = Recorder(folder)
        checkpoint = commit_checkpoint(folder, 7, lambda place: (place / "w").write_bytes(bytes(400_000)) and None)
        recorder.saved(7, checkpoint)
        recorder.finish("stopped")
        warnings = [event["text"] for event in read_events(folder) if event["kind"] == "warning"]
        assert len(warnings) == 1
        assert warnings[0].startswith("the disk is nearly full: ")
