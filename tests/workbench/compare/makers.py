"""Runs to compare: two sizes of a model, and a sweep of two rates by three seeds."""

from __future__ import annotations

import json
import math
import random
import time
from pathlib import Path
from typing import Any

from craft.runs.folder import RunFolder, RunIdentity, create_run
from craft.runs.metrics import MetricsLog
from craft.runs.status import StatusWriter
from tests.workbench.runs import make_project

DEFINITION = """craft = 1
[experiment.{experiment}]
description = "as it was resolved"
seed = {seed}
model = {{ type = "transformer", num_layers = 4, hidden_size = {hidden_size} }}
optimizer = {{ type = "muon", lr = {lr} }}
"""


def a_run(
    runs: Path,
    experiment: str,
    level: float,
    *,
    seed: int = 1,
    hidden_size: int = 128,
    lr: float = 0.02,
    steps: int = 500,
    pace: float = 0.025,
    phase: str = "finished",
    age: float = 600.0,
    **identity: Any,
) -> RunFolder:
    """A run whose validation loss falls to about `level`; a step took `pace` seconds."""
    text = DEFINITION.format(experiment=experiment, seed=seed, hidden_size=hidden_size, lr=lr)
    made = RunIdentity(experiment, created=time.time() - age, seed=seed, source="experiments.toml", **identity)
    folder = create_run(runs, experiment=experiment, definition_toml=text, identity=made)
    log = MetricsLog(folder)
    for step in range(0, steps + 1, 10):
        log.append(record_of(step, level, seed, pace))
    log.close()
    StatusWriter(folder).write(
        progressed=True, phase=phase, step=steps, max_steps=500, tokens=768 * steps, val_loss=_loss(steps, level, seed)
    )
    if phase == "finished":
        folder.results.write_text(json.dumps({"parameters": 3300 * hidden_size}))
    return folder


def record_of(step: int, level: float, seed: int, pace: float = 0.025) -> dict[str, Any]:
    """What is logged at a step."""
    record: dict[str, Any] = {"step": step, "time": pace * step, "tokens": 768 * step}
    loss = _loss(step, level, seed)
    record |= {"train/loss": loss - 0.03, "train/tokens_per_second": 768 / pace}
    if step % 50 == 0:
        record |= {"val/loss": loss, "val/bits_per_byte": loss / math.log(2)}
    return record


def _loss(step: int, level: float, seed: int) -> float:
    chance = random.Random(f"{seed} {step}")
    return level + 2.75 * math.exp(-step / 70) + chance.gauss(0, 0.006)


def make_comparable(folder: Path) -> Path:
    """A project: small-001, wide-001, and the sweep `lr` with lr-001 to lr-006. Gives its experiments file."""
    file = make_project(folder)
    runs = folder / "runs"
    a_run(runs, "small", 1.60, flops_per_token=2.5e6, age=900)
    a_run(runs, "wide", 1.52, hidden_size=192, pace=0.035, flops_per_token=5.5e6, age=800)
    for place, (lr, level) in enumerate(((0.005, 1.66), (0.02, 1.58))):
        for seed in (1, 2, 3):
            a_run(
                runs,
                "lr",
                level + 0.01 * seed,
                seed=seed,
                lr=lr,
                group="lr",
                axes={"optimizer.lr": lr, "seed": seed},
                flops_per_token=2.5e6,
                age=700 - 3 * place - seed,
            )
    return file
