"""Files are replaced whole or not at all, and forced when that is promised."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from craft import platform
from craft.platform import files
from tests.children import child


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def name_of(descriptor: int) -> str:
    if sys.platform == "darwin":
        return Path(fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0").decode()).name
    return Path(f"/proc/self/fd/{descriptor}").readlink().name


@pytest.fixture
def forced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what was forced to disk, in order."""
    seen: list[str] = []
    real = files._force

    def force(descriptor: int) -> None:
        real(descriptor)
        seen.append(name_of(descriptor).split(".json.")[0])

    monkeypatch.setattr(files, "_force", force)
    return seen


def test_a_durable_write_forces_content_then_name(tmp_path: Path, forced: list[str]) -> None:
    platform.write_file_durable(tmp_path / "a.json", b"one")
    platform.write_file_durable(tmp_path / "a.json", b"two")
    assert (tmp_path / "a.json").read_bytes() == b"two"
    assert names(tmp_path) == ["a.json"]
    assert forced == [".a", tmp_path.name] * 2


def test_an_atomic_write_forces_nothing(tmp_path: Path, forced: list[str]) -> None:
    platform.write_file_atomic(tmp_path / "a.json", b"one")
    assert (tmp_path / "a.json").read_bytes() == b"one"
    assert not forced


@pytest.mark.parametrize("write", [platform.write_file_durable, platform.write_file_atomic])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    write: Callable[[Path, bytes], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write(path, b"old")

    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(files, "replace", full)
    with pytest.raises(OSError, match="full"):
        write(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.json"]


def test_threads_may_replace_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"0" * 1000)

    def replace_it(digit: int) -> None:
        for _ in range(200):
            platform.write_file_atomic(path, b"%d" % digit * 1000)

    writers = [threading.Thread(target=replace_it, args=(digit,)) for digit in range(1, 4)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        content = path.read_bytes()
        assert content == content[:1] * 1000
    assert names(tmp_path) == ["a.json"]


def test_folders_are_made_each_forced_by_its_parent(tmp_path: Path, forced: list[str]) -> None:
    platform.make_dir_durable(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert forced == [tmp_path.name, "a"]
    platform.make_dir_durable(tmp_path / "a" / "b")
    assert len(forced) == 2
    with pytest.raises(FileExistsError):
        (tmp_path / "file").write_text("")
        platform.make_dir_durable(tmp_path / "file")


def test_a_file_system_that_cannot_force_folders_is_put_up_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.EINVAL, "not here")

    monkeypatch.setattr(files, "_force", refuse)
    platform.fsync_dir(tmp_path)
    (tmp_path / "a").write_text("")
    with pytest.raises(OSError, match="not here"):
        platform.fsync_file(tmp_path / "a")


def test_state_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRAFT_STATE_DIR", "/own")
    assert platform.state_dir() == Path("/own")
    monkeypatch.delenv("CRAFT_STATE_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", "/xdg")
    assert platform.state_dir() == Path("/xdg/craft")
    monkeypatch.delenv("XDG_STATE_HOME")
    assert platform.state_dir() == Path.home() / ".local" / "state" / "craft"


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    with child("import sys; sys.stdin.readline()") as living:
        kept = {f".a.json.{living.pid}-0.tmp", f".a.json.{os.getpid()}-3.tmp", ".a.json.tmp", "a.json.999-1.tmp", "b"}
        for name in (*kept, ".a.json.4194399-0.tmp", ".status.json.4194399-12.tmp"):
            (tmp_path / name).write_text("{")
            os.utime(tmp_path / name, (0, 0))
        new = ".a.json.4194399-4.tmp"  # a process that has this number elsewhere may be writing it
        (tmp_path / new).write_text("{")
        assert tmp_path / new not in platform.dead_temporaries(tmp_path)
        platform.remove_dead_temporaries(tmp_path)
        assert set(names(tmp_path)) == {*kept, new}
    platform.remove_dead_temporaries(tmp_path / "none")


def test_files_are_what_they_were_when_something_goes_wrong_among_them(tmp_path: Path) -> None:
    replaced, absent, made, untouched = (tmp_path / name for name in ("a", "b", "c", "d"))
    for path in (replaced, untouched):
        path.write_text("before")
    with pytest.raises(OSError, match="full"), files.put_back_on_error(replaced, absent, made, untouched):
        platform.write_file_durable(replaced, b"after")
        platform.write_file_durable(made, b"after")
        raise OSError(errno.ENOSPC, "full")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "before", "d": "before"}
    with files.put_back_on_error(replaced, made):
        platform.write_file_durable(replaced, b"after")
        platform.write_file_durable(made, b"after")
    assert names(tmp_path) == ["a", "c", "d"]
    assert replaced.read_text() == made.read_text() == "after"
