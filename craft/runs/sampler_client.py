"""The other end of the sampler process: started, asked, listened to, ended. docs/sampler.md has the messages."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from craft.errors import CraftError
from craft.runs.json_files import decode_object
from craft.runs.sampler_protocol import is_final

_END_WITHIN = 2.0  # seconds


class Sampler:
    """A sampler process. One thread may read while others send."""

    def __init__(self, *, memory: str | None = None, log: Path | None = None) -> None:
        """memory: what checkpoints may take together, such as "2GiB". log: where what libraries print is appended."""
        command = [sys.executable, "-m", "craft.generation.server", *(["--memory", memory] if memory else [])]
        errors: Any = log.open("ab") if log is not None else subprocess.DEVNULL
        try:
            # A session of its own: the terminal's Ctrl-C does not reach it. It still ends with this process.
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True, bufsize=0
            )
        finally:
            if log is not None:
                errors.close()
        self._sending = threading.Lock()
        self._rest: list[bytes] = []  # of the line that is not whole yet
        self._lines: list[bytes] = []
        self._number = 0

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def fileno(self) -> int:
        """For select: readable when a message may have come."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def send(self, **message: Any) -> str | int:
        """Ask something; returns its id, one of its own unless given. Raises CraftError when the process has ended."""
        assert self._process.stdin is not None
        with self._sending:
            self._number += 1
            whole = {"id": f"r{self._number}", **message}
            data = memoryview(json.dumps(whole).encode() + b"\n")
            try:
                while data:
                    data = data[self._process.stdin.write(data) or 0 :]
            except (OSError, ValueError) as error:
                raise CraftError(f"the sampler process has ended{self._how()}; start another") from error
        identifier: str | int = whole["id"]
        return identifier

    def receive(self, timeout: float | None = None) -> dict[str, Any] | None:
        """The next message; None when none came in time. Raises CraftError once the process has ended."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._lines:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self], [], [], left)[0]:
                return None
            data = os.read(self.fileno(), 1 << 16)
            if not data:
                raise CraftError(f"the sampler process has ended{self._how()}; start another")
            first, *others = data.split(b"\n")
            self._rest.append(first)
            if others:
                self._lines = [b"".join(self._rest), *others[:-1]]
                self._rest = [others[-1]]
        return decode_object(self._lines.pop(0))

    def ask(self, **message: Any) -> Iterator[dict[str, Any]]:
        """Ask something and give its messages up to the final one; those of other requests are passed over."""
        identifier = self.send(**message)
        while True:
            got = self.receive()
            assert got is not None, "without a limit of time a message comes, or an error"
            if got.get("id") == identifier:
                yield got
                if is_final(got):
                    return

    def kill(self) -> None:
        """End the process at once, from any thread: whoever reads gets what came before, and then the CraftError."""
        self._process.kill()

    def close(self) -> None:
        """End the process. What it was asked is given up. Only while no other thread reads."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    continue
        try:
            self._process.wait(_END_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def end(self) -> int:
        """`close`, and how the process ended: its status, or minus the signal."""
        self.close()
        status: int | None = self._process.returncode
        assert status is not None, "closing waits for the end"
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _how(self) -> str:
        try:
            status = self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            return ""
        return f" (signal {-status})" if status < 0 else f" (status {status})"
