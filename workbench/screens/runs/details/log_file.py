"""A log of any size as lines: read from its end, in blocks, backwards as far as somebody looks.

Only where lines begin is kept, eight bytes a line; the lines that are in sight are read when they are drawn.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from workbench.widgets.text_lines import Lines, Part, plain

FIRST_BLOCK = 1 << 16
LAST_BLOCK = 16 << 20
_LINE_MOST = 8192  # bytes of a line that are shown
_FIND_BLOCK = 1 << 20
_NEWLINE = re.compile(rb"\n")
_LOOKS = (
    (re.compile(r"\b(error|failed|Traceback|nonfinite|NaN)\b", re.IGNORECASE), "bad"),
    (re.compile(r"\b(warning|refused|rolled_back|silent)\b", re.IGNORECASE), "warn"),
)


class LogLines(Lines):
    """The lines of a log that are known at one moment; nothing of it moves when the log grows."""

    def __init__(self, file: BinaryIO | None, starts: Sequence[int], count: int, end: int, *, ascii_only: bool) -> None:
        super().__init__()
        self._file, self._starts, self._count, self.end = file, starts, count, end
        self.ascii_only = ascii_only

    @property
    def start(self) -> int:
        """Bytes of the log before the first line that is known."""
        return self._starts[0] if self._count else 0

    def __len__(self) -> int:
        return self._count

    def _stop(self, index: int) -> int:
        return self._starts[index + 1] if index + 1 < self._count else self.end

    def _bytes(self, start: int, stop: int) -> bytes:
        try:
            return os.pread(self._file.fileno(), stop - start, start) if self._file else b""
        except (OSError, ValueError):
            return b""  # gone, or closed for another run's

    def line(self, index: int) -> Sequence[Part]:
        start, stop = self._starts[index], self._stop(index)
        data = self._bytes(start, min(stop, start + _LINE_MOST))
        text = data.decode(errors="replace").rstrip("\r\n")
        look = next((look for words, look in _LOOKS if words.search(text)), "plain")
        time, gap, rest = text.partition(" ")
        parts = [plain(text, look, ascii_only=self.ascii_only)]
        if gap and re.fullmatch(r"\d\d:\d\d:\d\d", time):
            parts = [(time + gap, "quiet"), plain(rest, look, ascii_only=self.ascii_only)]
        more = stop - start - _LINE_MOST
        return [*parts, (f" (and {more:,} bytes more)", "quiet")] if more > 1 else parts

    def find(self, words: str, start: int, step: int, wanted: Callable[[], bool]) -> int | None:
        """A block at a time: most hold nothing of it, and are not taken apart."""
        fold = words == words.lower()
        index = start
        while 0 <= index < self._count and wanted():
            first, last = self._block(index, step)
            text = self._bytes(self._starts[first], self._stop(last)).decode(errors="replace")
            if words in (text.lower() if fold else text):
                found = super()._find_between(words, index, last if step > 0 else first, step)
                if found is not None:
                    return found
            index = last + 1 if step > 0 else first - 1
        return None

    def _block(self, index: int, step: int) -> tuple[int, int]:
        """The first and the last of some lines from `index` on in one direction: about as many bytes as are read at
        once, and at least that line."""
        if step > 0:
            last = bisect_right(self._starts, self._starts[index] + _FIND_BLOCK, index, self._count) - 1
            return index, max(last, index)
        first = bisect_right(self._starts, self._stop(index) - _FIND_BLOCK, 0, index)
        return min(first, index), index


class LogFile:
    """Follows a log; used by one thread at a time. What it knows is given as `LogLines`."""

    def __init__(self, path: Path, *, ascii_only: bool) -> None:
        self.path, self.ascii_only = path, ascii_only
        self._file: BinaryIO | None = None
        self._closed = False
        self._forget()

    def _forget(self) -> None:
        self._starts, self._end, self._block = array("Q"), 0, FIRST_BLOCK

    def close(self) -> None:
        """Let go of the file for good; lines that were given are empty from then on."""
        self._closed = True
        self._drop()

    def _drop(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def lines(self) -> LogLines:
        """What is known now."""
        return LogLines(self._file, self._starts, len(self._starts), self._end, ascii_only=self.ascii_only)

    @property
    def is_whole(self) -> bool:
        """Whether everything before is known."""
        return not self._starts or self._starts[0] == 0

    def poll(self) -> tuple[bool, bool]:
        """Look for new lines: whether there are any, and whether it is another file than before."""
        if self._closed:
            return False, False
        try:
            found = self.path.stat()
            if not stat.S_ISREG(found.st_mode):  # a pipe would never open
                raise FileNotFoundError(self.path)
        except OSError:
            self._drop()
            was_known = bool(self._starts)
            self._forget()
            return was_known, was_known
        another = self._file is None
        if self._file is not None:
            with contextlib.suppress(OSError):
                another = os.fstat(self._file.fileno()).st_ino != found.st_ino or found.st_size < self._end
        if another:
            self._drop()
            self._forget()
            try:
                self._file = self.path.open("rb", buffering=0)
            except OSError:
                return False, True
        if found.st_size == self._end:
            return another, another
        self._read_on(found.st_size)
        return True, another

    def _read_on(self, size: int) -> None:
        """Take in what was appended; of a long file that is new to us, its end only."""
        at = self._end
        if not self._starts:
            at = self._whole_line_after(size - self._block, size) if size > self._block else 0
            self._starts.append(at)
        elif self._read(at - 1, at) == b"\n":
            self._starts.append(at)
        while at < size:
            block = self._read(at, min(size, at + LAST_BLOCK))
            if not block:
                break
            self._starts.extend(at + found.end() for found in _NEWLINE.finditer(block))
            at += len(block)
        self._end = at
        if self._starts and self._starts[-1] >= at:
            self._starts.pop()  # nothing of that line is there yet

    def _whole_line_after(self, at: int, size: int) -> int:
        """Where the first line after a byte begins; the byte itself where none does."""
        found = self._read(at, size - 1).find(b"\n")
        return at + found + 1 if found >= 0 else at

    def load_before(self, *, everything: bool, wanted: Callable[[], bool]) -> int:
        """Go back by a block, each larger than the one before, or to the beginning: how many lines came."""
        came = 0
        pieces: list[array[int]] = []
        first = self._starts[0] if self._starts else 0
        while first > 0 and wanted():
            start = max(0, first - self._block)
            block = self._read(start, first)
            if len(block) < first - start:
                break
            begins = array("Q", (start + found.end() for found in _NEWLINE.finditer(block, 0, len(block) - 1)))
            if start == 0:
                begins.insert(0, 0)
            elif not begins:
                begins.append(start)  # a line longer than the block is shown in pieces
            pieces.append(begins)
            came += len(begins)
            first = begins[0]
            self._block = min(2 * self._block, LAST_BLOCK)
            if not everything:
                break
        if pieces:
            together = array("Q")
            for piece in reversed(pieces):
                together.extend(piece)
            together.extend(self._starts)
            self._starts = together
        return came

    def _read(self, start: int, stop: int) -> bytes:
        try:
            return os.pread(self._file.fileno(), stop - start, start) if self._file else b""
        except (OSError, ValueError):
            return b""
