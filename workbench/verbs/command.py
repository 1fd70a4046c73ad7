"""A `craft` command as a child process, for what needs torch or has no page of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

_PROGRAM = "from craft.cli import main; main()"


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
            text=True,
            encoding="utf-8",
            errors="backslashreplace",
            start_new_session=True,
        )

    def lines(self) -> Iterator[str]:
        """What it prints, line by line, until it has ended; of a line that is written over, what it is at last."""
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                yield line.rstrip("\n").rpartition("\r")[2]
        self._process.wait()

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
