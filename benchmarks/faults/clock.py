"""A clock that is set while runs train and wait, forward and back by up to a day.

The clock of this machine stays: `stand_ins/moved_clock.py` moves what the time calls say, and the times of new files,
in every process of the fault, as `sitecustomize`; the monotonic clock goes on, as it does when a clock is set.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import sys
import time
from pathlib import Path

from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.hang_ups import reached, seen_by_another_command
from benchmarks.faults.stage import gaps, project, until
from benchmarks.faults.stand_ins import moved_clock
from benchmarks.faults.strangers import begin, make
from craft import platform
from craft.launch import workers
from craft.launch.queue import dispatch
from craft.launch.queue.entries import Entry, Queue
from craft.runs.folder import RunFolder
from craft.runs.jsonl import read_lines
from craft.runs.liveness import observe
from craft.runs.status import Status, StatusWriter, read_status
from tests.launch.project import Project

DAY = 86_400.0
AT_WORK = ("running", "evaluating")
_COMMANDS_EVERY = 5  # jumps; a command takes longer than all else
_QUEUED_EVERY = 4
_HEARTBEATS = 8.0  # seconds in which a worker in a long step must have said that it lives
_APART = 5.0  # seconds between what a worker says that time it is, and what it was told
_OFF = 2.0  # seconds by which the time of training may be off: the newest record was made a moment ago


class Bench:
    """A run that really trains, one in a step without end, and some that wait for it to end."""

    def __init__(self, stage: Project) -> None:
        self.stage, self.queue = stage, Queue(stage.runs_dir)
        self.waiting: list[RunFolder] = []
        stage.environment["FAKE_STEP_SECONDS"] = "100000"
        self.slow = make(stage, "tiny")
        begin(stage, self.slow)
        stage.environment["FAKE_STEP_SECONDS"] = "0.005"
        self.real = make(stage, "other")
        words = [sys.executable, "-P", "-m", "craft.training.worker", str(self.real.path)]
        pid = platform.spawn_detached(words, self.real.log, stage.environment)
        os.setpriority(os.PRIO_PROCESS, pid, 10)
        assert until(lambda: observe(self.real).phase == "running" and reached(self.real) > 20), (
            self.real.log.read_text()
        )
        self.first, self.began = self._trained(), time.monotonic()

    def jump(self, number: int, offset: float) -> list[str]:
        """Set the clock to be off by so much, and look at everything."""
        self.set_by(offset)
        broken, reached_before = [], reached(self.real)
        said = read_status(self.slow)
        # A clock that never reached the processes would show nothing else: all of them must go by it.
        if abs(time.time() - offset - moved_clock.own_time()) > _APART:
            broken.append("the clock was not set")
        if not until(lambda: _goes_by(read_status(self.real), offset), 15.0):
            broken.append("the run that trains does not go by the clock that was set")
        for _ in range(10):
            for folder, word in ((self.real, "the run that trains"), (self.slow, "the one in a long step")):
                seen = observe(folder)
                if seen.phase not in AT_WORK:
                    broken.append(f"{word} is shown as {seen.phase}: {seen.reason}")
                if re.search(r"\d h\b", seen.reason):
                    broken.append(f"{word}: {seen.reason}")
            time.sleep(0.01)
        if not until(lambda: reached(self.real) > reached_before, 15.0):
            broken.append("the run that trains stands still")
        if number % _QUEUED_EVERY == 0:
            self._queue_one()
        if [entry.run for entry in self.queue.entries()] != [folder.name for folder in self.waiting]:
            broken.append("the queue has another order than the runs were queued in")
        if number % _COMMANDS_EVERY == 0:
            broken += self._commands()
            assert said is not None
            if not until(lambda: (now := read_status(self.slow)) and now.clock > said.clock, _HEARTBEATS):
                broken.append(f"the worker in a long step has said nothing for {_HEARTBEATS:.0f} s")
            if not until(lambda: _goes_by(read_status(self.slow), offset), _HEARTBEATS):
                broken.append("the worker in a long step does not go by the clock that was set")
        return list(dict.fromkeys(broken))

    def _queue_one(self) -> None:
        folder = make(self.stage, "tiny", steps=3)
        StatusWriter(folder).write(phase="queued")
        with dispatch.hold_queue(self.queue):
            self.queue.add([Entry(folder.name, "cpu", 1, time.time())])
        self.waiting.append(folder)

    def _commands(self) -> list[str]:
        broken = []
        seen = seen_by_another_command(self.stage)
        if not {seen.get(self.real.name), seen.get(self.slow.name)} <= set(AT_WORK):
            broken.append(f"another command shows {seen}")
        for words in (["runs"], ["status", self.real.name], ["queue"]):
            said = self.stage.craft(*words)
            if said.returncode or "Traceback" in said.stderr:
                broken.append(f"craft {words[0]} ended with {said.returncode}: {said.stderr}")
            if odd := re.search(r".*(?<!\S)-\d+(\.\d+)? ?[smhd]\b.*", said.stdout):
                broken.append(f"craft {words[0]} shows a time before now: {odd[0].strip()}")
        return broken

    def drain(self, outcome: Outcome) -> None:
        """Let those that wait begin, one after another in their order, while the clock is set again and again."""
        workers.kill(self.slow)
        deadline, jumped = time.monotonic() + 60, time.monotonic()
        left = list(self.waiting)
        dispatch_started = False
        while left and time.monotonic() < deadline:
            if not dispatch_started:
                seen_by_another_command(self.stage)  # a command, which starts a runner
                dispatch_started = True
            phases = [observe(folder).phase for folder in reversed(left)][::-1]  # the last first: see below
            if any(one == "queued" and later != "queued" for one, later in itertools.pairwise(phases)):
                outcome.broken.append("a run began before one that was queued earlier")
                return
            left = [folder for folder, phase in zip(left, phases, strict=True) if phase != "finished"]
            if time.monotonic() - jumped > 0.5:
                jumped = time.monotonic()
                self.set_by(-self.offset)
            time.sleep(0.02)
        outcome.broken += [f"{folder.name} has not finished" for folder in left]
        for folder in self.waiting:
            outcome.broken += gaps(folder, finished=True)

    def end(self, outcome: Outcome) -> tuple[float, float]:
        """How long the run that trains did so and how long its records say, in seconds; then stop it."""
        elapsed = time.monotonic() - self.began
        recorded = self._trained() - self.first
        if abs(recorded - elapsed) > _OFF:
            outcome.broken.append(f"it trained for {elapsed:.1f} s, and its records say {recorded:.1f} s")
        stopped = self.stage.craft("stop", self.real.name)
        if stopped.returncode or observe(self.real).phase != "stopped":
            outcome.broken.append(f"it could not be stopped: {stopped.stderr}")
        times = [record["time"] for record in read_lines(self.real.metrics) if "time" in record]
        if times != sorted(times) or times[0] < 0:
            outcome.broken.append("the time of training goes back")
        return elapsed, recorded

    def _trained(self) -> float:
        """Seconds of training, by the newest record."""
        return max(float(record["time"]) for record in read_lines(self.real.metrics) if "time" in record)

    offset = 0.0

    def set_by(self, seconds: float) -> None:
        """Set the clock."""
        self.offset = seconds
        moved_clock.set_by(self.stage.environment["CRAFT_FAULT_CLOCK"], seconds)


def run(times: int, work: Path) -> Outcome:
    """So many times the clock is set."""
    outcome, chance, place = Outcome(), random.Random(6), str(work / "clock")
    moved_clock.set_by(place, 0.0)
    moved_clock.follow(place)
    try:
        with project(work / "project", CRAFT_FAULT_CLOCK=place) as stage:
            bench = Bench(stage)
            for number in range(times):
                offset = (DAY, -DAY, chance.uniform(-DAY, DAY))[number % 3]
                outcome.once(*(f"{number}, by {offset:.0f} s: {one}" for one in bench.jump(number, offset)))
            bench.drain(outcome)
            trained, recorded = bench.end(outcome)
    finally:
        moved_clock.leave()
    outcome.worst = f"{trained:.1f} s of training were {recorded:.1f} s in the records"
    return outcome


def _goes_by(said: Status | None, offset: float) -> bool:
    """Whether a claim was written by a clock that is off by so much."""
    return said is not None and abs(said.updated - offset - moved_clock.own_time()) < _APART


CLOCK = Fault(
    name="clock",
    what="the clock set forward and back by up to a day, in all processes, while a run trains, one is in a long step "
    "and others wait",
    promise="phases, order of the queue and times of training are as if it had not been set, no command shows a time "
    "before now, and what workers write from then on is by the clock as it was set",
    stands_in="the machine's clock stays; what Python's time calls and the times of new files say is moved in every "
    "process. The run that trains is a real one; the one in a long step and those that wait have workers that keep the "
    "contract and train nothing (fake_worker)",
    times=100,
    run=run,
    least=6,
)
