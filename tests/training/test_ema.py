"""The weights' average: what is measured, saved and sampled, while training goes on with the weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from craft.generation.checkpoint import load_checkpoint
from craft.runs import checkpoints
from craft.training.ema import WeightAverage
from tests.training import runs
from tests.training.test_resume import run_here


def test_it_follows_the_weights() -> None:
    model = nn.Linear(3, 2)
    average = WeightAverage(model, decay=0.9)
    wanted = model.weight.detach().clone()
    for count in range(1, 60):
        with torch.no_grad():
            model.weight.add_(0.1)
        average.update()
        decay = min(0.9, (1 + count) / (10 + count))
        wanted = decay * wanted + (1 - decay) * model.weight.detach()
    trained = model.weight.detach().clone()
    with average.in_place():
        torch.testing.assert_close(model.weight.detach(), wanted)
        assert torch.equal(average.state_dict()["weight"], trained)
    assert torch.equal(model.weight.detach(), trained)


@pytest.mark.parametrize("cut", [1, 17, 39])
def test_a_restart_changes_no_bit(tmp_path: Path, cut: int) -> None:
    config = runs.definition(runs.write_text(tmp_path / "text.txt"), training={"ema_decay": 0.9})
    untouched, cut_short = runs.make_run(tmp_path / "runs", config), runs.make_run(tmp_path / "runs", config)
    whole = run_here(untouched, config)
    run_here(cut_short, config, until=cut)
    again = run_here(cut_short, config)
    assert runs.final_weights(cut_short) == runs.final_weights(untouched)
    assert whole.trainer is not None
    assert again.trainer is not None
    for a, b in zip(whole.trainer.model.parameters(), again.trainer.model.parameters(), strict=True):
        assert torch.equal(a, b), "the weights that are trained"


def test_what_is_saved_is_what_was_measured(tmp_path: Path) -> None:
    config = runs.definition(runs.write_text(tmp_path / "text.txt"), training={"ema_decay": 0.95})
    folder = runs.make_run(tmp_path / "runs", config)
    experiment = run_here(folder, config)
    trainer = experiment.trainer
    assert trainer is not None
    loaded = load_checkpoint(checkpoints.resolve(folder, "latest").path)
    measured = trainer.evaluators["val"].evaluate(loaded.model)
    assert measured is not None
    assert measured["loss"] == pytest.approx(trainer.evaluated["val/loss"], abs=1e-6)
    plain = trainer.evaluators["val"].evaluate(trainer.model)
    assert plain is not None
    assert plain["loss"] != pytest.approx(measured["loss"], abs=1e-6)


def test_without_an_average_training_goes_on_from_what_was_trained(tmp_path: Path) -> None:
    text = runs.write_text(tmp_path / "text.txt")
    averaged = runs.definition(text, training={"ema_decay": 0.9})
    plain = runs.definition(text)
    with_one, without = runs.make_run(tmp_path / "runs", averaged), runs.make_run(tmp_path / "runs", plain)
    run_here(with_one, averaged, until=20)
    run_here(with_one, plain)
    run_here(without, plain)
    assert runs.final_weights(with_one) == runs.final_weights(without)


def test_an_average_may_begin_on_a_resume(tmp_path: Path) -> None:
    text = runs.write_text(tmp_path / "text.txt")
    averaged, plain = runs.definition(text, training={"ema_decay": 0.9}), runs.definition(text)
    begun, without = runs.make_run(tmp_path / "runs", plain), runs.make_run(tmp_path / "runs", plain)
    run_here(begun, plain, until=20)
    one, other = run_here(begun, averaged).trainer, run_here(without, plain).trainer
    assert one is not None
    assert other is not None
    for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(a, b), "the average changes nothing about the training"
    assert runs.final_weights(begun) != runs.final_weights(without), "what is saved is the average"
