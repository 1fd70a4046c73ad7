"""A run is changed while it trains, killed, and falls back to a checkpoint from before the change.

Its twin has the same changes from its beginning and is never touched; both must end in the same bits. Some of the
changed runs are let go on to their end instead: the twin is what an untouched run with the same change comes to.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.faults.exact_resumes import differences, reached, wait_unless_ended
from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.nursery import Nursery, Worker
from craft.config.schema import ExperimentConfig
from craft.runs import checkpoints, control
from craft.runs.changes import read_changes
from craft.runs.events import read_events
from craft.runs.folder import RunFolder
from craft.runs.liveness import observe
from tests.training import runs

STEPS = 240  # a second: a worker looks for requests five times in it
COMMAND_EVERY, UNTOUCHED_EVERY = 20, 5
MOST_CHANGES = 2
KEPT = {"every": 20, "keep": 40}
DEFINITIONS: tuple[dict[str, Any], ...] = (
    {"optimizer": {"type": "muon"}, "scheduler": {"type": "warmup_stable_decay"}},
    {"optimizer": {"type": "adamw"}, "scheduler": {"type": "cosine"}},
)


def run(times: int, work: Path) -> Outcome:
    """Change, kill and fall back that often."""
    outcome, rng, seen = Outcome(), random.Random(19), Counter[str]()
    text = runs.write_text(work / "text.txt")
    length = {"max_steps": STEPS, "eval_every": 80, "log_every": 5}
    definitions = [runs.definition(text, training=length, checkpoint=KEPT, **parts) for parts in DEFINITIONS]
    with Nursery() as nursery:
        unchanged = []
        for definition in definitions:
            unchanged.append(runs.make_run(work / "runs", definition, "unchanged"))
            nursery.train(unchanged[-1])
        while outcome.tried < times:
            which, by_command = outcome.tried % len(definitions), outcome.tried % COMMAND_EVERY == 0
            untouched = outcome.tried % UNTOUCHED_EVERY == UNTOUCHED_EVERY - 1
            trial = Trial(nursery, work, definitions[which], rng, seen)
            if not trial.change(by_command=by_command):
                continue  # the run was over before it heard of it
            broken = trial.go_on() if untouched else trial.kill_and_fall_back()
            outcome.once(*(f"{trial.folder.name}: {one}" for one in [*broken, *trial.compare(unchanged[which])]))
    outcome.worst = f"{len(outcome.broken) or 'none'} differ"
    outcome.notes = ", ".join(f"{count} {what}" for what, count in seen.most_common())
    return outcome


class Trial:
    """One run that is changed."""

    def __init__(
        self, nursery: Nursery, work: Path, definition: ExperimentConfig, rng: random.Random, seen: Counter[str]
    ) -> None:
        self.nursery, self.work, self.definition, self.rng, self.seen = nursery, work, definition, rng, seen
        self.folder = runs.make_run(work / "runs", definition, "changed")
        self.asked: list[str] = []
        self.worker: Worker

    def change(self, *, by_command: bool) -> bool:
        """Ask for one change or more, the last of them perhaps not yet made; False when the run ends before it took
        the first."""
        rng = self.rng
        self.in_the_middle = rng.random() < 0.3
        if rng.random() < 0.15:
            self._ask({"optimizer.lr": 0.003})  # before there is a worker
        self.worker = self.nursery.start(self.folder)
        for number in range(rng.randint(1, MOST_CHANGES)):
            self._wait_for_step(rng.randrange(STEPS // 3))
            values: dict[str, Any] = {"optimizer.lr": round(rng.uniform(0.0005, 0.01), 5)}
            if number:
                values = rng.choice((values, {"training.grad_clip": 0.5}, {"optimizer.weight_decay": 0.3}))
            if by_command and not number:
                self._command(values)
                self.seen["by `craft set`"] += 1
            else:
                self._ask(values)
            wait_unless_ended(self.worker, lambda: len(self._taken("request")) == len(self.asked))
            if not self.in_the_middle:
                wait_unless_ended(self.worker, lambda: len(self._taken("changed", "refused")) == len(self.asked))
        return bool(self._taken("request")) and observe(self.folder).phase != "finished"

    def _wait_for_step(self, step: int) -> None:
        wait_unless_ended(self.worker, lambda: reached(self.folder) >= step)

    def _ask(self, values: dict[str, Any]) -> None:
        self.asked.append(control.request(self.folder, "set", values=values))

    def _command(self, values: dict[str, Any]) -> None:
        settings = [f"{path}={value}" for path, value in values.items()]
        command = [str(Path(sys.executable).with_name("craft")), "set", str(self.folder.path), *settings, "--no-wait"]
        before = set(self.folder.control.iterdir())
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or self.worker.poll() is not None, done.stderr
        events = [event["request"] for event in read_events(self.folder) if event["kind"] == "request"]
        there = [path.stem for path in self.folder.control.iterdir() if path not in before and path.name[0] != "."]
        self.asked += [one for one in dict.fromkeys([*events, *there]) if one not in self.asked]

    def _taken(self, *kinds: str) -> list[str]:
        """The requests that events of these kinds name."""
        events = read_events(self.folder)
        return [event["request"] for event in events if event["kind"] in kinds and not event.get("again")]

    def kill_and_fall_back(self) -> list[str]:
        """SIGKILL, in the middle of a change or some steps behind it; then damage every checkpoint since before it."""
        rng, folder = self.rng, self.folder
        time.sleep(rng.uniform(0, 0.03 if self.in_the_middle else 0.25))
        acknowledged = self._taken("changed")
        self.worker.kill()
        self.worker.wait()
        changes = read_changes(folder)
        lost = set(acknowledged) - {change.request for change in changes}
        broken = [f"changes that were announced are not there: {lost}"] if lost else []
        fell_in = len(changes) < len(self._taken("request"))
        self.seen["killed before the change was on disk" if fell_in else "killed after the change was on disk"] += 1
        present = checkpoints.list_checkpoints(folder)
        before = [info for info in present if not changes or info.step < changes[0].step] or present[:1]
        target = rng.choice(before)
        for info in present:
            if info.step > target.step:
                weights = info.path / "model.safetensors"
                weights.write_bytes(weights.read_bytes()[:-1])
        self.nursery.train(folder, disturb=rng.randrange(10**6))
        resumed = [event["step"] for event in read_events(folder) if event["kind"] == "resumed"]
        if resumed != [target.step]:
            broken.append(f"it went on from {resumed}, not from {target.step}")
        again = {event["request"] for event in read_events(folder) if event["kind"] == "changed" and event.get("again")}
        if missing := {change.request for change in changes if change.step > target.step} - again:
            broken.append(f"it came to {missing} again and said nothing")
        return broken

    def go_on(self) -> list[str]:
        """Let it come to its end."""
        self.seen["not killed"] += 1
        status = self.worker.wait()
        return [] if status == 0 else [f"it ended with {status}"]

    def compare(self, unchanged: RunFolder) -> list[str]:
        """With a twin that had the changes from its beginning, and with a run that had none."""
        twin = runs.make_run(self.work / "runs", self.definition, "twin")
        changes = read_changes(self.folder)
        if changes:
            twin.changes.write_bytes(self.folder.changes.read_bytes())
        self.nursery.train(twin)
        broken = differences(self.folder, twin)
        if changes and not differences(self.folder, unchanged):
            broken.append("the change changed nothing")
        return broken


LIVE_CHANGE = Fault(
    name="live-change",
    what=(
        "the learning rate, and other settings, changed while a run trains; SIGKILL in the middle of it or some steps "
        "later; every checkpoint since before the change damaged"
    ),
    promise=(
        "a change that was announced is on disk; the run falls back, comes to the change again at its step, and ends "
        "in the bits of an untouched run with the same change"
    ),
    times=50,
    run=run,
    least=5,
    stands_in="the workers are real ones, forked from a process that had imported torch; but for one in "
    f"{COMMAND_EVERY} the changes are asked for as `craft set` asks, without the command",
)
