"""SIGKILL of the workbench and of the runner while runs train and wait: runs do not notice, the queue goes on."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import psutil

from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.hang_ups import seen_by_another_command
from benchmarks.faults.stage import WORKBENCH, Terminal, gaps, left_behind, project, runner_of, until
from craft import platform
from craft.launch.queue.entries import Queue
from tests.launch.project import Project

STEPS = 6
_FEW = 4  # with fewer runs waiting, ten more are queued
_LAST_INSTANT = 24  # of those that stand_ins/sudden_end.py counts; a run that is started passes eight or more


class Waiting:
    """A project whose queue is filled up again before each kill, so that a runner has something to start."""

    def __init__(self, stage: Project) -> None:
        self.stage, self.queue = stage, Queue(stage.runs_dir)
        self.told: list[str] = []
        self.add()

    def add(self) -> None:
        """Ten runs more."""
        done = self.stage.craft("run", "experiments.toml", "many", f"training.max_steps={STEPS}", "--detach")
        assert done.returncode == 0, done.stderr
        self.told += done.stdout.split()

    def refill(self) -> None:
        if len(self.queue.entries()) < _FEW:
            self.add()

    def kill_runner(self) -> bool:
        """SIGKILL of the runner at this instant, and until it is gone; False when there is none."""
        pid = runner_of(self.stage.runs_dir)
        if pid is None:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it left by itself
            return False
        return until(lambda: platform.reap() or _is_gone(pid), 10.0)

    def faults(self) -> list[str]:
        """What another command sees of the runs that were told, and should not."""
        seen = seen_by_another_command(self.stage)
        sound = ("queued", "starting", "preparing", "running", "evaluating", "finished")
        return [f"{name} is {seen.get(name)}" for name in self.told if seen.get(name) not in sound]

    def end(self, outcome: Outcome) -> None:
        """All are trained to their ends, once each."""

        def all_finished() -> bool:
            seen = seen_by_another_command(self.stage)  # any command starts a runner where there is none
            return all(seen.get(name) == "finished" for name in self.told)

        if not until(all_finished, 120.0, look_every=0.5):
            outcome.broken.append(f"not all that was queued was trained: {self.faults()}")
        for name in self.told:
            outcome.broken += gaps(self.stage.run(name), finished=True)
        outcome.broken += [f"{entry.run} is in the queue for ever" for entry in self.queue.entries()]
        outcome.broken += left_behind(self.stage.folder)


def kill_workbenches(times: int, work: Path) -> Outcome:
    """So many times the workbench dies, half of them as the one that is about to start a runner."""
    outcome, chance, shown = Outcome(), random.Random(3), 0
    with project(work / "project", step_seconds=0.02) as stage:
        waiting = Waiting(stage)
        for number in outcome.trials(times):
            waiting.refill()
            hit = waiting.kill_runner() if number % 2 else True
            terminal = Terminal(WORKBENCH, stage)
            terminal.read_for(chance.uniform(0, 1.0))
            hit = terminal.kill() and hit
            shown += b"many-" in terminal.written
            outcome.once(*(f"{number}: {one}" for one in waiting.faults()), hit=hit)
        trained = len(waiting.told)
        waiting.end(outcome)
    outcome.worst = "no run was lost or begun twice" if not outcome.broken else "see below"
    outcome.notes = f"of {trained} runs; {shown} of the kills came when the runs were on the screen"
    return outcome


def kill_runners(times: int, work: Path) -> Outcome:
    """So many runners die, every second one right before or after one of its writes."""
    outcome, chance, slowest, places = Outcome(), random.Random(4), 0.0, Counter[str]()
    with project(work / "project") as stage:
        waiting = Waiting(stage)
        runners = work / "project" / "runs"
        told = work / "sudden-ends.txt"
        stage.environment["CRAFT_FAULT_TOLD"] = str(told)
        for number in outcome.trials(times):
            waiting.refill()
            if number % 2:
                waiting.kill_runner()
                ends = _lines(told)
                stage.environment["CRAFT_FAULT_INSTANT"] = str(chance.randint(1, _LAST_INSTANT))
                waiting.faults()  # a command, which starts the runner that dies by itself
                del stage.environment["CRAFT_FAULT_INSTANT"]
                until(lambda: runner_of(runners, at_work=False) is None, 20.0, look_every=0.1)
                fell = _lines(told)[len(ends) :]
                places.update(fell)
                hit = bool(fell)
            else:
                until(lambda: runner_of(runners) is not None or waiting.queue.is_empty(), 20.0, look_every=0.05)
                time.sleep(chance.uniform(0, 0.5))
                hit = waiting.kill_runner()
            began = time.monotonic()
            broken = waiting.faults()
            if not until(lambda: runner_of(runners) is not None or waiting.queue.is_empty(), 20.0, look_every=0.05):
                broken.append("no runner after the next command")
            slowest = max(slowest, time.monotonic() - began)
            outcome.once(*(f"{number}: {one}" for one in broken), hit=hit)
        trained = len(waiting.told)
        waiting.end(outcome)
    outcome.worst = f"{slowest:.1f} s from the next command until there was a runner"
    between = ", ".join(f"{count} {place}" for place, count in places.most_common())
    outcome.notes = f"{trained} runs were queued meanwhile; of the kills at chosen instants fell {between or 'none'}"
    return outcome


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _is_gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


_PROMISE = "no run notices, none is started twice, none that waits is lost, the next command starts a runner"
_STANDS_IN = "workbench, runner, commands and queue are the real ones; the workers keep the contract and train nothing"

WORKBENCH_KILLS = Fault(
    name="workbench-kills",
    what="SIGKILL of the workbench at random instants of its first second, half of them with the runner killed before",
    promise=_PROMISE,
    times=100,
    run=kill_workbenches,
    stands_in=_STANDS_IN,
    least=2,
)
RUNNER_KILLS = Fault(
    name="runner-kills",
    what="SIGKILL of the runner, half of them at random instants and half right before or after one of its writes",
    promise=_PROMISE,
    times=100,
    run=kill_runners,
    stands_in=_STANDS_IN + "; at a chosen instant the runner kills itself, with the same signal",
    least=2,
)
