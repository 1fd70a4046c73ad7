"""Workers in a few milliseconds: a process that has imported torch forks them, instead of a second of importing each.

    nursery   imports craft.training.experiment, starts no thread, waits for orders on its standard input
      worker  a fork in a session of its own, output in the run's log.txt: craft.training.worker.main from there on

What is killed is that worker, by its own pid, with a real SIGKILL; the nursery collects it, so that none stays a
zombie. One process serves whoever needs workers in its owner's life; when the owner is gone, it kills what it has
forked, and leaves.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from functools import cache
from pathlib import Path
from typing import Any, Self

from craft.runs.folder import RunFolder

ROOT = Path(__file__).parents[2]
# The engine, and what a worker imports of it only when it needs it.
IMPORTED = ("craft.training.experiment", "craft.training.worker", "craft.data.tokenizers", "numpy.random", "tomli_w")


class Worker:
    """A worker that was forked."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery, self.pid = nursery, pid
        self.status: int | None = None
        """How it ended; minus the number of the signal that ended it."""

    def poll(self) -> int | None:
        """How it ended, None while it lives."""
        if self.status is None:
            self.status = self._nursery.ask(collect=self.pid, wait=False)["status"]
        return self.status

    def wait(self) -> int:
        """How it ended, once it has."""
        if self.status is None:
            self.status = self._nursery.ask(collect=self.pid, wait=True)["status"]
        assert self.status is not None
        return self.status

    def kill(self) -> None:
        """SIGKILL, at this instant; until it is collected the number is no other process's."""
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)


class Nursery:
    """Forks workers, as long as the `with` lasts; those that are left then are killed."""

    def __enter__(self) -> Self:
        self._process = _started()
        self._workers: list[Worker] = []
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait()

    def start(self, folder: RunFolder, *, disturb: int | None = None, **environment: str) -> Worker:
        """Fork a worker for a run, with the environment as it is now and more. `disturb`: leave the random generators
        in a state of this number before the run's own is put back."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        order = {"run": str(folder.path), "log": str(folder.log), "environment": environment, "disturb": disturb}
        worker = Worker(self, self.ask(**order)["pid"])
        self._workers.append(worker)
        return worker

    def train(self, folder: RunFolder, *, disturb: int | None = None) -> None:
        """Train to the end. Raises AssertionError when the worker does not come there."""
        status = self.start(folder, disturb=disturb).wait()
        assert status == 0, f"{folder.name} ended with {status}: {folder.log.read_text()[-2000:]}"

    def ask(self, **order: Any) -> dict[str, Any]:
        """Give an order and return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return _read(self._process)


@cache
def _started() -> subprocess.Popen[bytes]:
    """The process that forks, which imports torch once for all that this process does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.faults.nursery"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    atexit.register(process.communicate)  # the end of its input is its order to leave
    _read(process)
    return process


def _read(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the nursery ended"
    answer: dict[str, Any] = json.loads(line)
    return answer


# In the nursery ---------------------------------------------------------------------------------------------------


def main() -> None:
    """Import, then fork for each order until there are no more."""
    for name in IMPORTED:
        importlib.import_module(name)
    import torch

    threads = Path("/proc/self/task")
    if threads.is_dir():
        assert len(list(threads.iterdir())) == 1, "a thread would not be there after a fork, and its locks would"
    assert torch.get_num_threads() == 1
    # Both moved: what a worker reads or prints by mistake must not be taken for an order or an answer.
    orders, answers = os.fdopen(os.dup(0), "rb"), os.dup(1)
    os.dup2(2, 1)
    living: set[int] = set()
    _answer(answers, {"ready": True})
    for line in orders:
        order = json.loads(line)
        if "collect" in order:
            _answer(answers, {"status": _collect(order["collect"], order["wait"], living)})
            continue
        pid = os.fork()
        if pid == 0:
            os.close(answers)
            os.close(orders.fileno())
            _become_worker(order)
        living.add(pid)
        _answer(answers, {"pid": pid})
    for pid in living:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _answer(descriptor: int, answer: dict[str, Any]) -> None:
    os.write(descriptor, json.dumps(answer).encode() + b"\n")


def _collect(pid: int, wait: bool, living: set[int]) -> int | None:
    ended, status = os.waitpid(pid, 0 if wait else os.WNOHANG)
    if not ended:
        return None
    living.discard(pid)
    return os.waitstatus_to_exitcode(status)


def _become_worker(order: dict[str, Any]) -> None:
    """From here on all is as in a worker that was started by `craft run`. Does not return."""
    status = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.close(nothing)
        os.close(log)
        os.environ.clear()
        os.environ.update(order["environment"])
        if order["disturb"] is not None:
            _disturb(order["disturb"])
        from craft.training import worker

        status = worker.main([order["run"]])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _disturb(number: int) -> None:
    """Let the random generators stand elsewhere before a checkpoint's are put back: what another life leaves behind."""
    import random

    import numpy as np
    import torch

    from craft.runs import checkpoints
    from craft.training.experiment import Experiment

    restore = Experiment._restore

    def disturbed(self: Experiment, *arguments: Any) -> None:
        if checkpoints.list_checkpoints(self.folder):
            random.seed(number)
            random.gauss(0, 1)
            np.random.seed(number)
            torch.manual_seed(number)
        restore(self, *arguments)

    setattr(Experiment, "_restore", disturbed)  # noqa: B010 - whatever its arguments are


if __name__ == "__main__":
    main()
