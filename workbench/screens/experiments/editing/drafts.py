"""What was typed and not saved, kept on disk so that no crash, hang-up or power cut takes it away.

A draft lies in the state directory, one for each workbench that edits the file. Whoever writes it holds the lock beside
it; one whose lock is free was left by a process that ended, and is offered to the next. The draft is the text itself
under one line of its own, so that a person can take it with any editor, and text and base are replaced as one file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from craft import platform
from workbench.memory import project_place

_FIRST = "# a draft of "


@dataclass(frozen=True)
class Draft:
    """A text that was typed and never saved."""

    place: Path
    """Where the draft itself lies."""
    file: str
    """The experiments file that it is a draft of."""
    base: str
    """The digest of the file that the typing began from; empty when there was no file."""
    written: float
    """Seconds since 1970."""
    text: str


def digest(content: bytes | None) -> str:
    """Tells two contents of a file apart; empty for no file."""
    return "" if content is None else hashlib.sha256(content).hexdigest()


def left_drafts(file: Path) -> list[Draft]:
    """The drafts of a file that no living workbench holds, the newest first. One that cannot be read stays."""
    free = (place for place in _folder(file).glob("*.toml") if not platform.is_locked(_lock_of(place)))
    return sorted(filter(None, map(_read, free)), key=lambda draft: draft.written, reverse=True)


def drop(draft: Draft) -> None:
    """Remove a draft that nobody holds."""
    lock = platform.FileLock(_lock_of(draft.place))
    if lock.acquire():
        _remove(draft.place, lock)


class DraftKeeper:
    """Writes the draft of one buffer, under a name that is this process's alone."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._place = _folder(file) / f"{os.getpid()}-{uuid.uuid4().hex[:8]}.toml"
        self._lock = platform.FileLock(_lock_of(self._place))

    def write(self, text: str, base: str) -> None:
        """Force the draft to disk. Raises OSError when that cannot be done; the draft before it stays then."""
        if not self._lock.held:
            platform.make_dir_durable(self._place.parent)
            self._lock.acquire()
        head = _FIRST + json.dumps({"file": str(self._file.absolute()), "base": base, "written": time.time()})
        platform.write_file_durable(self._place, f"{head}\n{text}".encode("utf-8", "surrogatepass"))

    def take(self, draft: Draft) -> bool:
        """Make a left draft this buffer's own, in place of what it had. False when another workbench was sooner."""
        lock = platform.FileLock(_lock_of(draft.place))
        if not lock.acquire() or not draft.place.exists():
            lock.release()
            return False
        self.remove()
        self._place, self._lock = draft.place, lock
        return True

    def remove(self) -> None:
        """There is nothing unsaved: no draft."""
        if self._lock.held:
            _remove(self._place, self._lock)

    def leave(self) -> None:
        """Leave the draft to the next workbench."""
        self._lock.release()


def _folder(file: Path) -> Path:
    return project_place(file) / "drafts"


def _lock_of(place: Path) -> Path:
    return place.with_suffix(".lock")


def _remove(place: Path, lock: platform.FileLock) -> None:
    with contextlib.suppress(OSError):
        place.unlink(missing_ok=True)
        lock.path.unlink(missing_ok=True)
    lock.release()


def _read(place: Path) -> Draft | None:
    try:
        head, _, text = place.read_bytes().decode("utf-8", "surrogatepass").partition("\n")
        about = json.loads(head.removeprefix(_FIRST))
        return Draft(place, str(about["file"]), str(about["base"]), float(about["written"]), text)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
