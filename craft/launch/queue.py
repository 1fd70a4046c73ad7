"""The queue of a runs folder: one small file a waiting run, in the order of their names.

    runs/.craft/queue/01700000000000000000-transformer-001.json     {"run", "device", "cpu_slots", "queued"}
    runs/.craft/queue.lock                                          held while entries are added or taken

An entry stays until its worker holds the run's lock, so a runner that dies in between loses nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from craft import platform


@dataclass(frozen=True)
class Entry:
    """A run that waits, and what it needs."""

    run: str
    """The folder's name under the runs folder."""
    device: str
    """As its definition says: auto, cpu, cuda, cuda:1, mps."""
    cpu_slots: int
    """How many runs may train on the CPU of this machine at once, as its `craft run` was told."""
    queued: float
    """Seconds since 1970."""


class Queue:
    """The waiting runs of one runs folder."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self.folder = runs_dir / ".craft" / "queue"

    def lock(self) -> platform.FileLock:
        """Held while entries are added, taken or dropped, and for the start of a worker."""
        return platform.FileLock(self.runs_dir / ".craft" / "queue.lock")

    def add(self, entries: Iterable[Entry]) -> None:
        """Append, in order. Call with the lock held."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # Later than every entry there is, also after the clock was set back.
        number = max([time.time_ns(), *(_number(path) + 1 for path in self._files())])
        for offset, entry in enumerate(entries):
            path = self.folder / f"{number + offset:020d}-{entry.run}.json"
            platform.write_file_durable(path, json.dumps(asdict(entry)).encode())

    def entries(self) -> list[Entry]:
        """Who waits, the next one first. A file that is no entry is passed over."""
        return [entry for path in self._files() if (entry := _read(path)) is not None]

    def drop(self, runs: Iterable[str]) -> list[str]:
        """Take these runs out; returns those that were in. Call with the lock held."""
        leaving = set(runs)
        dropped = []
        for path in self._files():
            run = path.stem.partition("-")[2]
            if run in leaving:
                path.unlink(missing_ok=True)
                dropped.append(run)
        return dropped

    def is_empty(self) -> bool:
        """Whether nobody waits."""
        return not self.entries()

    def _files(self) -> list[Path]:
        try:
            return sorted(path for path in self.folder.iterdir() if path.name[:20].isdecimal())
        except OSError:
            return []


@lru_cache(maxsize=10_000)
def _read(path: Path) -> Entry | None:
    """The entry in a file; None when there is none. A file's content never changes, so it is read once."""
    try:
        data = json.loads(path.read_bytes())
        return Entry(str(data["run"]), str(data["device"]), int(data["cpu_slots"]), float(data["queued"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _number(path: Path) -> int:
    return int(path.name[:20])
