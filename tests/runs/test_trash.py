"""Deleting: out of sight at once, nothing outside, on a full disk, and what a kill leaves is finished."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from craft.runs import trash
from craft.runs.folder import RunFolder
from craft.runs.store import RunStore
from tests.runs.disk import SmallDisk, mounted
from tests.runs.make import a_run

DIES_HALFWAY = """\
import itertools, os, signal, sys
from pathlib import Path
from craft.runs import trash
runs, unlink, calls = Path(sys.argv[1]), os.unlink, itertools.count()
def counted(*args, **kwargs):
    if next(calls) == 5000:
        os.kill(os.getpid(), signal.SIGKILL)
    unlink(*args, **kwargs)
os.unlink = counted
trash.delete(trash.move_to_trash(runs / "exp-001", runs))
"""
EMPTIES = """\
import sys
from pathlib import Path
from craft.runs import trash
sys.exit("; ".join(trash.empty_trash(Path(sys.argv[1]))))
"""


def test_it_is_out_of_sight_at_once_and_then_gone(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "runs")
    place = trash.move_to_trash(folder.path, tmp_path / "runs")
    assert RunStore(tmp_path / "runs").folders() == []
    assert trash.in_trash(tmp_path / "runs") == [place]
    assert (place / "run.json").is_file()
    trash.delete(place)
    assert trash.in_trash(tmp_path / "runs") == []


def test_links_lead_nowhere(tmp_path: Path) -> None:
    """Whatever a folder's links lead to stays as it is, also where the folder is one itself."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    folder = a_run(tmp_path / "runs")
    (folder.path / "link").symlink_to(outside)
    (folder.checkpoints / "step-00000007").symlink_to(outside)
    (folder.path / "file").symlink_to(outside / "precious")
    trash.delete(trash.move_to_trash(folder.path, tmp_path / "runs"))
    (tmp_path / "runs" / "linked-001").symlink_to(outside)
    trash.delete(trash.move_to_trash(tmp_path / "runs" / "linked-001", tmp_path / "runs"))
    assert trash.in_trash(tmp_path / "runs") == []
    assert (outside / "precious").read_text() == "x"


def test_only_what_it_put_there_is_deleted(tmp_path: Path) -> None:
    """A trash that leads elsewhere, or holds a person's own things, is not emptied."""
    runs, outside = tmp_path / "runs", tmp_path / "outside"
    (runs / ".craft").mkdir(parents=True)
    (outside / ("a" * 16)).mkdir(parents=True)
    trash.trash_dir(runs).symlink_to(outside)
    assert trash.empty_trash(runs) == []
    assert (outside / ("a" * 16)).is_dir()
    trash.trash_dir(runs).unlink()
    (trash.trash_dir(runs) / "my notes").mkdir(parents=True)
    (trash.trash_dir(runs) / ("b" * 16)).mkdir()
    (runs / ".trash-mine").mkdir()
    (runs / ".craft" / ".notes.tmp").touch()
    assert trash.empty_trash(runs) == []
    assert sorted(path.name for path in trash.trash_dir(runs).iterdir()) == ["my notes"]
    assert (runs / ".trash-mine").is_dir()
    assert (runs / ".craft" / ".notes.tmp").exists()


def test_what_killed_writers_left_is_cleared_away(tmp_path: Path) -> None:
    queue = tmp_path / ".craft" / "queue"
    queue.mkdir(parents=True)
    dead = queue / ".01.json.4194303-0.tmp"  # above the kernel's largest number
    alive = queue / f".02.json.{os.getpid()}-0.tmp"
    elsewhere = queue / ".03.json.4194303-0.tmp"  # in another container, say, where somebody has this number
    for path in (dead, alive, elsewhere):
        path.touch()
    for path in (dead, alive):
        os.utime(path, (0, 0))
    assert trash.empty_trash(tmp_path) == []
    assert sorted(path.name for path in queue.iterdir()) == [alive.name, elsewhere.name]


def test_a_kill_in_the_middle_is_finished_by_the_next(tmp_path: Path) -> None:
    """Ten thousand files, and no half run to be seen at any instant."""
    runs = tmp_path / "runs"
    folder = a_run(runs)
    many = folder.path / "many"
    many.mkdir()
    for number in range(10_000):
        (many / str(number)).touch()
    child = subprocess.run([sys.executable, "-c", DIES_HALFWAY, str(runs)], check=False)
    assert child.returncode == -signal.SIGKILL
    (place,) = trash.in_trash(runs)
    assert len(list((place / "many").iterdir())) > 1000, "it was killed in the middle"
    assert RunStore(runs).folders() == []
    assert trash.empty_trash(runs) == []
    assert not place.exists()


def test_two_empty_one_trash_at_once(tmp_path: Path) -> None:
    for name in range(4):
        many = trash.trash_dir(tmp_path) / f"{name:016x}" / "many"
        many.mkdir(parents=True)
        for number in range(500):
            (many / str(number)).touch()
    both = [
        subprocess.Popen([sys.executable, "-c", EMPTIES, str(tmp_path)], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [child.communicate(timeout=60)[1].strip() for child in both]
    assert said == ["", ""]
    assert trash.in_trash(tmp_path) == []


@pytest.mark.parametrize("inodes", [False, True])
def test_a_full_disk_takes_nothing_new_and_gives_all_back(tmp_path: Path, inodes: bool) -> None:
    """Without room for a folder to put it in, a run is renamed where it is."""
    options = "size=256k,nr_inodes=20" if inodes else "size=256k"
    with mounted(tmp_path / "disk", options) as disk:
        folder = a_run(disk.path)
        (folder.path / "weights").write_bytes(bytes(50_000))
        _use_up(disk, inodes)
        place = trash.move_to_trash(folder.path, disk.path)
        assert RunStore(disk.path).folders() == []
        assert trash.in_trash(disk.path) == [place]
        assert (place.parent == disk.path) == inodes
        assert trash.empty_trash(disk.path) == []
        assert trash.in_trash(disk.path) == []
        a_run(disk.path)


def _use_up(disk: SmallDisk, inodes: bool) -> None:
    if not inodes:
        disk.fill()
        return
    with pytest.raises(OSError, match="No space"):
        for number in range(100):
            (disk.path / str(number)).touch()


def test_a_disk_that_cannot_be_written_keeps_all_in_its_place(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk") as disk:
        folder = a_run(disk.path)
        subprocess.run(["mount", "-o", "remount,ro", str(disk.path)], check=True)
        with pytest.raises(OSError, match="Read-only"):
            trash.move_to_trash(folder.path, disk.path)
        assert RunStore(disk.path).folders() == [RunFolder(folder.path)]
