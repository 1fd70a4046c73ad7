"""Going back to an earlier checkpoint, and on from there with other batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from craft.errors import TrainingError
from craft.runs import checkpoints
from craft.runs.events import read_events
from craft.runs.folder import RunFolder
from craft.runs.metrics import MetricsReader
from craft.training.callbacks.base import Callback
from craft.training.experiment import Experiment
from tests.training import runs


class BackOnce(Callback):
    """Asks at one step to go back, the first time that it comes there."""

    def __init__(self, at: int, before_step: int, lr_scale: float = 0.5) -> None:
        self.at, self.before_step, self.scale = at, before_step, lr_scale

    def on_step_end(self, trainer: Any) -> None:
        if trainer.step == self.at and trainer.loop.skipped == 0:
            trainer.ask_to_roll_back("tested", before_step=self.before_step, lr_scale=self.scale)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return runs.write_text(tmp_path / "text.txt")


def run_with(folder: RunFolder, config: Any, callback: Callback, until: int | None = None) -> Experiment:
    experiment = Experiment(config, folder=folder)
    try:
        trainer = experiment.setup()
        trainer.callbacks.callbacks["back"] = callback
        trainer.fit(until=until)
        experiment.close()
    finally:
        assert experiment._lock is not None
        experiment._lock.release()
    return experiment


def test_a_run_goes_back_and_passes_the_batches_over(tmp_path: Path, text: Path) -> None:
    config = runs.definition(text)
    folder = runs.make_run(tmp_path / "runs", config)
    trainer = run_with(folder, config, BackOnce(at=23, before_step=17)).trainer
    assert trainer is not None
    assert trainer.step == trainer.max_steps
    assert (trainer.loop.skipped, trainer.lr_scale, trainer.rollbacks) == (23 - 15, 0.5, 1)
    (event,) = [event for event in read_events(folder) if event["kind"] == "rolled_back"]
    assert (event["from_step"], event["step"]) == (23, 15)
    reader = MetricsReader(folder.metrics)
    reader.poll()
    steps, _ = reader.series("train/lr")
    assert list(steps) == sorted(set(steps)), "what was recorded past the checkpoint is superseded"


@pytest.mark.parametrize("cut", [16, 22, 24, 33])
def test_a_restart_goes_back_in_the_same_way(tmp_path: Path, text: Path, cut: int) -> None:
    config = runs.definition(text)
    untouched, cut_short = runs.make_run(tmp_path / "runs", config), runs.make_run(tmp_path / "runs", config)
    run_with(untouched, config, BackOnce(at=23, before_step=17))
    run_with(cut_short, config, BackOnce(at=23, before_step=17), until=cut)
    for info in checkpoints.list_checkpoints(cut_short):  # as a kill would have it: nothing saved at the last step
        if info.step == cut:
            checkpoints.go_back(cut_short, cut - 1)
    run_with(cut_short, config, BackOnce(at=23, before_step=17))
    assert runs.final_weights(cut_short) == runs.final_weights(untouched)


def test_with_no_checkpoint_left_to_go_to_the_run_fails(tmp_path: Path, text: Path) -> None:
    config = runs.definition(text, checkpoint={"keep": 1, "every": 5})
    folder = runs.make_run(tmp_path / "runs", config)
    with pytest.raises(TrainingError, match="tested; there is no checkpoint of step 1 or earlier left"):
        run_with(folder, config, BackOnce(at=23, before_step=1))
    assert checkpoints.list_checkpoints(folder)[-1].step == 20, "nothing was removed"
