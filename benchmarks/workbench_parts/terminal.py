"""A program in a pseudo terminal, as a person would run it, and what it takes."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

ROWS, COLUMNS = 48, 160
_MOVED = b"\x1b[<35;2;2M"
"""What a terminal writes when the mouse moves."""
CURVE = "\u2500 train ".encode()
"""The line of a drawn curve in a chart's legend, before its last value."""


class Program:
    """A program in a pseudo terminal of 160 x 48."""

    def __init__(self, words: list[str]) -> None:
        self.began = time.perf_counter()
        self.written = b""
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            try:
                os.execve(words[0], words, {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"})
            finally:
                os._exit(127)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self._terminal, keys)

    def read_for(self, seconds: float) -> int:
        """Read what it writes for so long; how many bytes that was."""
        before, stop = len(self.written), time.perf_counter() + seconds
        while (left := stop - time.perf_counter()) > 0:
            if select.select([self._terminal], [], [], left)[0]:
                self.written += os.read(self._terminal, 65_536)
        return len(self.written) - before

    def attend(self, seconds: float) -> int:
        """The same while the mouse moves now and then: where nobody is there, it looks half as often."""
        before, stop = len(self.written), time.perf_counter() + seconds
        while (left := stop - time.perf_counter()) > 0:
            self.press(_MOVED)
            self.read_for(min(left, 2.0))
        return len(self.written) - before

    def until(self, words: bytes, *, start: int = 0, patience: float = 60.0) -> float:
        """Seconds from the start of the program until it has written `words`, looked for from byte `start` on."""
        deadline = time.perf_counter() + patience
        while words not in self.written[start:]:
            left = deadline - time.perf_counter()
            if left <= 0 or not select.select([self._terminal], [], [], left)[0]:
                raise TimeoutError(f"{words!r} never came; the last that came: {self.written[-300:]!r}")
            self.written += os.read(self._terminal, 65_536)
        return time.perf_counter() - self.began

    def answered(self, keys: bytes, words: bytes) -> float:
        """Seconds from a key until `words` were written."""
        start, began = len(self.written), time.perf_counter()
        self.press(keys)
        self.until(words, start=start)
        return time.perf_counter() - began

    def megabytes(self) -> float:
        """Resident memory now."""
        return self._memory("VmRSS")

    def most_megabytes(self) -> float:
        """The most memory that it ever took."""
        return self._memory("VmHWM")

    def _memory(self, name: str) -> float:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1000

    def cpu_seconds(self) -> float:
        """Processor time until now, in hundredths."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End it at once."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._terminal)


def workbench(file: Path) -> list[str]:
    """The command that opens the workbench on a file."""
    return [sys.executable, "-m", "workbench.app", str(file)]


def verdict(what: str, found: str, asked: str, held: bool) -> bool:
    """Say what was found beside what was asked."""
    print(f"{what}: {found}; asked: {asked}: {'held' if held else 'MISSED'}", flush=True)
    return held
