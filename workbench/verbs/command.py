"""A `craft` command as a child process, for what needs torch or has no page of its own."""

from __future__ import annotations

import codecs
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

_PROGRAM = "from craft.cli import main; main()"
_PIPE = 65536  # bytes that a pipe holds
_LOOK_EVERY = 0.1  # seconds between two looks whether it has ended
_LONGEST = 100_000  # characters of a line; what is longer goes on in the next


class Command:
    """Runs until it ends by itself or is told to. Nothing can be typed to it: what would ask needs --yes."""

    def __init__(self, words: Sequence[str], place: Path, columns: int) -> None:
        self._told_to_end = False
        environment = {**os.environ, "COLUMNS": str(columns), "PYTHONUNBUFFERED": "1"}
        # A session of its own: the terminal's keys do not reach it, and all that it starts can be ended with it.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM, *words],
            cwd=place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )

    def portions(self) -> Iterator[list[str]]:
        """What it prints, some lines at a time, until it has ended; of a line that is written over, what it is at last.
        What it leaves running may print on, which is not waited for."""
        decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        begun = ""
        for chunk in self._chunks():
            *lines, begun = (begun + decoder.decode(chunk)).split("\n")
            if len(begun) > _LONGEST:
                lines, begun = [*lines, begun], ""
            if lines:
                yield [_at_last(line) for line in lines]
        if begun := begun + decoder.decode(b"", final=True):
            yield [_at_last(begun)]
        self._process.wait()

    def _chunks(self) -> Iterator[bytes]:
        assert self._process.stdout is not None
        with self._process.stdout as output, selectors.DefaultSelector() as ready:
            ready.register(output, selectors.EVENT_READ)
            has_ended = False
            while not has_ended:
                has_ended = self._process.poll() is not None  # all that it wrote is in the pipe then: one more look
                if ready.select(0 if has_ended else _LOOK_EVERY):
                    if not (chunk := os.read(output.fileno(), _PIPE)):
                        return
                    yield chunk

    @property
    def status(self) -> int | None:
        """How it ended, minus a signal's number; None while it runs."""
        return self._process.poll()

    def end(self) -> None:
        """Ctrl-C, and nothing milder the second time."""
        self._signal(signal.SIGKILL if self._told_to_end else signal.SIGINT)
        self._told_to_end = True

    def kill(self) -> None:
        """End it at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:  # else the number may be another's by now
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


def _at_last(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]
