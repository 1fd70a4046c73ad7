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
from craft.runs.status import StatusWriter, read_status
from tests.launch.project import Project

DAY = 86_400.0
AT_WORK = ("running", "evaluating")
_COMMANDS_EVERY = 5  # jumps; a command takes longer than all else
_QUEUED_EVERY = 4
_HEARTBEATS = 8.0  # seconds in which a worker in a long step must have said that it lives


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
        self.began = time.monotonic()
        words = [sys.executable, "-P", "-m", "craft.training.worker", str(self.real.path)]
        pid = platform.spawn_detached(words, self.real.log, stage.environment)
        os.setpriority(os.PRIO_PROCESS, pid, 10)
        assert until(lambda: observe(self.real).phase == "running" and reached(self.real) > 20), (
            self.real.log.read_text()
        )

    def jump(self, number: int) -> list[str]:
        """Look at everything after the clock was set."""
        broken, reached_before = [], reached(self.real)
        said = read_status(self.slow)
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

    def end(self, outcome: Outcome) -> float:
        """Stop the run that trained; what its longest record says and how long it was, in seconds, must agree."""
        stopped = self.stage.craft("stop", self.real.name)
        elapsed = time.monotonic() - self.began
        if stopped.returncode or observe(self.real).phase != "stopped":
            outcome.broken.append(f"it could not be stopped: {stopped.stderr}")
        times = [record["time"] for record in read_lines(self.real.metrics) if "time" in record]
        if times != sorted(times):
            outcome.broken.append("the time of training goes back")
        if times[-1] > elapsed or min(times) < 0:
            outcome.broken.append(f"it trained for {elapsed:.0f} s, and its records say {times[-1]:.0f} s")
        return elapsed

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
                bench.set_by((DAY, -DAY, chance.uniform(-DAY, DAY))[number % 3])
                outcome.once(*(f"{number}, by {bench.offset:.0f} s: {one}" for one in bench.jump(number)))
            bench.drain(outcome)
            elapsed = bench.end(outcome)
    finally:
        moved_clock.leave()
    outcome.worst = f"{elapsed:.0f} s of training were {elapsed:.0f} s in the records" if outcome.held else "see below"
    return outcome


CLOCK = Fault(
    name="clock",
    what="the clock set forward and back by up to a day, in all processes, while a run trains, one is in a long step "
    "and others wait",
    promise="phases, order of the queue, ages and times of training are as if it had not been set",
    times=100,
    run=run,
    least=6,
)
