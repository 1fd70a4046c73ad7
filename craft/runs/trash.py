"""Deleting so that nothing half deleted is ever seen: first one rename out of sight, then the files.

    runs/.craft/trash/HEX        what is being deleted
    runs/.trash-HEX              the same, where a full disk has no room for the folder above

A kill in between leaves it there, and whoever tidies up next finishes it. Links are never followed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from pathlib import Path

from craft import platform

_NAME = re.compile(r"(\.trash-)?[0-9a-f]{16}")
FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a disk without room answers."""


def trash_dir(runs_dir: Path) -> Path:
    """Where what is being deleted lies."""
    return runs_dir / ".craft" / "trash"


def move_to_trash(path: Path, runs_dir: Path) -> Path:
    """Take a run's folder, or any other under `runs_dir`, out of sight, at once for every reader: where it is now.

    Raises OSError, with everything in its place, when that is not possible.
    """
    name, trash = os.urandom(8).hex(), trash_dir(runs_dir)
    try:
        trash.mkdir(parents=True, exist_ok=True)
        place = trash / name
        platform.rename(path, place)
    except OSError as error:
        if error.errno not in FULL:
            raise
        place = runs_dir / f".trash-{name}"
        platform.rename(path, place)
    for folder in (place.parent, path.parent):
        with contextlib.suppress(OSError):  # a disk that is full or failing is no reason to keep what was to go
            platform.fsync_dir(folder)
    return place


def in_trash(runs_dir: Path) -> list[Path]:
    """What a kill left half deleted, or what is being deleted right now."""
    found = []
    for folder, prefix in ((trash_dir(runs_dir), ""), (runs_dir, ".trash-")):
        try:
            if folder != runs_dir and folder.is_symlink():
                continue
            with os.scandir(folder) as entries:
                found += [folder / e.name for e in entries if e.name.startswith(prefix) and _NAME.fullmatch(e.name)]
        except OSError:
            continue
    return found


def delete(path: Path) -> None:
    """Delete what was moved to the trash, as much of it as is possible. Raises OSError when something stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    # Again and with its reason, where something stayed; what another process deletes meanwhile is gone as well.
    with contextlib.suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def strays(runs_dir: Path) -> list[Path]:
    """What means nothing any more beside the runs: half-deleted ones, and files that killed writers left."""
    return [*in_trash(runs_dir), *temporaries(runs_dir)]


def temporaries(runs_dir: Path) -> list[Path]:
    """What killed writers left beside the runs."""
    own = runs_dir / ".craft"
    return [path for place in (own, own / "queue", own / "groups") for path in platform.dead_temporaries(place)]


def empty_trash(runs_dir: Path) -> list[str]:
    """Delete the strays, so finish what was cut short; in words, what cannot be deleted and why."""
    problems = []
    for path in strays(runs_dir):
        try:
            delete(path)
        except OSError as error:
            problems.append(f"{error.filename or path}: {error.strerror}")
    return problems
