"""The process that trains one run: `python -m craft.training.worker RUN_DIR`.

Exit status: 0 finished or stopped, 1 failed, 2 not a run, 3 another process trains it.
SIGTERM: finish the step, save, leave. A second one within ten seconds: leave now.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from craft import platform
from craft.errors import CraftError, RunBusyError
from craft.runs.folder import RunFolder
from craft.runs.lock import hold_run_lock
from craft.runs.status import read_status
from craft.training.recorder import Recorder

SECOND_SIGNAL_SECONDS = 10.0


class _StopSignals:
    """Turns SIGTERM into a request, and a second one into the end."""

    def __init__(self) -> None:
        self.first = 0.0
        self.ask: Callable[[], None] = lambda: None
        signal.signal(signal.SIGTERM, self._handle)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for whoever follows the run
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.first and now - self.first < SECOND_SIGNAL_SECONDS:
            os._exit(128 + number)
        self.first = now
        self.ask()


def main(arguments: list[str]) -> int:
    """Train the run in the folder `arguments[0]`."""
    signals = _StopSignals()
    folder = RunFolder(Path(arguments[0]).resolve())
    try:
        folder.require()
        lock = hold_run_lock(folder)
    except RunBusyError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 3
    except CraftError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    if not is_wanted(folder):
        print(f"{folder.name}: it does not wait for a worker any more", file=sys.stderr)  # noqa: T201
        return 3
    platform.keep_freed_memory()
    try:
        recorder = Recorder(folder)
        signals.ask = recorder.ask_to_stop
        if signals.first:
            recorder.ask_to_stop()
        recorder.start()
    except OSError as error:
        print(f"{folder.path}: cannot be written: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 1
    try:
        slot = _take_slot(recorder)
    except CraftError as error:  # its folder is gone
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    if recorder.leaving:
        recorder.event("stopped", reason="asked to before training began")
        recorder.finish("stopped", message="stopped before training began")
        return 0
    try:
        from craft.config.definition import load_definition

        name, config = load_definition(folder.definition)
        # Imported late: torch takes most of a second, and the claim and the lock should not wait for it.
        with platform.importing():
            from craft.training.experiment import Experiment
    except Exception as error:
        words = str(error) if isinstance(error, CraftError) else f"{type(error).__name__}: {error}"
        recorder.event("failed", error=words)
        recorder.finish("failed", error=words)
        return 1
    try:
        Experiment(config, name=name, folder=folder, lock=lock, recorder=recorder).run()
    except CraftError:
        return 1  # it stands in status.json and in the log
    except OSError as error:
        print(f"the disk does not take it: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        if slot is not None:
            slot.release()
    return 0


def is_wanted(folder: RunFolder) -> bool:
    """Whether a run that was started from the queue still waits. Call with the run's lock held.

    A runner that is killed right after it started a worker leaves no note of it, and the next one starts another.
    Whichever takes the lock first trains the run; for the other it must not be there to be trained again.
    """
    status = read_status(folder)
    return "CRAFT_SLOT" not in os.environ or status is None or status.phase == "queued"


def _take_slot(recorder: Recorder) -> platform.FileLock | None:
    """Hold the machine's slot that the runner chose for this run, waiting for it; None when there is none to take.

    Raises TrainingError once the run's folder is gone.
    """
    path = os.environ.get("CRAFT_SLOT")
    if not path:
        return None
    slot = platform.FileLock(Path(path))
    while not slot.acquire(0.2):
        if recorder.leaving:
            return None
        recorder.phase("starting", message="waiting for a slot of this machine")
        recorder.requests.look()
    return slot


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Everything is on disk; tearing the interpreter down would take a quarter of a second (docs/measurements.md).
    os._exit(status)
