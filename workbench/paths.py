"""Paths that people type. Nothing here raises: a folder may be closed, a name too long, a ~ that of nobody."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path


def typed_path(text: str) -> Path:
    """What is meant by a typed path; a ~ that is nobody's home stays as it is."""
    path = Path(text.strip())
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def is_taken(path: Path) -> bool:
    """Whether there is anything of this name, as far as one may look; a link that leads nowhere is something."""
    return os.path.lexists(path)


def is_there(path: Path) -> bool:
    """Whether a path leads to anything, as far as one may look."""
    return _is(path.exists)


def fault_of_place(text: str, endings: Collection[str] = ()) -> str:
    """Why no file can be written to a typed path, as far as that shows before it is tried; empty when nothing does."""
    path = typed_path(text)
    if not path.name:
        return "where to? name a file"
    if _is(path.is_dir):
        return "this is a folder"
    if endings and path.suffix.lower() not in endings:
        return f"the name must end in {', '.join(endings)}"
    folder = path.absolute().parent
    return "" if _is(folder.is_dir) else f"there is no folder {folder}"


def fault_of_file(text: str) -> str:
    """Why a typed path is no file to read; empty when it is one."""
    path = typed_path(text)
    return "" if _is(path.is_file) else f"{path}: no such file"


def _is(question: Callable[[], bool]) -> bool:
    # Before Python 3.14 these raise for a name that is too long, or in a folder that may not be looked into.
    try:
        return question()
    except (OSError, ValueError):
        return False
