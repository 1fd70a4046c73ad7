"""What folders take: as `du` counts, which is the kernel's own account."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from craft.runs.disk import disk_use, free_space, room_for, together
from tests.runs.disk import mounted


def du(*paths: Path) -> int:
    """The blocks of all, each file once."""
    done = subprocess.run(["du", "-s", "-c", "-k", *map(str, paths)], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1].split()[0]) * 1024


def some_files(folder: Path) -> Path:
    (folder / "deep" / "er").mkdir(parents=True)
    for number, size in enumerate((0, 1, 4096, 4097, 1_000_000)):
        (folder / "deep" / f"file{number}").write_bytes(os.urandom(size))
    with (folder / "deep" / "er" / "sparse").open("wb") as file:
        file.truncate(10_000_000)
        file.write(b"x" * 5000)
    (folder / "link").symlink_to("/usr/lib")
    (folder / "dangling").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    os.sync()  # some file systems give out blocks only then
    return folder


@pytest.mark.skipif(shutil.which("du") is None, reason="there is no du to compare with")
def test_it_is_what_du_says(tmp_path: Path) -> None:
    one, other = some_files(tmp_path / "one"), some_files(tmp_path / "other")
    assert disk_use(one).bytes == disk_use(one).freed == du(one)
    assert disk_use(one).bytes < 2_000_000, "holes take nothing, and what a link leads to is not its own"
    for number in range(3):
        os.link(one / "deep" / "file4", other / f"again{number}")
    os.link(one / "deep" / "file3", one / "twice")
    uses = [disk_use(one), disk_use(other)]
    assert [use.bytes for use in uses] == [du(one), du(other)]
    assert together(uses).bytes == together(uses).freed == du(one, other)
    assert disk_use(one / "deep" / "file1").bytes == du(one / "deep" / "file1")


def test_what_has_a_name_elsewhere_is_not_freed(tmp_path: Path) -> None:
    with_copy = tmp_path / "run"
    with_copy.mkdir()
    (with_copy / "weights").write_bytes(os.urandom(1_000_000))
    os.link(with_copy / "weights", tmp_path / "kept")
    use = disk_use(with_copy)
    assert use.bytes - use.freed == (tmp_path / "kept").stat().st_blocks * 512 > 900_000
    assert together([use, disk_use(tmp_path / "kept")]).freed == use.bytes


def test_a_link_counts_as_itself(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/usr")
    assert disk_use(tmp_path / "link").bytes < 10_000
    assert disk_use(tmp_path / "none").bytes == 0


def test_thousands_of_files_are_quick(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"run-{number}" / "checkpoints").mkdir(parents=True)
        for name in "abc":
            (tmp_path / f"run-{number}" / name).touch()
    started = time.process_time()
    together(disk_use(tmp_path / f"run-{number}") for number in range(1000))
    assert time.process_time() - started < 0.5  # 0.04 s here: 5,000 entries


def test_room_is_asked_of_the_disk_itself(tmp_path: Path) -> None:
    with mounted(tmp_path / "small") as disk:
        free = free_space(disk.path)
        assert free is not None
        assert 200_000 < free <= 262_144
        assert room_for(disk.path, free // 2)
        assert not room_for(disk.path, free // 2 + 1)
        disk.fill()
        assert free_space(disk.path) == 0
        assert not room_for(disk.path, 1)
    assert room_for(tmp_path / "nowhere", 1), "nobody can say"
