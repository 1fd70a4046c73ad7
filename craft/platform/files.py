"""Writes that survive a crash. What is forced here is on disk when the function returns; nothing else is."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from craft.platform.processes import start_ticks

# What file systems answer that have no such operation: some network and user-space ones cannot force a folder.
_UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.ENOTTY)

_TEMPORARY = re.compile(r"\..+\.(\d{1,9})-\d+\.tmp")
_ABANDONED = 60.0  # seconds: what is still written is younger by far, also on a slow file server
_numbers = itertools.count()  # two threads of one process must not share a temporary file


def _force(descriptor: int) -> None:
    # On macOS fsync stops at the drive's cache; F_FULLFSYNC goes through it, where the file system has it.
    if sys.platform == "darwin":
        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
    os.fsync(descriptor)


def sync_data(descriptor: int) -> None:
    """Force what was written through an open file to disk."""
    if sys.platform == "darwin":
        _force(descriptor)
    else:
        os.fdatasync(descriptor)


def fsync_file(path: Path) -> None:
    """Force a file's content to disk; its name is the parent folder's (`fsync_dir`)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _force(descriptor)
    finally:
        os.close(descriptor)


def fsync_dir(path: Path) -> None:
    """Force a folder's entries to disk: names that were created, renamed or removed in it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _force(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


def rename(source: Path, target: Path) -> None:
    """Rename within one file system; the name is on disk once the parent folder is forced."""
    source.rename(target)


def replace(source: Path, target: Path) -> None:
    """Rename over a file, atomically; on disk once the parent folder is forced."""
    source.replace(target)


def make_dir_durable(path: Path) -> None:
    """Make a folder, and those above it that are missing, each on disk when this returns. One that is there is fine."""
    missing = list(itertools.takewhile(lambda folder: not folder.is_dir(), (path, *path.parents)))
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        fsync_dir(folder.parent)


def write_file_durable(path: Path, content: bytes) -> None:
    """Replace a file by new content that is on disk when this returns; a crash leaves the old or the new one."""
    _write_beside(path, content, durable=True)
    fsync_dir(path.parent)


def write_file_atomic(path: Path, content: bytes) -> None:
    """Replace a file at once for every reader, without forcing it to disk: for claims, not for records."""
    _write_beside(path, content, durable=False)


def dead_temporaries(folder: Path) -> list[Path]:
    """What processes that were killed in the middle of a write left in `folder`, for at least a minute.

    A number that is no process here may be one on another machine or in another container, which writes right now.
    """
    try:
        names = [path for path in folder.iterdir() if path.name[0] == "."]
    except OSError:
        return []
    of = {path: int(match[1]) for path in names if (match := _TEMPORARY.fullmatch(path.name))}
    return [path for path, pid in of.items() if start_ticks(pid) is None and _age(path) > _ABANDONED]


def _age(path: Path) -> float:
    """Seconds since a file was written; none for one that is gone."""
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0.0


@contextlib.contextmanager
def put_back_on_error(*paths: Path) -> Iterator[None]:
    """Inside, files are replaced or made; if anything goes wrong there, each is again what it was before.

    What is put back needs no room on the disk: it was kept under a second name. Raises OSError, with nothing changed,
    when there is no room for that.
    """
    kept = {path: path.with_name(f".{path.name}.{os.getpid()}-{next(_numbers)}.tmp") for path in paths}
    try:
        for path, second in kept.items():
            with contextlib.suppress(FileNotFoundError):
                second.hardlink_to(path)
        try:
            yield
        except BaseException:
            for path, second in kept.items():
                if second.exists():
                    replace(second, path)
                else:
                    path.unlink(missing_ok=True)
            raise
    finally:
        for second in kept.values():
            second.unlink(missing_ok=True)


def remove_dead_temporaries(folder: Path) -> None:
    """Remove what processes that were killed in the middle of a write left in `folder`, as far as that is possible."""
    for path in dead_temporaries(folder):
        with contextlib.suppress(OSError):
            path.unlink()


def _write_beside(path: Path, content: bytes, *, durable: bool) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{next(_numbers)}.tmp")
    try:
        temporary.write_bytes(content)
        if durable:
            fsync_file(temporary)
        replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
