"""Runs that are killed and resumed, and must end in the bits of a run that was never touched."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.nursery import Nursery, Worker
from craft.config.schema import ExperimentConfig
from craft.runs import checkpoints
from craft.runs.folder import RunFolder
from craft.runs.liveness import observe
from craft.runs.manifest import file_digest
from craft.runs.metrics import MetricsReader
from tests.faults.components import definition
from tests.training.runs import make_run

REAL_EVERY = 20  # one run in so many is resumed to its end by the command itself
MOST_KILLS = 3
STEPS = 48
FILES = ("model.safetensors", "training.safetensors")  # with these, weights, optimizer and random states are equal
TIMES = ("time", "train/tokens_per_second", "train/mfu")  # of a record, what no two runs have in common
# Each accumulates, shuffles, and most drop out; their parts by the names of tests/faults/components.py.
CHOICES = (
    {"model": "transformer", "optimizer": "muon", "scheduler": "warmup_stable_decay"},
    {"model": "lstm", "optimizer": "adamw", "scheduler": "cosine", "tokenizer": "byte"},
    {"model": "rnn", "optimizer": "sgd", "scheduler": "one_cycle", "way": "averaged"},
    {"model": "transformer", "optimizer": "lion", "scheduler": "plateau", "callbacks": "spike_guard"},
    {"model": "lstm", "optimizer": "adafactor", "scheduler": "constant", "way": "fp16"},
    {"model": "transformer", "optimizer": "adam", "scheduler": "linear", "data": "jsonl", "way": "computed again"},
    {"model": "transformer", "optimizer": "muon", "scheduler": "cosine", "way": "bf16", "callbacks": "sample_text"},
    {"model": "rnn", "optimizer": "muon", "scheduler": "plateau", "tokenizer": "byte", "way": "averaged"},
    {"model": "transformer", "optimizer": "adamw", "scheduler": "one_cycle", "way": "fp16", "callbacks": "spike_guard"},
)
EPOCHS = {"model": "lstm", "optimizer": "lion", "scheduler": "cosine"}


def run(times: int, work: Path) -> Outcome:
    """So many runs are killed, of each definition in turn."""
    outcome, rng = Outcome(), random.Random(11)
    definitions = [definition(work / "files", choice, max_steps=STEPS, micro_batch_size=2) for choice in CHOICES]
    by_epochs = {"max_steps": 0, "max_epochs": 2, "batch_size": 30, "eval_every": 10, "micro_batch_size": 10}
    definitions.append(definition(work / "files", EPOCHS, **by_epochs))
    kills = real = 0
    untouched: dict[int, RunFolder] = {}
    with Nursery() as nursery:
        while outcome.tried < times:
            which = outcome.tried % len(definitions)
            if which not in untouched:
                untouched[which] = make_run(work / "runs", definitions[which], "untouched")
                nursery.train(untouched[which])
            by_command = outcome.tried % REAL_EVERY == REAL_EVERY // 2 - 1
            folder, killed = kill(nursery, work, definitions[which], rng)
            broken = resume_by_command(folder) if by_command else resume(nursery, folder, rng)
            kills += killed
            real += by_command
            broken += differences(folder, untouched[which])
            outcome.once(*(f"{folder.name}, {killed} times killed: {one}" for one in broken))
    outcome.worst = f"{len(outcome.broken) or 'none'} differ, after {kills} kills"
    outcome.notes = (
        f"the runs are of {len(definitions)} definitions; {real} were resumed to their end by `craft resume`"
    )
    return outcome


def kill(nursery: Nursery, work: Path, config: ExperimentConfig, rng: random.Random) -> tuple[RunFolder, int]:
    """A run that was killed one to MOST_KILLS times before its end, and how often."""
    while True:
        folder, killed = make_run(work / "runs", config, "killed"), 0
        for _ in range(rng.randint(1, MOST_KILLS)):
            worker = nursery.start(folder, disturb=rng.randrange(10**6))
            wait_for_an_instant(folder, worker, rng)
            worker.kill()
            killed += worker.wait() != 0
        if killed and observe(folder).phase != "finished":  # else each kill came too late
            return folder, killed


def resume(nursery: Nursery, folder: RunFolder, rng: random.Random) -> list[str]:
    """By a worker that was forked, to the end; what does not hold."""
    status = nursery.start(folder, disturb=rng.randrange(10**6)).wait()
    return [] if status == 0 else [f"its worker ended with {status}: {folder.log.read_text()[-500:]}"]


def wait_for_an_instant(folder: RunFolder, worker: Worker, rng: random.Random) -> None:
    """Until a random instant of a worker's life: one in five while it starts, the others up to a third of the run on.
    Nothing happens when it ends before."""
    if rng.random() < 0.2:
        time.sleep(rng.uniform(0, 0.1))
        return
    target = reached(folder) + rng.randint(1, STEPS // 3)
    wait_unless_ended(worker, lambda: reached(folder) >= target)
    time.sleep(rng.uniform(0, 0.01))


def wait_unless_ended(worker: Worker, seen: Callable[[], object]) -> None:
    """Look until something is seen or the worker has ended."""
    while not seen() and worker.poll() is None:
        time.sleep(0.001)


def reached(folder: RunFolder) -> int:
    """The last step that was recorded."""
    reader = MetricsReader(folder.metrics)
    reader.poll()
    return max((record["step"] for record in reader.records), default=0)


def resume_by_command(folder: RunFolder) -> list[str]:
    """As a person would, to the end; what does not hold."""
    command = [str(Path(sys.executable).with_name("craft")), "resume", str(folder.path)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return []
    said, log = (done.stdout + done.stderr)[-500:], folder.log.read_text()[-500:]
    return [f"craft resume ends with {done.returncode}, and it is {observe(folder).phase}: {said}, {log}"]


def differences(one: RunFolder, other: RunFolder) -> list[str]:
    """How the ends and the curves of two runs differ, in words."""
    ends = [checkpoints.newest_valid(folder, lambda info, problems: None) for folder in (one, other)]
    if ends[0] is None or ends[1] is None:
        return ["no checkpoint holds"]
    found = [] if ends[0].step == ends[1].step else [f"it ended at step {ends[0].step}, not {ends[1].step}"]
    found += [
        f"{name} differs" for name in FILES if file_digest(ends[0].path / name) != file_digest(ends[1].path / name)
    ]
    if (ours := curve(one)) != (theirs := curve(other)):
        steps = sorted(step for step in ours.keys() | theirs.keys() if ours.get(step) != theirs.get(step))
        first = steps[0]
        found.append(f"the curves differ from step {first} on: {ours.get(first)}, not {theirs.get(first)}")
    return found


def curve(folder: RunFolder) -> dict[int, dict[str, Any]]:
    """All figures of a run by step, but those of its speed."""
    reader = MetricsReader(folder.metrics)
    reader.poll()
    figures: dict[int, dict[str, Any]] = {}
    for record in reader.records:
        kept = {name: value for name, value in record.items() if name not in TIMES}
        figures.setdefault(record["step"], {}).update(kept)
    return figures


EXACT_RESUMES = Fault(
    name="exact-resumes",
    what=(
        f"runs killed by SIGKILL one to {MOST_KILLS} times at random instants and resumed; dropout, shuffled batches, "
        "accumulated gradients, several models, optimizers, schedules and precisions in turn; random generators "
        "disturbed before each resume"
    ),
    promise="weights, optimizer, random states and curves end in the bits of a run that was never touched",
    times=200,
    run=run,
    least=10,
    stands_in="the workers are real ones, forked from a process that had imported torch, but for the one run in "
    f"{REAL_EVERY} that `craft resume` brings to its end",
)
