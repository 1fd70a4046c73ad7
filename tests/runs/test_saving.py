"""Asking a run to save: a worker that answers, one that cannot, one that leaves, one that hangs, none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from craft import platform
from craft.errors import RunError
from craft.runs import control
from craft.runs.events import append_event
from craft.runs.folder import RunFolder
from craft.runs.saving import save_now
from tests.launch.project import wait_for
from tests.training import runs

Answer = Callable[[RunFolder, platform.FileLock, str], None]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = runs.make_run(tmp_path / "runs", runs.definition(runs.write_text(tmp_path / "text.txt")))
    append_event(made, "checkpoint", step=3)
    return made


@pytest.fixture
def worker(folder: RunFolder) -> Iterator[Callable[[Answer], None]]:
    """Holds the run's lock, and answers a request by a function."""
    lock, threads = platform.FileLock(folder.lock), list[threading.Thread]()
    assert lock.acquire()

    def start(answer: Answer) -> None:
        def work() -> None:
            (asked,) = wait_for(lambda: control.take(folder))
            assert asked.kind == "checkpoint"
            answer(folder, lock, asked.id)

        threads.append(threading.Thread(target=work))
        threads[0].start()

    yield start
    for thread in threads:
        thread.join()
    lock.release()


def saves(folder: RunFolder, lock: platform.FileLock, asked: str) -> None:
    append_event(folder, "checkpoint", step=4)  # before it was asked
    append_event(folder, "request", request=asked, asked="checkpoint")
    append_event(folder, "checkpoint", step=5)
    append_event(folder, "answered", request="another's", asked="checkpoint", step=4)
    append_event(folder, "answered", request=asked, asked="checkpoint", step=5)


def fails(folder: RunFolder, lock: platform.FileLock, asked: str) -> None:
    append_event(folder, "request", request=asked, asked="checkpoint")
    append_event(folder, "refused", request=asked, reason="step 5 is not saved: No space left on device")


def leaves(folder: RunFolder, lock: platform.FileLock, asked: str) -> None:
    append_event(folder, "request", request=asked, asked="checkpoint")
    lock.release()


def test_nobody_to_ask(folder: RunFolder) -> None:
    assert save_now(folder) is None
    assert control.take(folder) == []


def test_the_step_that_was_saved_after_the_request(folder: RunFolder, worker: Callable[[Answer], None]) -> None:
    worker(saves)
    assert save_now(folder) == 5


def test_a_disk_that_takes_nothing(folder: RunFolder, worker: Callable[[Answer], None]) -> None:
    worker(fails)
    with pytest.raises(RunError, match="could not save: step 5 is not saved: No space"):
        save_now(folder)


def test_a_worker_that_leaves_has_saved_its_last(folder: RunFolder, worker: Callable[[Answer], None]) -> None:
    worker(leaves)
    assert save_now(folder) is None


def test_a_worker_that_hangs(folder: RunFolder, worker: Callable[[Answer], None]) -> None:
    with pytest.raises(RunError, match=r"has not answered the request to checkpoint .* exp-001@latest|tiny-001@latest"):
        save_now(folder, timeout=0.0)
    assert save_now(folder, cancelled=lambda: True) is None
