"""A disk that fills up is said before a checkpoint fails, once, and again after there was room."""

from __future__ import annotations

import os
from pathlib import Path

from craft.training.room import RoomWatch
from tests.runs.disk import mounted


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
