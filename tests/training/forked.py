"""Workers for tests, forked from one process that has imported torch: a second less for each."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from functools import cache

from benchmarks.faults.nursery import Nursery, Worker
from craft.runs.folder import RunFolder


class Forked:
    """A forked worker, used like a `subprocess.Popen`."""

    def __init__(self, worker: Worker) -> None:
        self._worker, self.pid = worker, worker.pid

    @property
    def returncode(self) -> int | None:
        return self._worker.status

    def poll(self) -> int | None:
        return self._worker.poll()

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a forked worker", timeout or 0.0)
            time.sleep(0.005)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:  # until it is collected, its number is no other process's
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def fork_worker(folder: RunFolder, **environment: str) -> Forked:
    """A worker of `folder`, with the environment as it is now."""
    return Forked(_nursery().start(folder, **environment))


@cache
def _nursery() -> Nursery:
    return Nursery().__enter__()
