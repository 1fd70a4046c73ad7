"""Files of one JSON object a line, appended by one process and read by any, also while they grow."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import Any

from craft import platform
from craft.runs.json_files import decode_object, encode_line

# Lines held back while the disk is full, some 20 MB; past this the oldest are dropped, and counted.
MAX_HELD_BACK = 100_000
SYNC_SECONDS = 1.0
_CHUNK = 1 << 20

Record = dict[str, Any]


class LineWriter:
    """Appends lines, each by one write, so that a kill loses none whose `append` returned.

    A full disk stops nothing: lines wait in memory, in order, and are written when there is room again. What is
    written is forced to disk within SYNC_SECONDS by a thread, because a disk may take longer for that than a step.
    `after_sync`, called in that thread, is told up to which byte whole lines are on disk. It does a little at a time,
    as lines that come meanwhile wait to be forced, and says whether it wants to be called again although none came.
    """

    def __init__(self, path: Path, after_sync: Callable[[int], bool] = lambda _: False) -> None:
        self.path, self._after_sync = path, after_sync
        self.held_back: deque[bytes] = deque()
        self.dropped = 0
        self._dirty = threading.Event()
        self._closing = threading.Event()
        self._sync_error: OSError | None = None
        is_new = not path.exists()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        if is_new:
            platform.fsync_dir(path.parent)  # forced lines of a file that has no name would be lost
        self._end = os.fstat(self._descriptor).st_size
        self._torn = False  # half a line lies behind `_end`
        if self._end and os.pread(self._descriptor, 1, self._end - 1) != b"\n":
            self.held_back.append(b"\n")  # closes what a power cut tore; readers skip that line
            self.flush()
        self._syncing = threading.Thread(target=self._sync_now_and_then, name=f"sync {path.name}", daemon=True)
        self._syncing.start()

    def append(self, record: Record) -> None:
        """Write one object; it has left this process when this returns, unless the disk does not take it."""
        line = encode_line(record)
        if self.held_back or not self._write(line):
            self.held_back.append(line)
            self.flush()
            if len(self.held_back) > MAX_HELD_BACK:
                self.held_back.popleft()
                self.dropped += 1

    def flush(self) -> bool:
        """Try to write what was held back; True when nothing is left."""
        while self.held_back and self._write(self.held_back[0]):
            self.held_back.popleft()
        return not self.held_back

    def _write(self, line: bytes) -> bool:
        try:
            if self._torn:
                os.ftruncate(self._descriptor, self._end)
                self._torn = False
            written = os.write(self._descriptor, line)
            if written < len(line):  # the disk filled up in the middle: take the half line back
                self._torn = True
                os.ftruncate(self._descriptor, self._end)
                self._torn = False
                return False
        except OSError:
            return False
        self._end += written
        if not self._dirty.is_set():
            self._dirty.set()
        return True

    def _sync_now_and_then(self) -> None:
        more, spent = False, 0.0
        while not self._closing.is_set():
            if not more:
                self._dirty.wait()
            self._closing.wait(max(0.0, SYNC_SECONDS - spent))
            written = self._end
            try:
                self._force()
            except OSError as error:
                self._sync_error = error
                more, spent = False, 0.0
            else:
                began = time.monotonic()
                more = self._after_sync(written)
                spent = time.monotonic() - began

    def _force(self) -> None:
        if self._dirty.is_set():
            self._dirty.clear()  # before: what is written meanwhile is for the next time
            platform.sync_data(self._descriptor)

    def sync(self) -> None:
        """Force what was written to disk. Raises OSError when that fails, or failed since the last call."""
        self.flush()
        error, self._sync_error = self._sync_error, None
        self._force()
        if error is not None:
            raise error

    def close(self) -> None:
        """Force and close; a second time does nothing. Raises OSError as `sync` does, and for lines given up."""
        if self._descriptor < 0:
            return
        self._closing.set()
        self._dirty.set()
        self._syncing.join()
        try:
            self.sync()
        finally:
            os.close(self._descriptor)
            self._descriptor = -1
        if self.held_back:
            raise OSError(errno.ENOSPC, f"no room for the last {len(self.held_back)} lines", str(self.path))


class LineReader:
    """Reads whole lines from where it stopped; a line still being written waits for the next call."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self.damaged = 0
        self.restarts = 0
        """How often the file was found to be another one, which is read from its beginning."""
        self._inode: int | None = None

    def poll(self) -> list[Record]:
        """Objects that came since the last call. Lines that are no JSON object are counted in `damaged`."""
        return list(self.stream())

    def stream(self) -> Iterator[Record]:
        """What `poll` gives, one by one, for a reader that keeps little of each: a long log fills no memory."""
        try:
            found = self.path.stat()
            if not stat.S_ISREG(found.st_mode):
                return
            if self._inode is not None and (found.st_ino != self._inode or found.st_size < self.offset):
                self.offset = self.damaged = 0
                self.restarts += 1
            self._inode = found.st_ino
            if found.st_size == self.offset:
                return
            with self.path.open("rb", buffering=0) as file:
                file.seek(self.offset)
                yield from self._read(file, found.st_size - self.offset)
        except OSError:
            return

    def _read(self, file: FileIO, size: int) -> Iterator[Record]:
        """The whole lines of the next `size` bytes, a piece at a time: a long log must not be in memory twice."""
        rest = b""
        while size > 0 and (piece := file.read(min(size, _CHUNK))):
            size -= len(piece)
            lines = (rest + piece).split(b"\n")
            rest = lines.pop()
            for line in lines:
                self.offset += len(line) + 1
                try:
                    record = decode_object(line)
                except ValueError:
                    self.damaged += bool(line.strip())
                else:
                    yield record


def read_between(path: Path, start: int, stop: int) -> Iterator[Record]:
    """The objects in some bytes of a file, which begin and end with a line. Raises OSError when it is gone."""
    with path.open("rb") as file:
        file.seek(start)
        for line in file.read(stop - start).splitlines():
            try:
                yield decode_object(line)
            except ValueError:
                continue


def read_lines(path: Path) -> list[Record]:
    """All whole objects of a file; an absent file has none."""
    return LineReader(path).poll()
