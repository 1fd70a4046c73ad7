"""What was typed and not saved, kept on disk so that no crash, hang-up or power cut takes it away.

A draft lies in the state directory, one for each workbench that edits the file. Whoever writes it holds the lock beside
it; one whose lock is free was left by a process that ended, and is offered to the next. The draft is the text itself
under one line of its own, so that a person can take it with any editor, and text and base are replaced as one file.

There are two files of it. One is written with every key and handed to the system, which keeps it when this process is
killed; the other is forced to disk every half second, which a power cut leaves whole. The newer sound one counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from craft import platform
from workbench.memory import project_place

_FIRST = "# a draft of "
_FORCED, _AT_ONCE = ".toml", ".now"


@dataclass(frozen=True)
class Draft:
    """A text that was typed and never saved."""

    place: Path
    """Where it lies, or would once it is forced to disk."""
    file: str
    """The experiments file that it is a draft of."""
    base: str
    """The digest of the file that the typing began from; empty when there was no file."""
    written: float
    """Seconds since 1970."""
    text: str


@lru_cache(maxsize=1)
def digest(content: bytes | None) -> str:
    """Tells two contents of a file apart; empty for no file."""
    return "" if content is None else hashlib.sha256(content).hexdigest()


def left_drafts(file: Path) -> list[Draft]:
    """The drafts of a file that no living workbench holds, the newest first. One that cannot be read stays."""
    for folder in (_folder(file), project_place(file)):
        platform.remove_dead_temporaries(folder)
    written = {place.with_suffix(_FORCED) for kind in (_FORCED, _AT_ONCE) for place in _folder(file).glob(f"*{kind}")}
    free = (place for place in written if not platform.is_locked(_lock_of(place)))
    return sorted(filter(None, map(_read, free)), key=lambda draft: draft.written, reverse=True)


def drop(draft: Draft) -> None:
    """Remove a draft that nobody holds."""
    lock = platform.FileLock(_lock_of(draft.place))
    if lock.acquire():
        _remove(draft.place, lock)


class DraftKeeper:
    """Writes the draft of one buffer, under a name that is this process's alone. For two threads at once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._place = _folder(file) / f"{os.getpid()}-{uuid.uuid4().hex[:8]}{_FORCED}"
        self._lock = platform.FileLock(_lock_of(self._place))
        self._guard = threading.Lock()
        self._last = 0.0

    def moment(self) -> float:
        """Seconds since 1970, later than any before. Of two writers the one that takes it before it looks at the text
        is never the newer one with the older text."""
        with self._guard:
            self._last = max(time.time(), self._last + 1e-6)
            return self._last

    def prepare(self) -> None:
        """Make the folder of drafts, on disk. Raises OSError."""
        platform.make_dir_durable(self._place.parent)

    def hand_over(self, text: str, base: str) -> None:
        """Give the draft to the system, without waiting for the disk. Raises OSError."""
        content = self._content(text, base, self.moment())
        with self._guard:
            self._hold()
            platform.write_file_atomic(self._place.with_suffix(_AT_ONCE), content)

    def force(self, text: str, base: str, moment: float) -> None:
        """Force the draft to disk. Raises OSError when that cannot be done; the draft before it stays then. Where it is
        removed while the disk is slow there is none after this either."""
        self.prepare()
        with self._guard:
            self._hold()
        platform.write_file_durable(self._place, self._content(text, base, moment))
        with self._guard:
            if not self._lock.held:
                self._place.unlink(missing_ok=True)

    def take(self, draft: Draft) -> bool:
        """Make a left draft this buffer's own, in place of what it had. False when another workbench was sooner."""
        lock = platform.FileLock(_lock_of(draft.place))
        if not lock.acquire() or not any(place.exists() for place in _both(draft.place)):
            lock.release()
            return False
        self.remove()
        with self._guard:
            self._place, self._lock, self._last = draft.place, lock, draft.written
        return True

    def remove(self, unless: Callable[[], bool] = lambda: False) -> None:
        """There is nothing unsaved: no draft. `unless` is asked when nobody can write one in between."""
        with self._guard:
            if self._lock.held and not unless():
                _remove(self._place, self._lock)

    def leave(self) -> None:
        """Leave the draft to the next workbench. Not while one is forced to disk."""
        self._lock.release()

    def _hold(self) -> None:
        if not self._lock.held:
            self._place.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()

    def _content(self, text: str, base: str, moment: float) -> bytes:
        body = text.encode("utf-8", "surrogatepass")
        about = {"file": str(self._file.absolute()), "base": base, "written": moment, "crc": zlib.crc32(body)}
        return f"{_FIRST}{json.dumps(about)}\n".encode() + body


def _folder(file: Path) -> Path:
    return project_place(file) / "drafts"


def _lock_of(place: Path) -> Path:
    return place.with_suffix(".lock")


def _both(place: Path) -> tuple[Path, Path]:
    return place, place.with_suffix(_AT_ONCE)


def _remove(place: Path, lock: platform.FileLock) -> None:
    with contextlib.suppress(OSError):
        for one in (*_both(place), lock.path):
            one.unlink(missing_ok=True)
    lock.release()


def _read(place: Path) -> Draft | None:
    """The newer of a draft's two files that can be read."""
    found = filter(None, (_read_one(one, place) for one in _both(place)))
    return max(found, key=lambda draft: draft.written, default=None)


def _read_one(written: Path, place: Path) -> Draft | None:
    try:
        head, _, body = written.read_bytes().partition(b"\n")
        about = json.loads(head.decode().removeprefix(_FIRST))
        if about["crc"] != zlib.crc32(body):
            return None
        text = body.decode("utf-8", "surrogatepass")
        return Draft(place, str(about["file"]), str(about["base"]), float(about["written"]), text)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
