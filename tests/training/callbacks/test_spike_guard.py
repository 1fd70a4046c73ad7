"""Going back when the loss leaps: what is a leap, what the run does then, and that no restart changes it."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest

from craft.config.schema.callbacks import SpikeGuardConfig
from craft.errors import NonFiniteLossError
from craft.runs import checkpoints
from craft.runs.folder import RunFolder
from craft.runs.metrics import MetricsReader
from craft.runs.status import read_status
from craft.training.callbacks.spike_guard import SpikeGuard
from tests.training import runs
from tests.training.callbacks.here import events_of, make, train, warnings_of

TRAINING = {"max_steps": 60, "batch_size": 4, "micro_batch_size": 4, "eval_every": 20, "log_every": 2}
GUARD = {"window": 8, "sigmas": 6.0}
# Something that goes wrong at a step, as a bad batch would have it: not again when that batch is passed over.
POISON = """
from craft.training.callbacks.base import Callback

class Poison(Callback):
    def __init__(self, at, factor=30.0):
        self.at, self.factor = at, float(factor)

    def on_step_start(self, trainer):
        if trainer.step + trainer.loop.skipped in self.at:
            for parameter in trainer.model.parameters():
                parameter.data.mul_(self.factor)
"""


def guarded(tmp_path: Path, at: list[int], factor: float | str = 30.0, **guard: Any) -> tuple[RunFolder, Any]:
    callbacks = {
        "poison": {"type": "mine:Poison", "arguments": {"at": at, "factor": factor}},
        "spike_guard": {**GUARD, **guard},
    }
    return make(tmp_path, callbacks, POISON, training=TRAINING)


class Asked:
    """A trainer that only notes what it is asked."""

    def __init__(self) -> None:
        self.step, self.back_to = 0, -1
        self.recorder: Any = self
        self.warned: list[str] = []

    def ask_to_roll_back(self, reason: str, *, before_step: int, lr_scale: float) -> None:
        self.back_to = before_step

    def warn(self, text: str) -> None:
        self.warned.append(text)


def leaps(losses: list[float], **settings: Any) -> list[int]:
    """Places in a series of losses, one each tenth step, at which a guard asks to go back."""
    guard, found = SpikeGuard(SpikeGuardConfig(max_rollbacks=1000, **settings)), []
    for place, loss in enumerate(losses):
        trainer: Any = Asked()
        trainer.step = 10 * (place + 1)
        guard.on_log(trainer, {"train/loss": loss})
        if trainer.back_to >= 0:
            found.append(place)
    return found


def test_what_is_a_leap() -> None:
    rng = random.Random(0)
    falling = [1.0 + 3.0 * 0.98**n + rng.gauss(0, 0.05) for n in range(300)]
    assert leaps(falling) == []
    assert leaps([*falling[:100], 4.0, *falling[100:]]) == [100]
    assert leaps([*falling[:100], 1.5, *falling[100:]]) == [], "a quarter more at the least"
    assert leaps([*falling[:5], 40.0, *falling[5:]]) == [], "too little is known of the noise"
    assert leaps([*falling[:5], float("nan"), *falling[5:]]) == [5]
    assert leaps([*falling[:100], float("inf"), float("nan"), 9.0, *falling[100:]]) == [100, 101, 102]
    rare = [0.01, *[0.001] * 50]
    assert leaps([*rare, 0.00124, 0.02]) == [len(rare) + 1], "where all is still, a tenth is no leap"
    assert leaps([2.0, 3.0] * 20, sigmas=0.5, ratio=1.0) == list(range(11, 40, 2))


def test_the_guard_goes_back_to_before_the_steps_of_the_record() -> None:
    guard, trainer = SpikeGuard(SpikeGuardConfig()), Asked()
    for step in [1, *range(10, 200, 10)]:
        trainer.step = step
        guard.on_log(trainer, {"train/loss": 2.0})  # type: ignore[arg-type]
    assert trainer.back_to == -1
    trainer.step = 200
    guard.on_log(trainer, {"train/loss": 8.0})  # type: ignore[arg-type]
    assert trainer.back_to == 190


@pytest.mark.parametrize("factor", [30.0, "nan"])
def test_a_run_goes_back_and_learns_on(tmp_path: Path, factor: float | str) -> None:
    folder, config = guarded(tmp_path, [33], factor)
    trainer = train(folder, config)
    assert (trainer.step, trainer.lr_scale, trainer.loop.skipped) == (60, 0.5, 4)
    (event,) = events_of(folder, "rolled_back")
    assert (event["from_step"], event["step"]) == (34, 30)
    assert event["reason"].startswith("the loss leapt to " if factor == 30.0 else "the loss is nan")
    reader = MetricsReader(folder.metrics)
    reader.poll()
    losses = reader.series("train/loss")[1]
    assert all(loss is not None and loss < 2.5 for loss in losses), "nothing of the leap counts"
    assert not warnings_of(folder)


def test_a_guard_that_went_back_often_enough_says_so(tmp_path: Path) -> None:
    folder, config = guarded(tmp_path, [27, 37, 47], max_rollbacks=2)
    trainer = train(folder, config)
    assert trainer.step == 60
    assert trainer.lr_scale == 0.25
    assert len(events_of(folder, "rolled_back")) == 2
    (said,) = warnings_of(folder)
    assert said.startswith("the loss leapt to")
    assert said.endswith("and the run has gone back 2 times")


def test_a_loss_that_stays_none_fails_the_run_in_the_end(tmp_path: Path) -> None:
    folder, config = guarded(tmp_path, list(range(33, 100)), "nan", max_rollbacks=3)
    with pytest.raises(NonFiniteLossError, match="the loss was not finite at step"):
        train(folder, config)
    assert len(events_of(folder, "rolled_back")) == 3
    status = read_status(folder)
    assert status is not None
    assert status.phase == "failed"


@pytest.mark.parametrize("cut", [34, 46, *(pytest.param(cut, marks=pytest.mark.slow) for cut in (20, 33, 38, 52))])
def test_a_restart_goes_back_in_the_same_way(tmp_path: Path, cut: int) -> None:
    """Two leaps, and a cut before, within and after each; nothing saved at the cut, as a kill would have it."""
    (whole, config), (cut_short, _) = (guarded(tmp_path, [33, 50]) for _ in range(2))
    untouched = train(whole, config)
    assert len(events_of(whole, "rolled_back")) == 2
    train(cut_short, config, until=cut)
    for info in checkpoints.list_checkpoints(cut_short):
        if info.step == cut:
            checkpoints.go_back(cut_short, cut - 1)
    again = train(cut_short, config)
    assert runs.final_weights(cut_short) == runs.final_weights(whole)
    assert again.callbacks.state_dict() == untouched.callbacks.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_kills_change_no_bit(tmp_path: Path, seed: int) -> None:
    (whole, config), (killed, _) = (guarded(tmp_path, [33, 50]) for _ in range(2))
    train(whole, config)
    rng = random.Random(seed)
    for _ in range(4):
        process = runs.start(killed)
        try:
            runs.wait_for_step(killed, rng.randint(1, 50), process)
            time.sleep(rng.uniform(0, 0.1))
        finally:
            runs.kill(process)
    assert runs.train(killed) == 0, killed.log.read_text()
    assert runs.final_weights(killed) == runs.final_weights(whole)
