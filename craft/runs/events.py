"""What happened in a run, one event a line: started, resumed, checkpoint, evaluated, changed, warning, stopped ...

And text sampled while it trains, in a file of its own. Both may be written by any process, a line at a time.
"""

from __future__ import annotations

import errno
import os
import time
from collections import deque
from pathlib import Path
from typing import Any

from craft.runs.folder import RunFolder
from craft.runs.json_files import encode_line
from craft.runs.jsonl import Record, read_lines

# What waits for room on the disk, at most: some megabytes. The oldest go first.
MAX_HELD_BACK = 10_000


class EventWriter:
    """The worker's side: what the disk does not take waits in memory, in order, and is written when there is room."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.held_back: deque[tuple[Path, Record]] = deque(maxlen=MAX_HELD_BACK)

    def event(self, kind: str, **fields: Any) -> None:
        """Add an event. Raises OSError when it has to wait."""
        self._add(self.folder.events, {"time": round(time.time(), 3), "kind": kind, **fields})

    def sample(self, *, step: int, prompt: str, text: str, **settings: Any) -> None:
        """Add a sampled text, with how it was drawn. Raises OSError when it has to wait."""
        sample = {"time": round(time.time(), 3), "step": step, "prompt": prompt, "text": text, **settings}
        self._add(self.folder.samples, sample)

    def flush(self) -> None:
        """Write what waits. Raises OSError when the disk still does not take it."""
        while self.held_back:
            _append(*self.held_back[0])
            self.held_back.popleft()

    def _add(self, path: Path, record: Record) -> None:
        self.held_back.append((path, record))
        self.flush()


def append_event(folder: RunFolder, kind: str, **fields: Any) -> None:
    """Add an event, by one write. Raises OSError when the disk does not take it."""
    _append(folder.events, {"time": round(time.time(), 3), "kind": kind, **fields})


def read_events(folder: RunFolder) -> list[Record]:
    """All events, oldest first."""
    return read_lines(folder.events)


def read_samples(folder: RunFolder) -> list[Record]:
    """All samples that count, oldest first: a run that went back to an earlier step writes those after it anew."""
    kept: list[Record] = []
    for sample in read_lines(folder.samples):
        take_sample(kept, sample)
    return kept


def take_sample(kept: list[Record], sample: Record) -> bool:
    """Add a sample to those that count so far, and drop what it writes anew; False for one that says no step."""
    step, prompt = sample.get("step"), sample.get("prompt")
    if not isinstance(step, int):
        return False
    while kept and kept[-1]["step"] > step:
        kept.pop()
    at_step = len(kept)
    while at_step and kept[at_step - 1]["step"] == step:
        at_step -= 1
    kept[at_step:] = [*(other for other in kept[at_step:] if other.get("prompt") != prompt), sample]
    return True


def _append(path: Path, record: Record) -> None:
    line = encode_line(record)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        end = os.fstat(descriptor).st_size
        if end and os.pread(descriptor, 1, end - 1) != b"\n":
            line = b"\n" + line  # a line that a full disk cut: this one must not be lost with it
        if os.write(descriptor, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(descriptor)
