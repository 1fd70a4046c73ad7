"""A disk that fills up while a run is on it, and gets room again: really full, a file system of its own in memory.

It fills at a random instant of the start, of the training, of the last steps, or just before the run is asked to stop,
to the last page or to some before it, and stays full for up to a second. Most workers are forks of a process that has
imported torch (`nursery`), one in ten is started as `craft run` starts it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.nursery import Nursery, Worker
from benchmarks.faults.small_disk import SmallDisk, mounted, mounting
from craft.runs import checkpoints
from craft.runs.events import read_events, read_samples
from craft.runs.folder import RunFolder
from craft.runs.json_files import read_object
from craft.runs.jsonl import read_lines
from craft.runs.liveness import observe
from craft.runs.metrics import MetricsReader
from tests.training import runs

STEPS = 160
CURVES = ("train/loss", "train/lr", "val/loss")
_KILOBYTES = 1200  # three checkpoints, the logs of a run, and some room
_PATIENCE = 60.0  # seconds; only there to end what hangs
_FELT = ("takes no metrics", "is not saved", os.strerror(errno.ENOSPC))  # what is said by whoever finds no room
_KINDS = ("start", "training", "end", "stop", "training")

Curve = set[tuple[str, float, float | None]]


class Trial:
    """One run on a disk of its own, and what could be read of it so far."""

    def __init__(self, disk: SmallDisk, folder: RunFolder, chance: random.Random) -> None:
        self.disk, self.folder, self.chance = disk, folder, chance
        self.broken: list[str] = []
        self.waited = 0
        """Records that were made while there was no room for them."""
        self._lines: dict[Path, bytes] = {}
        self._saved = -1
        self.failed_at_start = False
        """Its worker ended, without a word that it could write anywhere."""

    def look(self) -> None:
        """Whatever was acknowledged must be there: lines that could be read, checkpoints that an event named."""
        for path in (self.folder.metrics, self.folder.events):
            content = path.read_bytes() if path.exists() else b""
            lines = content[: content.rfind(b"\n") + 1]
            if not lines.startswith(self._lines.get(path, b"")):
                self.broken.append(f"{path.name} lost lines that could be read before")
            self._lines[path] = lines
        saved = [event["step"] for event in read_events(self.folder) if event["kind"] == "checkpoint"]
        self._saved = max([self._saved, *saved])
        if self._saved < 0:
            return
        problems: list[str] = []
        found = checkpoints.newest_valid(self.folder, lambda info, why: problems.extend(why))
        if found is None or found.step < self._saved:
            have = found.step if found else "none"
            self.broken.append(f"step {self._saved} was saved, the newest whole checkpoint is {have}; {problems}")

    def records(self) -> int:
        return len(read_lines(self.folder.metrics))

    def step(self) -> int:
        """The newest step in the metrics log: the claim moves twice a second only, and not on a full disk."""
        lines = read_lines(self.folder.metrics)
        return int(lines[-1].get("step", 0)) if lines else 0

    def was_felt(self) -> bool:
        """Whether somebody found no room: a disk that is given room again in time is full for nobody."""
        said = self.folder.log.read_text(errors="replace") if self.folder.log.exists() else ""
        said += " ".join(str(event.get("text", "")) for event in read_events(self.folder))
        return self.failed_at_start or any(words in said for words in _FELT)

    def full(self, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> None:
        """A full disk for so long, looked at while it is full and just before there is room again."""
        self.disk.fill(but_pages=self.chance.choice((0, 0, 1, 2, 5, 12)))
        self.look()
        meanwhile()
        time.sleep(seconds)
        self.look()
        before = self.records()
        self.disk.free()
        deadline = time.monotonic() + 2.0
        while (after := self.records()) == before and observe(self.folder).held and time.monotonic() < deadline:
            time.sleep(0.001)
        self.waited = max(self.waited, after - before)


@mounting
def full_disk(times: int, place: Path) -> Outcome:
    """Once on each of so many disks."""
    outcome, chance, most = Outcome(), random.Random(20), 0
    text = runs.write_text(place / "text.txt")
    samples = {"type": "sample_text", "every": 20, "prompts": ["abc"], "max_new_tokens": 8}
    config = runs.definition(text, training={"max_steps": STEPS}, callbacks={"samples": samples})
    with Nursery() as nursery:
        untouched = runs.make_run(place / "runs", config)
        nursery.train(untouched)
        for number in outcome.trials(times):
            with mounted(place / f"disk-{number}", kilobytes=_KILOBYTES) as disk:
                trial = Trial(disk, runs.make_run(disk.path / "runs", config), chance)

                def start(folder: RunFolder = trial.folder, number: int = number) -> Worker | subprocess.Popen[bytes]:
                    return runs.start(folder) if number % 10 == 5 else nursery.start(folder)

                kind = _KINDS[number % len(_KINDS)]
                _try(trial, kind, start)
                trial.look()
                trial.broken += differences(untouched, trial.folder)
                outcome.once(*(f"{number}, full at the {kind}: {one}" for one in trial.broken), hit=trial.was_felt())
                most = max(most, trial.waited)
            (place / f"disk-{number}").rmdir()
    outcome.worst = f"{most} records waited in memory, and were written"
    return outcome


def _try(trial: Trial, kind: str, start: Callable[[], Worker | subprocess.Popen[bytes]]) -> None:
    chance, worker = trial.chance, start()
    try:
        seconds = chance.uniform(0.05, 1.0)
        if kind == "start":
            time.sleep(chance.uniform(0, 0.3))
            trial.full(seconds)
        else:
            first, last = (STEPS - 15, STEPS - 3) if kind == "end" else (5, STEPS - 60)
            step = chance.randint(first, last)
            _until(lambda: trial.step() >= step or worker.poll() is not None)
            trial.full(seconds, (lambda: _stop(trial, worker)) if kind == "stop" else lambda: None)
        _until(lambda: worker.poll() is not None)
        phase = observe(trial.folder).phase
        if worker.poll() == 0 and phase == "finished":
            return
        if kind in ("training", "end") or (kind == "stop" and phase not in ("stopped", "interrupted")):
            trial.broken.append(f"the worker ended with {worker.poll()}, shown as {phase}: {_said(trial.folder)}")
        if phase in ("running", "starting", "preparing"):
            trial.broken.append(f"nobody trains it, and it is shown as {phase}")
        trial.failed_at_start = kind == "start"
        worker = start()
        _until(lambda: worker.poll() is not None)
        if worker.poll() != 0:
            trial.broken.append(f"started again with room, it ended with {worker.poll()}: {_said(trial.folder)}")
    finally:
        if worker.poll() is None:
            trial.broken.append(f"it hung: {_said(trial.folder)}")
            worker.kill()
            worker.wait()


def _stop(trial: Trial, worker: Worker | subprocess.Popen[bytes]) -> None:
    """Ask it to stop while there is no room, and see that it does so without waiting for some."""
    time.sleep(trial.chance.uniform(0, 0.1))
    if worker.poll() is None:
        os.kill(worker.pid, signal.SIGTERM)
        _until(lambda: worker.poll() is not None, 20.0)
        if worker.poll() is None:
            trial.broken.append("asked to stop on a full disk, it had not left after 20 s")


def _until(reached: Callable[[], bool], seconds: float = _PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.002)


def _said(folder: RunFolder) -> str:
    with contextlib.suppress(OSError):
        return " / ".join(folder.log.read_text(errors="replace").splitlines()[-4:])
    return "it has no log"


def differences(untouched: RunFolder, other: RunFolder) -> list[str]:
    """In what a run that is over differs from one that nothing happened to, or is not whole."""
    phase = observe(other).phase
    if phase != "finished":
        return [f"it is {phase}, not finished: {_said(other)}"]
    broken = []
    if _weights(untouched) != _weights(other):
        broken.append("it ended with other weights")
    (wanted, _), (found, damaged) = curve(untouched), curve(other)
    if wanted != found:
        steps = sorted({point[1] for point in wanted ^ found})
        broken.append(f"its curves differ at steps {steps[:6]}")
    if damaged:
        broken.append(f"{damaged} lines of its metrics are damaged")
    wanted_steps, found_steps = (
        {event["step"] for event in read_events(folder) if event["kind"] == "evaluated"}
        for folder in (untouched, other)
    )
    if wanted_steps - found_steps:
        broken.append(f"no event says that steps {sorted(wanted_steps - found_steps)[:6]} were evaluated")
    if _samples(untouched) != _samples(other):
        broken.append(f"{len(_samples(other))} of {len(_samples(untouched))} samples, or others")
    try:
        if read_object(other.results)["phase"] != "finished":
            broken.append("results.json does not say that it finished")
    except (OSError, ValueError) as error:
        broken.append(f"results.json: {error}")
    if "finished" not in _said(other):
        broken.append(f"its log ends before the end: {_said(other)}")
    left = [path.name for path in (*other.path.glob(".*"), *other.checkpoints.glob(".*"), *other.control.iterdir())]
    if left:
        broken.append(f"it left {left}")
    return broken


def _samples(folder: RunFolder) -> list[tuple[int, str, str]]:
    return [(one["step"], one["prompt"], one["text"]) for one in read_samples(folder)]


def _weights(folder: RunFolder) -> str:
    found = checkpoints.newest_valid(folder, lambda info, problems: None)
    return hashlib.sha256((found.path / "model.safetensors").read_bytes()).hexdigest() if found else "none"


def curve(folder: RunFolder) -> tuple[Curve, int]:
    """Every point of its curves, and how many lines of its log are damaged."""
    reader = MetricsReader(folder.metrics)
    reader.poll()
    points = {(name, step, value) for name in CURVES for step, value in zip(*reader.series(name), strict=True)}
    return points, reader.damaged


FULL_DISK = Fault(
    name="full-disk",
    what="The disk fills up at a random instant of a run's start, training, last steps or stop, and gets room again",
    promise="No record, event, sample or checkpoint that was written is lost, what waited is written, a stop is obeyed "
    "and the run ends, gone on with where it was stopped, with the bits and curves of one that nothing happened to",
    times=50,
    run=full_disk,
    stands_in="the disk is a file system in memory of its own; nine workers in ten are real ones that were forked from "
    "a process that had imported torch, each tenth was started as `craft run` starts it",
    least=5,
)
