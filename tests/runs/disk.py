"""A disk that is really full, and that gets room again: a small tmpfs, or a limit on the size of files."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


class SmallDisk:
    """A file system of 256 KiB of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self) -> None:
        """Leave no room."""
        with self._filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink(missing_ok=True)


class LimitedFiles(SmallDisk):
    """No file of this process may grow past 2 KiB while it is full: the system's writes are cut short then, too."""

    def fill(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, resource.RLIM_INFINITY))

    def free(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextlib.contextmanager
def mounted(path: Path, options: str = "size=256k") -> Iterator[SmallDisk]:
    """A small tmpfs at `path`; skips the test where there cannot be one."""
    path.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root mounts file systems")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "craft-test", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {made.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@contextlib.contextmanager
def limited(path: Path) -> Iterator[SmallDisk]:
    """A folder whose files can be kept from growing; skips the test where a limit is set already."""
    path.mkdir()
    if resource.getrlimit(resource.RLIMIT_FSIZE)[1] != resource.RLIM_INFINITY:
        pytest.skip("the size of files is limited here already")
    disk = LimitedFiles(path)
    try:
        yield disk
    finally:
        disk.free()


FULL = (errno.ENOSPC, errno.EFBIG)
