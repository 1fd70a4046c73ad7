"""Trying out learning rates: what is suggested, and that the model is untouched afterwards."""

from __future__ import annotations

import json
import math
import random
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from craft.config.schema import ExperimentConfig
from craft.errors import TrainingError
from craft.runs.folder import RunFolder
from craft.runs.status import read_status
from craft.training.callbacks.lr_finder import FILE, suggest
from craft.training.experiment import Experiment
from craft.training.training_loop import TrainingLoop
from tests.training import runs
from tests.training.callbacks.here import events_of, make, train, warnings_of

RATES = [1e-5 * 10 ** (n / 20) for n in range(100)]  # to nearly 1
TRAINING = {"max_steps": 30, "batch_size": 4, "micro_batch_size": 2, "eval_every": 10, "log_every": 3}


def losses_over(rates: list[float], noise: float = 0.0) -> list[float]:
    """A fall around 1e-3, and a leap from 0.1 on."""
    rng = random.Random(1)
    falls = [4.0 - 2.0 / (1.0 + (1e-3 / rate) ** 2) + rng.gauss(0, noise) for rate in rates]
    return [loss + max(0.0, 20 * (rate - 0.1)) for loss, rate in zip(falls, rates, strict=True)]


@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_the_steepest_fall_is_found(noise: float) -> None:
    losses = losses_over(RATES, noise)
    end = next(n for n, loss in enumerate(losses) if loss > 1.25 * losses[0])
    found = suggest(RATES[: end + 1], losses[: end + 1])
    assert found is not None
    assert found.diverged == RATES[end]
    assert 0.2 < found.diverged < 0.3
    assert found.steepest == pytest.approx(1e-3, rel=1.0)
    assert found.lr == found.steepest
    assert "falls fastest at" in str(found)
    assert "runs away from" in str(found)


def test_a_fall_too_close_to_the_end_is_not_trusted() -> None:
    losses = [4.0] * 60 + [4.0 - 0.3 * n for n in range(1, 6)] + [2.5, 3.0, 4.0, 6.0]
    found = suggest(RATES[: len(losses)], losses)
    assert found is not None
    assert found.lr == found.diverged / 10 < found.steepest  # type: ignore[operator]


@pytest.mark.parametrize(
    "losses",
    [[4.0] * 100, [4.0 + 0.001 * n for n in range(100)], [4.0, float("nan")], [float("nan")], [4.0, 3.9, 9.0]],
    ids=["still", "rising", "nan", "nan at once", "short"],
)
def test_without_a_fall_nothing_is_suggested(losses: list[float]) -> None:
    assert suggest(RATES[: len(losses)], losses) is None


def test_a_run_ends_with_its_suggestion_and_is_untouched(tmp_path: Path) -> None:
    folder, config = make(tmp_path, {"lr_finder": {"high": 10.0}}, training=TRAINING)
    trainer = train(folder, config)
    assert trainer.step == 0
    (event,) = events_of(folder, "lr_found")
    status = read_status(folder)
    assert status is not None
    assert (status.phase, status.message) == ("finished", event["text"])
    curve = json.loads((folder.path / FILE).read_text())
    assert curve["suggestion"]["lr"] == event["lr"]
    assert len(curve["lr"]) == len(curve["loss"]) > 20
    assert curve["lr"][0] == pytest.approx(1e-5)
    assert all(later > earlier for earlier, later in zip(curve["lr"], curve["lr"][1:], strict=False))
    plain, config = make(tmp_path, {}, training=TRAINING)
    train(plain, config, until=0)
    assert runs.final_weights(folder) == runs.final_weights(plain)
    assert train(folder, folder_config(folder)).step == 0, "it has reached its goal"
    assert len(events_of(folder, "lr_found")) == 1


def folder_config(folder: RunFolder) -> ExperimentConfig:
    from craft.config.definition import load_definition

    return load_definition(folder.definition)[1]


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "torch.optim:SGD"])
def test_a_run_trains_on_as_if_nobody_had_tried(tmp_path: Path, optimizer: str) -> None:
    """The same bits as a run that takes the suggested rate without trying: optimizer, dropout, counters and all."""
    own = {"arguments": {"momentum": 0.9}, "lr": 0.1} if ":" in optimizer else {}
    sections: dict[str, Any] = {"training": TRAINING, "optimizer": {"type": optimizer, **own}}
    tried, config = make(tmp_path, {"lr_finder": {"then": "train", "steps": 40, "high": 5.0}}, **sections)
    trainer = train(tried, config)
    (event,) = events_of(tried, "lr_found")
    code = "from craft.training.callbacks.base import Callback\n\nclass Scale(Callback):\n"
    code += "    def on_train_start(self, trainer):\n"
    code += f"        trainer.set_lr_scale({event['lr']!r} / trainer.optimizer.lr)\n"
    told, config = make(tmp_path, {"scale": {"type": "mine:Scale"}}, code, **sections)
    other = train(told, config)
    assert trainer.lr_scale == other.lr_scale != 1.0
    assert trainer.loop.tokens == other.loop.tokens
    assert runs.final_weights(tried) == runs.final_weights(told)


def test_a_restart_does_not_try_again_and_changes_no_bit(tmp_path: Path) -> None:
    settings = {"lr_finder": {"then": "train", "steps": 20}}
    whole, config = make(tmp_path, settings, training=TRAINING)
    train(whole, config)
    cut, _ = make(tmp_path, settings, training=TRAINING)
    train(cut, config, until=7)
    train(cut, config)
    assert len(events_of(cut, "lr_found")) == 1
    assert runs.final_weights(cut) == runs.final_weights(whole)


def test_a_run_that_was_asked_to_stop_stops_trying(tmp_path: Path) -> None:
    folder, config = make(tmp_path, {"lr_finder": {"steps": 10_000}}, training=TRAINING)
    experiment = Experiment(config, folder=folder)
    trainer = experiment.setup()
    assert experiment.recorder is not None
    experiment.recorder.ask_to_stop()
    started = time.monotonic()
    trainer.fit()
    assert experiment.close().phase == "stopped"
    assert time.monotonic() - started < 5
    assert not events_of(folder, "lr_found")
    assert experiment._lock is not None
    experiment._lock.release()
    fresh, config = make(tmp_path, {}, training=TRAINING)
    train(fresh, config, until=0)
    assert runs.final_weights(folder) == runs.final_weights(fresh)


def test_where_memory_runs_out_it_tries_in_smaller_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = {**TRAINING, "micro_batch_size": "auto"}
    folder, config = make(tmp_path, {"lr_finder": {"then": "train"}}, training=training)
    whole = TrainingLoop._accumulate

    def accumulate(loop: TrainingLoop, batch: Any) -> Any:
        if loop.micro_batch_size > 2:
            raise torch.OutOfMemoryError("too large")
        return whole(loop, batch)

    monkeypatch.setattr(TrainingLoop, "_accumulate", accumulate)
    assert train(folder, config).step == 30
    assert len(events_of(folder, "lr_found")) == 1
    assert [event["micro_batch_size"] for event in events_of(folder, "changed")] == [2]


def test_a_model_that_was_trained_is_left_alone(tmp_path: Path) -> None:
    folder, config = make(tmp_path, {}, training=TRAINING)
    train(folder, config, until=5)
    with_finder = config.model_copy(update={"callbacks": make(tmp_path, {"lr_finder": {}})[1].callbacks})
    assert train(folder, with_finder).step == 30
    assert warnings_of(folder) == ["no learning rate is looked for: the model was trained for 5 steps"]


def test_a_range_without_a_fall_is_said(tmp_path: Path) -> None:
    settings = {"lr_finder": {"low": 900.0, "high": 1000.0, "steps": 20}}
    folder, config = make(tmp_path, settings, training=TRAINING)
    with pytest.raises(TrainingError, match="no learning rate from 900 to 1000 made the loss fall"):
        train(folder, config)
    curve = json.loads((folder.path / FILE).read_text())
    assert curve["suggestion"] is None
    assert all(loss is None or math.isfinite(loss) for loss in curve["loss"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_kills_change_no_bit(tmp_path: Path, seed: int) -> None:
    """Also while it tries, when nothing is saved yet."""
    settings = {"lr_finder": {"then": "train", "steps": 400, "high": 5.0}}
    whole, config = make(tmp_path, settings, training=TRAINING)
    train(whole, config)
    killed, _ = make(tmp_path, settings, training=TRAINING)
    rng = random.Random(seed)
    for number in range(3):
        process = runs.start(killed)
        try:
            if number < 2:
                _wait_for_trying(killed, process)
                time.sleep(rng.uniform(0, 1.0))
            else:
                runs.wait_for_step(killed, rng.randint(1, 25), process)
        finally:
            runs.kill(process)
    assert runs.train(killed) == 0, killed.log.read_text()
    assert runs.final_weights(killed) == runs.final_weights(whole)


def _wait_for_trying(folder: RunFolder, process: Any) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        status = read_status(folder)
        if status is not None and (status.step or "trying learning rates" in (status.message or "")):
            return
        time.sleep(0.005)
    raise AssertionError(folder.log.read_text())
