"""Terminals that hang up, as a lost connection does: under `craft run`, `craft watch` and the workbench."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.stage import WORKBENCH, Terminal, acknowledged, gaps, left_behind, project, until
from craft.runs.folder import RunFolder
from craft.runs.liveness import observe
from tests.launch.project import Project

PROGRAMS = ("craft run", "craft watch", "the workbench")
LONG = ("tiny-001", "other-001")
MANY_STEPS, FEW_STEPS = 1_000_000, 20
SLOTS = "8"


class Trial:
    """One terminal that goes, and what was there before."""

    def __init__(self, stage: Project, number: int, chance: random.Random) -> None:
        self.stage, self.chance = stage, chance
        self.program = PROGRAMS[number % len(PROGRAMS)]
        self.known = set(stage.runs_dir.iterdir())
        self.terminal = Terminal(_words(self.program, stage), stage)
        # Every fourth time at once, while the program starts; else when it shows something.
        if number % 4:
            self.terminal.read_for(20.0, lambda written: len(written) > 30)
            self.terminal.read_for(chance.uniform(0, 0.7))
        else:
            self.terminal.read_for(chance.uniform(0, 0.5))
        self.steps = {name: reached(stage.run(name)) for name in LONG}
        self.told: list[str] = []
        self.phases: dict[str, str] = {}
        self.orphans = 0
        """Runs that were made, and not yet queued, nor told to anyone."""

    def hang_up(self) -> tuple[float, list[str]]:
        """Close the terminal: how long the program took to leave, and what did not hold."""
        began = time.monotonic()
        self.terminal.hang_up()
        broken = []
        if not self.terminal.has_ended():
            broken.append(f"{self.program} is still there 10 s after its terminal went")
            self.terminal.kill()
        seconds = time.monotonic() - began
        self.told = acknowledged(self.terminal.written)
        self.phases = seen_by_another_command(self.stage)
        broken += [f"{name} was told, and is not there" for name in self.told if name not in self.phases]
        for path in set(self.stage.runs_dir.iterdir()) - self.known:
            if (path / "run.json").exists():
                broken += self._follow(RunFolder(path))
        for name in LONG:
            broken += self._trains_on(name)
        return seconds, broken

    def _follow(self, folder: RunFolder) -> list[str]:
        """A run that the program made comes to its end."""
        if self.phases.get(folder.name) == "interrupted" and folder.name not in self.told:
            self.orphans += 1
            return []
        if not until(lambda: observe(folder).phase == "finished"):
            return [f"{folder.name} of {self.program} is {observe(folder).phase}"]
        return gaps(folder, finished=True)

    def _trains_on(self, name: str) -> list[str]:
        if self.phases.get(name) != "running":
            return [f"another command shows {name} as {self.phases.get(name)}"]
        if not until(lambda: reached(self.stage.run(name)) > self.steps[name], 10.0):
            return [f"{name} does not train on"]
        return []


def run(times: int, work: Path) -> Outcome:
    """So many times a program loses its terminal, while at least two runs train."""
    outcome, chance = Outcome(), random.Random(10)
    slowest, orphans = 0.0, 0
    with project(work / "project", step_seconds=0.02) as stage:
        long = [f"training.max_steps={MANY_STEPS}", "--detach", "--slots", SLOTS]
        begun = stage.craft("run", "experiments.toml", "tiny", "other", *long)
        assert begun.stdout.split() == list(LONG), begun.stderr
        for name in LONG:
            stage.wait_for_step(name, 1)
        for number in range(times):
            trial = Trial(stage, number, chance)
            seconds, broken = trial.hang_up()
            slowest, orphans = max(slowest, seconds), orphans + trial.orphans
            outcome.once(*(f"{number}: {one}" for one in broken))
        for name in LONG:
            outcome.broken += gaps(stage.run(name), finished=False)
            stopped = stage.craft("stop", name)
            outcome.broken += [f"after all that, {name}: {stopped.stderr}"] if stopped.returncode else []
        outcome.broken += left_behind(stage.folder)
    outcome.worst = f"{slowest:.2f} s until a program without its terminal had left"
    if orphans:
        outcome.notes = f"{orphans} runs were made by a `craft run` that had told nobody of them, and were not begun"
    return outcome


def _words(program: str, stage: Project) -> list[str]:
    if program == "the workbench":
        return WORKBENCH
    if program == "craft watch":
        return stage.command("watch", "tiny-001")
    return stage.command(
        "run", "experiments.toml", "tiny", "other", f"training.max_steps={FEW_STEPS}", "--slots", SLOTS
    )


def seen_by_another_command(stage: Project) -> dict[str, str]:
    """Phases, as `craft runs` lists them."""
    listed = stage.craft("runs", "--json")
    assert listed.returncode == 0, listed.stderr
    return {line["run"]: line["phase"] for line in map(json.loads, listed.stdout.splitlines())}


def reached(folder: RunFolder) -> int:
    """The step of the last record."""
    with folder.metrics.open("rb") as file:
        file.seek(max(0, folder.metrics.stat().st_size - 1000))
        lines = file.read().splitlines()
    records = [json.loads(line) for line in lines[1:] if line.endswith(b"}")]
    return max((record.get("step", 0) for record in records), default=0)


HANG_UPS = Fault(
    name="hang-ups",
    what="the terminal closed under `craft run`, `craft watch` and the workbench, at their start too, while runs train",
    promise="every run goes on with no gap in its curve, another command sees it, and no process is left behind",
    times=100,
    run=run,
    least=4,
    stands_in="programs, terminals and queue are the real ones; the workers keep the contract and train nothing",
)
