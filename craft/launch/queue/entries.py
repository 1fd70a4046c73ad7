"""The queue of a runs folder: one small file a waiting run, in the order of their names.

    runs/.craft/queue/01700000000000000000-transformer-001.json   an Entry
    runs/.craft/queue.lock                                        held while entries are added, changed or taken
    runs/.craft/queue.paused                                      there while nothing is to be started

An entry stays until its worker holds the run's lock, so a runner that dies in between loses nothing. A run is moved
by renaming its file, so that at every instant each run has one place.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from craft import platform

_GAP = 1_000_000  # between the numbers of neighbours: room for twenty moves to one place before others make way
_TRUSTED_AFTER = 1_000_000_000  # nanoseconds: see _Cache
_LOOKS = 20
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,18})?")  # as a definition may say it
MOST_SLOTS = 1024
_cache: dict[str, tuple[tuple[int, int, int], Entry | None]] = {}


@dataclass(frozen=True)
class Wait:
    """Another run of the same folder that has to end first."""

    run: str
    id: str = ""
    """The other run's id: a later run that got its name is another one."""
    whatever: bool = False
    """However it ends; else it has to finish."""


@dataclass(frozen=True)
class Entry:
    """A run that waits, and what it needs."""

    run: str
    """The folder's name under the runs folder."""
    device: str
    """As its definition says: auto, cpu, cuda, cuda:1, mps."""
    cpu_slots: int
    """How many runs may train on the CPU of this machine at once while this one does."""
    queued: float
    """Seconds since 1970."""
    after: tuple[Wait, ...] = ()
    """What has to end before it begins."""
    visible: str | None = field(default_factory=lambda: os.environ.get("CUDA_VISIBLE_DEVICES"))
    """The GPUs that were left to whoever queued it; None: all."""


class Queue:
    """The waiting runs of one runs folder."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self.folder = runs_dir / ".craft" / "queue"
        self._pause = runs_dir / ".craft" / "queue.paused"

    def lock(self) -> platform.FileLock:
        """Held while entries are added, changed, taken or dropped, and for the start of a worker."""
        return platform.FileLock(self.runs_dir / ".craft" / "queue.lock")

    def add(self, entries: Iterable[Entry]) -> None:
        """Append, in order: all or, where the disk does not take them, none (OSError). Call with the lock held."""
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True, exist_ok=True)
            platform.fsync_dir(self.folder.parent)
            platform.fsync_dir(self.runs_dir)  # the lock made the folder between them
        # Later than every entry there is, also after the clock was set back.
        number = max([time.time_ns(), *(_number(path) + _GAP for path in self._files())])
        added: list[Path] = []
        try:
            for offset, entry in enumerate(entries):
                added.append(self.folder / _name(number + offset * _GAP, entry.run))
                _write(added[-1], entry)
        except OSError:
            for path in added:
                path.unlink(missing_ok=True)
            raise

    def entries(self) -> list[Entry]:
        """Who waits, the next one first. A file that is no entry is passed over."""
        for _ in range(_LOOKS):
            try:
                found = [_read(f"{self.folder}/{name}") for name in self._names()]
            except FileNotFoundError:  # it was moved or taken since the folder was listed
                continue
            # The first of two for one run counts: a folder that changes while it is listed may show both names.
            by_run = {entry.run: entry for entry in reversed(found) if entry is not None}
            return list(reversed(by_run.values()))
        return []

    def damaged(self) -> list[Path]:
        """Files that are no entry, and so start nothing: their runs are shown as interrupted."""
        found = []
        for path in self._files():
            with contextlib.suppress(FileNotFoundError):
                if _read(str(path)) is None:
                    found.append(path)
        return found

    def change(self, entry: Entry) -> bool:
        """Replace what a run needs, in its place; False when it does not wait. Call with the lock held."""
        own = self._file_of(entry.run)
        if own is not None:
            _write(own, entry)
        return own is not None

    def move(self, run: str, place: int) -> bool:
        """Put a run so that `place` of the others are before it; False when it does not wait. Call with the lock held.

        Every step of it is a rename that leaves the others in their order, so a kill in the middle does no harm.
        """
        own = self._file_of(run)
        if own is None:
            return False
        others = [path for path in self._files() if path != own]
        before, behind = others[: max(place, 0)], others[max(place, 0) :]
        if not behind:
            number = _number(before[-1]) + _GAP if before else _number(own)
        else:
            low = _number(before[-1]) if before else max(-1, _number(behind[0]) - 2 * _GAP)
            if _number(behind[0]) - low < 2:
                self._make_way(behind)
                number = low + _GAP // 2
            else:
                number = (low + _number(behind[0])) // 2
        platform.rename(own, self.folder / _name(number, run))
        platform.fsync_dir(self.folder)
        return True

    def drop(self, runs: Iterable[str]) -> list[str]:
        """Take these runs out; returns those that were in. Call with the lock held."""
        leaving = set(runs)
        dropped = []
        for path in self._files():
            if _run(path) in leaving:
                path.unlink(missing_ok=True)
                dropped.append(_run(path))
        return dropped

    def is_empty(self) -> bool:
        """Whether nobody waits."""
        return not self.entries()

    def pause(self) -> None:
        """Start nothing from now on, also after a restart of the machine, until `go`. Raises OSError."""
        self._pause.parent.mkdir(parents=True, exist_ok=True)
        platform.write_file_durable(self._pause, json.dumps({"time": time.time()}).encode())

    def go(self) -> bool:
        """Start what waits again; False when it was not paused. Raises OSError."""
        was_paused = self.is_paused()
        self._pause.unlink(missing_ok=True)
        if was_paused:
            platform.fsync_dir(self._pause.parent)
        return was_paused

    def is_paused(self) -> bool:
        """Whether nothing is to be started."""
        return self._pause.exists()

    def _make_way(self, behind: list[Path]) -> None:
        """Give those behind a place greater numbers: the last first, so that none passes another."""
        for path in reversed(behind):
            platform.rename(path, self.folder / _name(_number(path) + _GAP, _run(path)))
        platform.fsync_dir(self.folder)

    def _file_of(self, run: str) -> Path | None:
        return next((path for path in self._files() if _run(path) == run), None)

    def _files(self) -> list[Path]:
        return [self.folder / name for name in self._names()]

    def _names(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self.folder) if _is_entry(name))  # noqa: PTH208 - see _read
        except OSError:
            return []


def _read(path: str) -> Entry | None:
    """The entry in a file; None when it holds none. Raises FileNotFoundError when it is gone.

    What was read is kept for as long as the file is the same one. A file's times move in steps of some milliseconds,
    so one that was written a moment ago could be written again unseen: it is read each time until it is older.
    """
    found = os.stat(path)  # noqa: PTH116 - thousands may wait, and a runner looks five times a second
    seen = found.st_ino, found.st_mtime_ns, found.st_size
    known = _cache.get(path)
    if known is not None and known[0] == seen:
        return known[1]
    entry = _decode(Path(path))
    if len(_cache) > 50_000:
        _cache.clear()
    if found.st_mtime_ns + _TRUSTED_AFTER < time.time_ns():
        _cache[path] = seen, entry
    return entry


def _decode(path: Path) -> Entry | None:
    try:
        data = json.loads(path.read_bytes())
        after = tuple(Wait(str(one["run"]), str(one["id"]), bool(one["whatever"])) for one in data.get("after", ()))
        visible = None if data.get("visible") is None else str(data["visible"])
        run, device, cpu_slots, queued = data["run"], data["device"], data["cpu_slots"], float(data["queued"])
        sound = (
            run == _run(path)
            and _DEVICE.fullmatch(device)
            and isinstance(cpu_slots, int)
            and 1 <= cpu_slots <= MOST_SLOTS
            and math.isfinite(queued)
        )
        return Entry(run, device, cpu_slots, queued, after, visible) if sound else None
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return None


def _write(path: Path, entry: Entry) -> None:
    record: dict[str, Any] = asdict(entry)
    platform.write_file_durable(path, json.dumps(record).encode())


def _is_entry(name: str) -> bool:
    return name[:20].isdecimal() and name[20:21] == "-" and name.endswith(".json")


def _name(number: int, run: str) -> str:
    return f"{number:020d}-{run}.json"


def _run(path: Path) -> str:
    return path.name[21:].removesuffix(".json")


def _number(path: Path) -> int:
    return int(path.name[:20])
