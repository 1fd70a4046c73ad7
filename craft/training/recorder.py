"""The one place where a run's folder is written while it trains: metrics, events, claim.

A disk that does not take a record stops nothing: metrics and events wait in memory, the claim is tried again, and it
is said.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from craft import platform
from craft.errors import TrainingError
from craft.runs.events import EventWriter
from craft.runs.folder import RunFolder, read_identity, update_identity
from craft.runs.metrics import MetricsLog
from craft.runs.status import StatusWriter
from craft.training.requests import LOOK_UP_SECONDS, Requests
from craft.training.room import RoomWatch

# A full disk, or one that may not be written to: somebody may mend it, and there is nothing else left to do.
_MAY_PASS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
CLAIM_SECONDS = 0.5
HEARTBEAT_SECONDS = 2.0  # the claim moves at least this often, also in a step that takes minutes


class Recorder:
    """Writes one run's folder. Made by the holder of the run's lock."""

    def __init__(self, folder: RunFolder, save_tokenizer: Callable[[Path], None] = lambda _: None) -> None:
        self.folder, self.save_tokenizer = folder, save_tokenizer
        # Open for good: some file systems number a folder anew once nobody has it open.
        self._place = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._metrics = MetricsLog(folder)
        self._events = EventWriter(folder)
        self._status = StatusWriter(folder)
        self._writing, self._telling = threading.Lock(), threading.Lock()
        self.requests = Requests(self)
        self._asked_to_stop = False  # a plain flag: a signal handler may set it at any instant
        self.signals = 0
        """How often this process was asked to stop, and not by a request."""
        self._claimed = 0.0
        self._disk_was_full = False
        self._room = RoomWatch()
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._heart_stop = threading.Event()

    # The claim ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to claim the run, and to keep the claim fresh."""
        self.phase("starting", error=None, message=None)
        self._heart.start()

    def _beat(self) -> None:
        while not self._heart_stop.wait(LOOK_UP_SECONDS):
            with contextlib.suppress(Exception):  # training looks too, and hears of what is wrong; the heart beats on
                self.requests.look()
            with self._writing:
                if time.monotonic() - self._status.status.clock >= HEARTBEAT_SECONDS / 2 and not self.is_gone:
                    self._status.write()

    @property
    def is_gone(self) -> bool:
        """Whether the run's folder was deleted or renamed; its name may be another run's by now, and is left alone.

        One without `run.json` is what a deletion left of it that met with something just being written.
        """
        try:
            os.stat(self.folder.at("run.json"))  # noqa: PTH116 - asked before each write
            return not os.path.samestat(self.folder.path.stat(), os.fstat(self._place))
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:  # a file system that does not answer just now
            return False

    def require_folder(self) -> None:
        """Raises TrainingError once the run's folder is gone."""
        if self.is_gone:
            raise TrainingError(f"{self.folder.path}: the run's folder is gone, so nothing of it can be saved any more")

    def phase(self, phase: str, **changes: Any) -> None:
        """Claim a phase. An asked-for stop shows as "stopping" until it is done."""
        changes.setdefault("message", None)
        if self.leaving and phase in ("running", "evaluating", "paused"):
            phase = "stopping"
        self._claim(phase=phase, **changes)

    def _claim(self, *, durable: bool = False, **changes: Any) -> None:
        with self._writing:
            if not self.is_gone:
                self._status.write(progressed=True, durable=durable, **changes)

    def progressed(self, *, step: int, tokens: int, seconds: float, eta_seconds: float | None) -> None:
        """Claim progress, at most twice a second."""
        now = time.monotonic()
        if now - self._claimed < CLAIM_SECONDS:
            return
        self._claimed = now
        self.require_folder()
        if self._events.held_back:
            with contextlib.suppress(OSError):
                self._flush_events()
        left = None if eta_seconds is None else round(eta_seconds, 1)
        self._claim(step=step, tokens=tokens, seconds=round(seconds, 3), eta_seconds=left)

    def finish(self, phase: str, *, error: str | None = None, message: str | None = None, **changes: Any) -> None:
        """Answer what waits, put the last metrics and an outcome on disk, and end.

        A full disk is waited for until a stop is asked for.
        """

        def write_metrics() -> None:
            self._metrics.sync()
            if self._metrics.held_back:
                raise _full()

        if not self.is_gone:
            self._until_there_is_room(write_metrics, "the last metrics")
            self._until_there_is_room(self._flush_events, "the last events")
        self._heart_stop.set()
        if self._heart.is_alive():
            self._heart.join()
        if not self.is_gone:
            self.requests.close(phase, message or error)  # from here on nobody takes any
            self._until_there_is_room(self._flush_events, "the last answers")
        try:
            self._metrics.close()
        except OSError as fault:
            self.say(f"the last metrics are not on disk: {fault.strerror}")

        outcome = {"phase": phase, "error": error, "message": message, "eta_seconds": None, **changes}

        def write_outcome() -> None:
            self._claim(durable=True, **outcome)
            if self._status.fault and not self.is_gone:
                raise self._status.fault

        self._until_there_is_room(write_outcome, "the outcome")
        os.close(self._place)
        self._place = -1

    def _until_there_is_room(self, write: Callable[[], None], what: str) -> None:
        """Try until it is on disk, or until somebody asks the run to leave."""
        said = False
        while True:
            try:
                write()
            except OSError as fault:
                if fault.errno not in _MAY_PASS or self.leaving:
                    self.say(f"{what}: not on disk: {fault.strerror}")
                    return
                if not said:
                    self.say(f"{what}: waiting until the disk takes it: {fault.strerror}")
                    said = True
                self.wait(1.0)
            else:
                return

    # Records -----------------------------------------------------------------------------------------------------

    def metrics(self, record: dict[str, Any], *, tokens_per_second: float | None = None) -> None:
        """Append a metrics record, and keep the claim's figures; the speed is that of the last records together."""
        self._metrics.append(record)
        waiting = self._metrics.held_back
        if waiting and not self._disk_was_full:
            self.warn("the disk takes no metrics; they wait in memory and training goes on")
        elif self._disk_was_full and not waiting:
            dropped = f"; {self._metrics.dropped} were lost" if self._metrics.dropped else ""
            self.warn(f"the disk takes metrics again; what waited is written{dropped}")
        self._disk_was_full = bool(waiting)
        changes: dict[str, Any] = {
            field: record[name]
            for field, name in (
                ("step", "step"),
                ("tokens", "tokens"),
                ("seconds", "time"),
                ("train_loss", "train/loss"),
                ("val_loss", "val/loss"),
            )
            if name in record
        }
        if tokens_per_second is not None:
            changes["tokens_per_second"] = round(tokens_per_second, 1)
        for field in ("train_loss", "val_loss"):
            if field in changes and not abs(changes[field]) < float("inf"):
                changes[field] = None
        with self._writing:
            self._status.status = replace(self._status.status, **changes)

    def sync(self) -> None:
        """Force the metrics to disk; a failure is said when the checkpoint that follows fails too."""
        try:
            self._metrics.sync()
        except OSError as error:
            self.say(f"the metrics could not be forced to disk: {error.strerror}")

    def event(self, kind: str, **fields: Any) -> None:
        """Append an event and print it to the log."""
        words = " ".join(f"{name}={_short(value)}" for name, value in fields.items())
        self.say(f"{kind} {words}".rstrip() if kind != "warning" else f"warning: {fields.get('text', words)}")
        if self.is_gone:
            return
        try:
            with self._telling:
                self._events.event(kind, **fields)
        except OSError as error:
            self.say(f"this event waits in memory: {error.strerror}")

    def _flush_events(self) -> None:
        with self._telling:
            self._events.flush()

    def warn(self, text: str) -> None:
        """Say something that a person should see."""
        self.event("warning", text=text)

    def say(self, text: str) -> None:
        """Print to the log, with the time."""
        encoding = sys.stdout.encoding or "utf-8"  # what it cannot write, as half a character of JSON, is escaped
        text = text.encode(encoding, "backslashreplace").decode(encoding)
        try:
            print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)  # noqa: T201 - the worker's output is the log
        except OSError:
            sys.stdout = _another_over(sys.stdout)

    def preparing(self, line: str) -> None:
        """Say what is being prepared."""
        self.phase("preparing", message=line)

    def evaluated(self, step: int, figures: dict[str, float], *, best: float | None) -> None:
        """An evaluation is done."""
        finite = {name: round(value, 6) for name, value in figures.items() if abs(value) < float("inf")}
        known = self._status.status
        is_best = best is not None and best != known.best
        self.event("evaluated", step=step, **finite, best=is_best)
        self._claim(best=best, best_step=step if is_best else known.best_step)

    def saved(self, step: int, path: Path) -> None:
        """A checkpoint is on disk."""
        self.event("checkpoint", step=step, path=path.name)
        if words := self._room.after(path):
            self.warn(words)

    def nonfinite(self, step: int) -> None:
        """The loss was NaN or infinite at a step; said once a step."""
        if getattr(self, "_nonfinite_step", None) != step:
            self._nonfinite_step = step
            self.event("nonfinite", step=step)
            self.warn(f"the loss was not finite at step {step}")

    def started(self) -> None:
        """The run begins at step 0; what an earlier start recorded before its first checkpoint is superseded."""
        if self.folder.metrics.exists() and self.folder.metrics.stat().st_size:
            self._metrics.resumed(-1)
        self.event("started")

    def resumed(self, step: int) -> None:
        """What follows goes on from a checkpoint."""
        self._metrics.resumed(step)
        self.event("resumed", step=step)

    def changed(self, text: str, **chosen: Any) -> None:
        """Something that was chosen at the first start is another now, and stays so when the run is resumed."""
        self.event("changed", text=text, **chosen)
        self.say(text)
        try:
            update_identity(self.folder, chosen={**read_identity(self.folder).chosen, **chosen})
        except OSError as error:
            self.warn(f"run.json is not written: {error.strerror}")

    def rolled_back(self, bad: int, step: int, reason: str, lr_scale: float) -> None:
        """What was recorded past `step` is superseded, and training goes on from there."""
        self._metrics.resumed(step)
        self.event("rolled_back", step=step, from_step=bad, reason=reason, lr_scale=lr_scale)
        self.say(f"back from step {bad} to step {step}: {reason}; the learning rate goes on at {lr_scale:g} of it")

    def sample(self, step: int, prompt: str, text: str, **settings: Any) -> None:
        """A text that the model wrote on its way."""
        if self.is_gone:
            return
        try:
            with self._telling:
                self._events.sample(step=step, prompt=prompt, text=text, **settings)
        except OSError as error:
            self.say(f"a sample of step {step} waits in memory: {error.strerror}")

    def results(self, summary: dict[str, Any]) -> None:
        """Write the final summary. A full disk is waited for until a stop is asked for."""
        if self.is_gone:
            return
        content = (json.dumps(summary, indent=1) + "\n").encode()
        self._until_there_is_room(lambda: platform.write_file_durable(self.folder.results, content), "results.json")

    # Being asked to stop -----------------------------------------------------------------------------------------

    @property
    def leaving(self) -> bool:
        """Whether the run was asked to stop."""
        return self._asked_to_stop

    def ask_to_stop(self) -> None:
        """Safe in a signal handler: the request is answered at the end of the step."""
        self.signals += 1
        self._asked_to_stop = True

    def leave(self) -> None:
        """Wait for nothing any more."""
        self._asked_to_stop = True

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than until a stop is asked for."""
        deadline = time.monotonic() + seconds
        while not self._asked_to_stop and time.monotonic() < deadline:
            time.sleep(0.05)


def _another_over(stream: TextIO) -> TextIO:
    """A new stream to where `stream` could not write: what a full disk did not take is given up, what comes is not.

    The old one would fail over the same text again and again. A stream over no file is given up for good.
    """
    try:
        return open(stream.fileno(), "w", encoding=stream.encoding, errors="replace", closefd=False)
    except (OSError, ValueError):
        return open(os.devnull, "w")  # noqa: PTH123


def _full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _short(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
