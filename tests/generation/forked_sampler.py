"""Sampler processes for tests, forked from one process that has imported torch: seconds less for each.

What is forked is a sampler like any other from `craft.generation.server.main` on, with a pid, a session and pipes of
its own; it can be killed, and ends with whoever asks it. Tests of how a sampler starts take a real one.
"""

from __future__ import annotations

import array
import atexit
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest

from tests.children import ROOT

# The sampler, and what it imports of it only when a checkpoint needs it.
IMPORTED = (
    "craft.generation.sampler.answering",
    "craft.generation.sampler.checkpoints_held",
    "craft.generation.server",
    "craft.config.experiments",
    "craft.data.tokenizers",
    "craft.models",
    "craft.runs.saving",
    "numpy.random",
)
_STREAMS = 3


class ForkedSampler:
    """A forked sampler, used like a `subprocess.Popen`."""

    def __init__(self, command: list[str], *, stderr: Any, **_: Any) -> None:
        python, _, module, *arguments = command
        assert (python, module) == (sys.executable, "craft.generation.server")
        asked, self_asks = os.pipe()
        self_hears, said = os.pipe()
        errors = os.open(os.devnull, os.O_WRONLY) if stderr == subprocess.DEVNULL else os.dup(stderr.fileno())
        order = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}  # noqa: PTH109
        self.pid: int = _nursery().ask([asked, said, errors], **order)["pid"]
        for descriptor in (asked, said, errors):
            os.close(descriptor)
        self.stdin, self.stdout = os.fdopen(self_asks, "wb", buffering=0), os.fdopen(self_hears, "rb", buffering=0)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = _nursery().ask([], collect=self.pid)["status"]
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a forked sampler", timeout or 0.0)
            time.sleep(0.005)
        return status

    def kill(self) -> None:
        if self.poll() is None:  # until it is collected, its number is no other process's
            os.kill(self.pid, signal.SIGKILL)


def fork_samplers(patch: pytest.MonkeyPatch) -> None:
    """Let whoever starts a sampler in this process get a forked one."""
    stand_in = SimpleNamespace(
        Popen=ForkedSampler,
        PIPE=subprocess.PIPE,
        DEVNULL=subprocess.DEVNULL,
        TimeoutExpired=subprocess.TimeoutExpired,
    )
    patch.setattr("craft.runs.sampler_client.subprocess", stand_in)


@pytest.fixture
def forked_samplers(monkeypatch: pytest.MonkeyPatch) -> None:
    """`fork_samplers` for one test."""
    fork_samplers(monkeypatch)


class _Nursery:
    """The process that forks. One order at a time, from any thread."""

    def __init__(self) -> None:
        self._socket, other = socket.socketpair()
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.generation.forked_sampler", str(other.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
                cwd=ROOT,
                start_new_session=True,
            )
        self._answers = self._socket.makefile("rb")
        self._one_at_a_time = threading.Lock()

    def ask(self, descriptors: list[int], **order: Any) -> dict[str, Any]:
        with self._one_at_a_time:
            # A byte that carries the descriptors, then the order: nothing reads on past the byte.
            given = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
            self._socket.sendmsg([b"."], given)
            self._socket.sendall(json.dumps(order).encode() + b"\n")
            line = self._answers.readline()
        assert line, "the nursery ended"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        self._answers.close()
        self._socket.close()  # its order to leave
        self._process.wait()


@cache
def _nursery() -> _Nursery:
    nursery = _Nursery()
    atexit.register(nursery.close)
    return nursery


# In the nursery ------------------------------------------------------------------------------------------------------


def main(descriptor: int) -> None:
    """Import, then fork for each order until there are no more; those that live leave when this does."""
    for name in IMPORTED:
        importlib.import_module(name)
    orders = socket.socket(fileno=descriptor)
    lines = orders.makefile("rb")
    while True:
        byte, streams, _, _ = socket.recv_fds(orders, 1, _STREAMS)
        if not byte:
            return
        order = json.loads(lines.readline())
        if "collect" in order:
            ended, status = os.waitpid(order["collect"], os.WNOHANG)
            answer = {"status": os.waitstatus_to_exitcode(status) if ended else None}
        else:
            pid = os.fork()
            if pid == 0:
                _become_sampler(orders, streams, order)
            for stream in streams:
                os.close(stream)
            answer = {"pid": pid}
        orders.sendall(json.dumps(answer).encode() + b"\n")


def _become_sampler(orders: socket.socket, streams: list[int], order: dict[str, Any]) -> None:
    """From here on all is as in a sampler that was started anew. Does not return."""
    status = 1
    try:
        os.setsid()
        os.close(orders.fileno())
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["folder"])
        from craft.generation import server

        status = server.main(order["arguments"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main(int(sys.argv[1]))
