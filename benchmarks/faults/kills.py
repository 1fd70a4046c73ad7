"""SIGKILL at random instants of a worker's life: at start-up, while it trains, measures and saves.

A run is killed LIVES times, each life beginning where the last one left; then one life more is let go on and stops as
asked, and another run is taken. What was acknowledged is what anyone could read an instant before the kill.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.nursery import Nursery
from craft import platform
from craft.errors import CraftError
from craft.launch.going_on.resume import plan_resume
from craft.launch.workers import start_worker
from craft.runs import checkpoints
from craft.runs.events import read_events
from craft.runs.folder import RunFolder, load_identity
from craft.runs.liveness import observe
from craft.runs.metrics import MetricsReader
from craft.runs.status import load_status
from tests.training import runs

LIVES = 25
REAL_EVERY = 20  # one worker in so many is started as `craft run` starts it, torch's import and all
AT_ONCE = 2.0  # seconds within which a dead run must show as interrupted
LOG_EVERY, EVAL_EVERY, SAVE_EVERY = 3, 7, 4
BEGINNINGS = ("started", "resumed")
PLACES = ("start-up", "anywhere", "save", "evaluation")


class Process(Protocol):
    """A worker to be killed."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self) -> int: ...


class Real:
    """A worker started as Craft starts one."""

    def __init__(self, folder: RunFolder) -> None:
        self.pid = start_worker(folder, {}).pid

    def poll(self) -> int | None:
        """Zero once it has ended, in whatever way: `reap` collects it, and its status with it."""
        platform.reap()
        return None if platform.start_ticks(self.pid) is not None else 0

    def wait(self) -> int:
        """Until it has ended."""
        while self.poll() is None:
            time.sleep(0.005)
        return 0


@dataclass
class Tally:
    """What is seen over all kills."""

    fell: Counter[str] = field(default_factory=Counter)
    real: int = 0
    torn: int = 0
    slowest: float = 0.0
    trained_again: int = 0

    def worst(self) -> str:
        """What has a size."""
        torn = f"; {self.torn} half lines, of records that nobody had seen" if self.torn else ""
        return (
            f"{1000 * self.slowest:.0f} ms until it was shown; {self.trained_again} steps trained again, where "
            f"{SAVE_EVERY} lie between two saves{torn}"
        )

    def notes(self) -> str:
        """Where the kills fell, and how the workers were started."""
        where = ", ".join(f"{count} {place}" for place, count in self.fell.most_common())
        return f"of the kills fell {where}; {self.real} workers were started as `craft run` starts them"


class Victim:
    """One run, and what is known of it."""

    def __init__(self, folder: RunFolder, tally: Tally) -> None:
        self.folder, self.tally = folder, tally
        self.saved: int | None = None
        """The newest checkpoint's step at the last kill."""
        self.events_read = self.damaged = 0

    def kill(self, process: Process) -> list[str]:
        """SIGKILL now; what does not hold then."""
        folder = self.folder
        claimed = folder.status.exists()
        seen = {path: _whole_lines(path) for path in (folder.metrics, folder.events)}
        os.kill(process.pid, signal.SIGKILL)
        killed = time.monotonic()
        process.wait()
        expected = "interrupted" if claimed or folder.status.exists() else "queued"
        while (phase := observe(folder).phase) != expected and time.monotonic() - killed < AT_ONCE:
            time.sleep(0.001)
        self.tally.slowest = max(self.tally.slowest, time.monotonic() - killed)
        broken = [] if phase == expected else [f"shown as {phase} {AT_ONCE:g} s after the kill"]
        begun = _kind_count(folder, BEGINNINGS) > self.lives_begun
        self.tally.fell[_where(folder) if begun else "at start-up"] += 1
        broken += [f"{path.name}: acknowledged lines are gone" for path, was in seen.items() if not _begins(path, was)]
        return broken + self._look()

    def _look(self, *, stopped: bool = False) -> list[str]:
        """What does not hold of the files of a dead run; one that was asked to stop may owe its last evaluation."""
        folder = self.folder
        broken = [fault for fault in (load_status(folder)[1], load_identity(folder)[1]) if fault]
        named: list[str] = []
        newest = checkpoints.newest_valid(folder, lambda info, problems: named.append(f"step {info.step}: {problems}"))
        broken += [f"a damaged checkpoint: {one}" for one in named]
        at = newest.step if newest else None
        events = read_events(folder)
        acknowledged = [event["step"] for event in events if event["kind"] == "checkpoint"]
        if acknowledged and (at is None or at < acknowledged[-1]):
            broken.append(f"checkpoint {acknowledged[-1]} was announced, and the newest is {at}")
        for event in events[self.events_read :]:
            if event["kind"] == "resumed" and event["step"] != self.saved:
                broken.append(f"it went on from {event['step']}, not from {self.saved}")
            if event["kind"] == "started" and self.saved is not None:
                broken.append(f"it began anew, with checkpoint {self.saved} there")
            if event["kind"] in ("warning", "failed", "refused"):
                broken.append(f"it said: {event}")
        self.events_read, self.saved = len(events), at
        broken += self._look_at_metrics(at, owing=stopped)
        try:
            plan_resume(folder, [])
        except CraftError as error:
            broken.append(f"it cannot be resumed: {error}")
        return broken

    def _look_at_metrics(self, at: int | None, *, owing: bool) -> list[str]:
        """Whether every record up to a checkpoint is there, and no more than one line is torn."""
        reader = MetricsReader(self.folder.metrics)
        reader.poll()
        trained = {record["step"] for record in reader.records if "train/loss" in record}
        measured = {record["step"] for record in reader.records if "val/loss" in record}
        reached = max(trained | measured, default=0)
        if at is not None:
            self.tally.trained_again = max(self.tally.trained_again, reached - at)
        torn, self.damaged = reader.damaged - self.damaged, reader.damaged
        self.tally.torn += torn
        broken = [f"{torn} lines torn by one kill"] if torn > 1 else []
        if at is not None:
            due = {1, *range(LOG_EVERY, at + 1, LOG_EVERY)} if at else set()
            if lost := sorted(due - trained):
                broken.append(f"records of steps {lost[:5]} are not there, and checkpoint {at} is")
            if lost := sorted(set(range(0, at if owing else at + 1, EVAL_EVERY)) - measured):
                broken.append(f"evaluations of steps {lost[:5]} are not there, and checkpoint {at} is")
        return broken

    def wait_two_minutes(self) -> None:
        """Let what the kills left look old: what is younger than a minute another machine may be writing."""
        for path in self.folder.path.iterdir():
            if path.name[0] == "." and path.suffix == ".tmp":
                os.utime(path, (time.time() - 120.0,) * 2)

    def stop(self, process: Process) -> list[str]:
        """Let a last life go on from where the last kill left it, and end as asked: nothing is left over."""
        saves = _kind_count(self.folder, ("checkpoint",))
        if not wait_until(process, lambda: _kind_count(self.folder, ("checkpoint",)) > saves):
            return [f"it ended by itself, as {observe(self.folder).reason}"]
        os.kill(process.pid, signal.SIGTERM)
        process.wait()
        phase = observe(self.folder).phase
        broken = [] if phase == "stopped" else [f"asked to stop, it is {phase}"]
        broken += self._look(stopped=True)
        left = [path.name for path in (*self.folder.path.iterdir(), *self.folder.checkpoints.iterdir())]
        return broken + [f"{name} is left over" for name in left if name[0] == "."]

    @property
    def lives_begun(self) -> int:
        """How many lives came as far as to begin or go on, until the last kill."""
        return _kind_count(self.folder, BEGINNINGS, self.events_read)


def run(times: int, work: Path) -> Outcome:
    """Kill that often."""
    outcome, tally, rng = Outcome(), Tally(), random.Random(9)
    text = runs.write_text(work / "text.txt")
    definition = runs.definition(
        text,
        data={"val_fraction": 0.5},
        training={"max_steps": 100_000, "eval_every": EVAL_EVERY, "log_every": LOG_EVERY},
        checkpoint={"every": SAVE_EVERY, "keep": 3},
    )
    with Nursery() as nursery:
        while outcome.tried < times:
            victim = Victim(runs.make_run(work / "runs", definition), tally)
            broken: list[str] = []
            for _ in range(min(LIVES, times - outcome.tried)):
                real = outcome.tried % REAL_EVERY == REAL_EVERY - 1
                tally.real += real
                process = Real(victim.folder) if real else nursery.start(victim.folder)
                lives = wait_for_the_instant(victim, process, rng.choice(PLACES), rng, startup=1.6 if real else 0.1)
                broken = victim.kill(process) if lives else ["its worker ended by itself"]
                outcome.once(*(f"{victim.folder.name}: {one}" for one in broken))
                if not lives:
                    break
            else:
                victim.wait_two_minutes()
                last = victim.stop(nursery.start(victim.folder))
                if last and not broken:  # of the last kill, whose resume this was
                    outcome.broken.append(f"{victim.folder.name}, going on: {'; '.join(last)}")
    outcome.worst, outcome.notes = tally.worst(), tally.notes()
    return outcome


def wait_for_the_instant(victim: Victim, process: Process, place: str, rng: random.Random, *, startup: float) -> bool:
    """Until a random instant of what the worker is to be killed in; False when it has ended by itself."""
    folder = victim.folder
    if place == "start-up":
        time.sleep(rng.uniform(0, startup))
        return process.poll() is None
    begun = victim.lives_begun
    lives = wait_until(process, lambda: _kind_count(folder, BEGINNINGS) > begun)
    if place == "save":
        lives = lives and wait_until(process, lambda: _in_a_save(folder))
    elif place == "evaluation":
        lives = lives and wait_until(process, lambda: _phase(folder) == "evaluating")
    time.sleep(rng.uniform(0, 0.1 if place == "anywhere" else 0.008))
    return lives and process.poll() is None


def wait_until(process: Process, seen: Callable[[], object]) -> bool:
    """Look until something is seen; False when the worker ends instead."""
    while not seen():
        if process.poll() is not None:
            return False
        time.sleep(0.0005)
    return True


def _in_a_save(folder: RunFolder) -> bool:
    return any(path.name[0] == "." for path in folder.checkpoints.iterdir())


def _phase(folder: RunFolder) -> str:
    claim, _ = load_status(folder)
    return claim.phase if claim else ""


def _where(folder: RunFolder) -> str:
    """What a dead worker was doing that had begun to train."""
    if _in_a_save(folder):
        return "in a save"
    return "in an evaluation" if _phase(folder) == "evaluating" else "in a step"


def _kind_count(folder: RunFolder, kinds: tuple[str, ...], first: int | None = None) -> int:
    return sum(event["kind"] in kinds for event in read_events(folder)[:first])


def _whole_lines(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return b""
    return content[: content.rfind(b"\n") + 1]


def _begins(path: Path, content: bytes) -> bool:
    return not content or path.read_bytes().startswith(content)


KILLS = Fault(
    name="kills",
    what="SIGKILL of a worker at a random instant: at start-up, in a step, in an evaluation, in a save",
    promise=(
        "the newest checkpoint verifies; no record, event or checkpoint that anyone could read is lost, and no record "
        "of a step up to the checkpoint; shown as interrupted at once; it can be resumed, and goes on from there"
    ),
    times=500,
    run=run,
    stands_in=f"the workers are real ones; one in {REAL_EVERY} is started as `craft run` starts it, the others are "
    "forked from a process that had imported torch",
)
