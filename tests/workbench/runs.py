"""Run folders as a worker leaves them, made by Craft's own writers."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from craft.launch.queue.entries import Entry, Queue
from craft.runs.events import append_event
from craft.runs.folder import RunFolder, RunIdentity, create_run
from craft.runs.lock import hold_run_lock
from craft.runs.metrics import MetricsLog
from craft.runs.status import StatusWriter

DEFINITION = """craft = 1
[experiment.{name}]
description = "as it was resolved"
model = {{ type = "transformer", num_layers = 4 }}
"""

EXPERIMENTS = """craft = 1
[defaults.training]
max_steps = 500
[template.small.model]
type = "transformer"
num_layers = 4
num_heads = 4
hidden_size = 128
[experiment.transformer]
extends = "small"
why = "the baseline that everything else must beat"
[experiment.wide]
extends = "transformer"
why = "is width worth its time?"
model.hidden_size = 256
[experiment.lr]
extends = "transformer"
description = "two learning rates, three seeds"
[experiment.lr.sweep]
strategy = "grid"
axes.optimizer.lr = [0.005, 0.02]
seeds = [1, 2, 3]
"""


def losses(step: int, seed: int = 0) -> tuple[float, float]:
    """A believable training and validation loss."""
    chance = random.Random(1000 * seed + step)
    smooth = 1.45 + 0.04 * seed + 2.75 * math.exp(-step / 70) + 0.5 * math.exp(-step / 400)
    return smooth + chance.gauss(0, 0.045), smooth + 0.05 + 0.0002 * step


def make_run(
    runs_dir: Path,
    experiment: str = "transformer",
    *,
    phase: str = "finished",
    step: int = 500,
    max_steps: int = 500,
    seed: int = 0,
    age: float = 600.0,
    **status: Any,
) -> RunFolder:
    """A run that got to `step`, created `age` seconds ago, with metrics every 5 steps and an evaluation every 50."""
    now = time.time()
    identity = RunIdentity(
        experiment, created=now - age, seed=1337, source="experiments.toml", versions={"torch": "2.13.0"}
    )
    folder = create_run(
        runs_dir, experiment=experiment, definition_toml=DEFINITION.format(name=experiment), identity=identity
    )
    if phase != "queued":
        write_metrics(folder, 0, step, seed)
        append_event(folder, "started", device="cpu", precision="bf16")
        append_event(folder, "checkpoint", step=step)
        folder.log.write_text(f"device cpu\nstep {step}\n")
    train, val = losses(step, seed)
    claim: dict[str, Any] = {
        "phase": phase,
        "step": step if phase != "queued" else 0,
        "max_steps": max_steps,
        "tokens": step * 768,
        "tokens_per_second": 25_100.0,
        "eta_seconds": (max_steps - step) / 40,
        "train_loss": train if phase != "queued" else None,
        "val_loss": val if phase != "queued" else None,
        "best": val,
        "best_step": step,
    }
    StatusWriter(folder).write(progressed=True, **{**claim, **status})
    return folder


def make_waiting(runs_dir: Path, experiment: str = "transformer", *, age: float = 600.0) -> RunFolder:
    """A run in a queue on hold, so that nothing is started."""
    folder = make_run(runs_dir, experiment, phase="queued", step=0, age=age)
    queue = Queue(runs_dir)
    queue.pause()
    queue.add([Entry(folder.name, "cpu", 1, time.time() - age)])
    return folder


def write_metrics(folder: RunFolder, start: int, stop: int, seed: int = 0) -> None:
    log = MetricsLog(folder)
    for step in range(start, stop + 1):
        train, val = losses(step, seed)
        record: dict[str, Any] = {"step": step, "time": step / 40, "tokens": step * 768}
        if step % 5 == 0 and step:
            record |= {"train/loss": train, "train/lr": 0.02, "train/tokens_per_second": 25_100.0}
        if step % 50 == 0:
            record |= {"val/loss": val}
        if len(record) > 3:
            log.append(record)
    log.close()


@contextmanager
def working(folder: RunFolder) -> Iterator[None]:
    """Hold the lock of a run and make its claim anew, as its worker would."""
    lock = hold_run_lock(folder)
    try:
        StatusWriter(folder).write(progressed=True)
        yield
    finally:
        lock.release()


def make_project(place: Path) -> Path:
    """An experiments file; its runs go to `runs` beside it."""
    file = place / "experiments.toml"
    file.write_text(EXPERIMENTS)
    return file


def make_demo(place: Path) -> Path:
    """A project with a run of every kind, for pictures; live ones must be held by `working`."""
    file = make_project(place)
    runs = place / "runs"
    make_run(runs, "transformer", age=86_000, seed=1)
    make_run(runs, "wide", age=7_000, seed=0)
    make_run(runs, "transformer", phase="failed", step=40, age=5_000, error="the loss became NaN at step 41")
    make_run(runs, "lr", phase="stopped", step=200, age=3_000, seed=2)
    make_run(runs, "lr", phase="running", step=120, age=900, seed=3)  # nobody holds it: interrupted
    make_run(runs, "transformer", phase="running", step=310, age=12, seed=0)
    make_waiting(runs, "wide", age=5)
    return file
