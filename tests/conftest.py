"""What every test stands on: caches and machine state of its own, and one thread a process.

One thread, because models this small gain nothing from more, and two processes that spin on the same two cores
take forty times as long (docs/measurements.md).
"""

from __future__ import annotations

import gc
import itertools
import os
import signal
from pathlib import Path

import pytest

os.environ["OMP_NUM_THREADS"] = "1"  # before anything imports torch; children inherit it

# Run in the background of a script, or under nohup, these are ignored, and what the tests start would ignore them too.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
for _number in (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)


def pytest_collection_finish() -> None:
    """Python looks for garbage less often, and not in what was imported and collected: that takes half a second each
    time, which was a third of what the tests of the workbench took."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


_numbers = itertools.count()


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # One folder with our own numbers: `mktemp` looks through all that lies beside what it makes, test after test.
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def _own_places(_homes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = _homes / str(next(_numbers))
    base.mkdir()
    monkeypatch.setenv("CRAFT_CACHE_DIR", str(base / "cache"))
    monkeypatch.setenv("CRAFT_STATE_DIR", str(base / "state"))
