"""Files of one JSON object a line, appended by one process and read by any, also while they grow."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from pathlib import Path
from typing import Any

from craft import platform

# Lines held back while the disk is full; past this the oldest are dropped, and counted.
MAX_HELD_BACK = 100_000

Record = dict[str, Any]


class LineWriter:
    """Appends lines, each by one write, so that a kill loses none whose `append` returned.

    A full disk stops nothing: lines wait in memory and are written when there is room again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.held_back: deque[bytes] = deque()
        self.dropped = 0
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._end = os.fstat(self._descriptor).st_size
        if self._end and os.pread(self._descriptor, 1, self._end - 1) != b"\n":
            self._append(b"\n")  # a line that a power cut tore: close it, readers skip it
        self._dirty = False
        self._synced = time.monotonic()

    def append(self, record: Record) -> None:
        """Write one object; forces what was written to disk when the last time is over a second ago."""
        line = json.dumps(record, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        if self.held_back:
            self._hold_back(line)
            self.flush()
            return
        if not self._append(line):
            self._hold_back(line)
        elif time.monotonic() - self._synced > 1.0:
            self.sync()

    def _hold_back(self, line: bytes) -> None:
        self.held_back.append(line)
        if len(self.held_back) > MAX_HELD_BACK:
            self.held_back.popleft()
            self.dropped += 1

    def flush(self) -> bool:
        """Write what was held back; True when nothing is left."""
        while self.held_back:
            if not self._append(self.held_back[0]):
                return False
            self.held_back.popleft()
        return True

    def _append(self, line: bytes) -> bool:
        try:
            written = os.write(self._descriptor, line)
        except OSError:
            return False
        if written < len(line):  # the disk filled up in the middle: take the half line back
            os.ftruncate(self._descriptor, self._end)
            return False
        self._end += written
        self._dirty = True
        return True

    def sync(self) -> None:
        """Force what was written to disk."""
        self._synced = time.monotonic()
        if self._dirty:
            platform.sync_data(self._descriptor)
            self._dirty = False

    def close(self) -> None:
        """Force and close."""
        self.flush()
        self.sync()
        os.close(self._descriptor)


class LineReader:
    """Reads whole lines from where it stopped; a line still being written waits for the next call."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self.damaged = 0

    def poll(self) -> list[Record]:
        """Objects that came since the last call. Lines that are no JSON object are counted in `damaged`."""
        try:
            size = self.path.stat().st_size
            if size == self.offset:
                return []
            if size < self.offset:  # another file took the name: begin again
                self.offset = 0
            with self.path.open("rb") as file:
                file.seek(self.offset)
                data = file.read(size - self.offset)
        except OSError:
            return []
        whole = data.rfind(b"\n") + 1
        self.offset += whole
        records = []
        for line in data[:whole].splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            if isinstance(record, dict):
                records.append(record)
            elif line.strip():
                self.damaged += 1
        return records


def read_lines(path: Path) -> list[Record]:
    """All whole objects of a file; an absent file has none."""
    return LineReader(path).poll()
