"""Two `craft resume` of one run at the same time: one goes on, the other says why not."""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from pathlib import Path

from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.stage import left_behind, project, until
from craft.runs.events import read_events
from craft.runs.jsonl import read_lines
from craft.runs.liveness import observe
from tests.launch.project import Project

STEPS = 20
_LONGEST_PAUSE = 0.6


def run(times: int, work: Path) -> Outcome:
    """So many times two commands want to go on with one run; each goes on where the last one ended.

    Every second time one of them stands still between what it planned and what it does, for up to as long as the other
    needs for everything.
    """
    outcome, chance, said = Outcome(), random.Random(2), Counter[str]()
    with project(work / "project") as stage:
        assert stage.craft("run", "experiments.toml", "tiny", f"training.max_steps={STEPS}").returncode == 0
        for number in range(times):
            pause = chance.uniform(0, _LONGEST_PAUSE) if number % 2 else 0.0
            outcome.once(*(f"{number}: {one}" for one in _both(stage, (number + 2) * STEPS, pause, chance, said)))
        outcome.broken += left_behind(stage.folder)
    outcome.worst = "one went on each time" if not outcome.broken else "see below"
    outcome.notes = "the other one said: " + ", ".join(f"{words} ({count})" for words, count in said.most_common())
    return outcome


def _both(stage: Project, steps: int, pause: float, chance: random.Random, said: Counter[str]) -> list[str]:
    folder = stage.run("tiny-001")
    before = sum(event["kind"] == "resumed" for event in read_events(folder))
    words = ["resume", folder.name, f"training.max_steps={steps}"]
    commands = []
    for own_pause in chance.sample((0.0, pause), 2):
        stage.environment["CRAFT_FAULT_PAUSE"] = str(own_pause)
        commands.append(stage.start(*words, *(["--detach"] if chance.random() < 0.5 else [])))
    broken, left = [], []
    for command in commands:
        try:
            _, errors = command.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            command.kill()
            _, errors = command.communicate()
            broken.append("it hangs")
        left.append((command.returncode, errors))
    if not until(lambda: observe(folder).phase == "finished" and not observe(folder).held):
        broken.append(f"the run is {observe(folder).phase}")
    ended = sorted(code for code, _ in left)
    if ended != [0, 2]:
        broken.append(f"they ended with {ended}: {left}")
    for code, errors in left:
        if code == 2:
            said[_kind(errors)] += 1
            if len(errors.splitlines()) != 1 or folder.name not in errors:
                broken.append(f"it said {errors!r}")
    resumed = sum(event["kind"] == "resumed" for event in read_events(folder)) - before
    if resumed != 1:
        broken.append(f"the run was resumed {resumed} times")
    steps_seen = [record["step"] for record in read_lines(folder.metrics) if "train/loss" in record]
    if steps_seen != list(range(1, steps + 1)):
        broken.append(f"its curve has {len(steps_seen)} steps of {steps}, or some twice")
    return broken


def _kind(errors: str) -> str:
    for words in ("is already queued or being started", "is being trained", "is finished", "has gone on meanwhile"):
        if words in errors:
            return words
    return errors.strip()[-120:]


TWO_RESUMES = Fault(
    name="two-resumes",
    what="two `craft resume` of one run at once, half of them with one that stands still between plan and deed",
    promise="exactly one goes on, once, and the other says so in one line",
    times=100,
    run=run,
    least=4,
    stands_in="commands and queue are the real ones, the pause is put between two of their calls; the workers keep the "
    "contract and train nothing",
)
