"""Epoch hooks come when a pass over the windows really begins and ends, whatever the batch size."""

from __future__ import annotations

from pathlib import Path

import pytest

from craft.training.callbacks import Callback
from craft.training.experiment import Experiment
from craft.training.trainer import Trainer
from tests.training import runs


class Notes(Callback):
    def __init__(self) -> None:
        self.notes: list[tuple[str, int, int]] = []

    def on_epoch_start(self, trainer: Trainer, epoch: int) -> None:
        self.notes.append(("start", epoch, trainer.step))

    def on_epoch_end(self, trainer: Trainer, epoch: int) -> None:
        self.notes.append(("end", epoch, trainer.step))


@pytest.mark.parametrize("batch_size", [40, 500])
def test_epochs_begin_and_end_where_the_windows_do(tmp_path: Path, batch_size: int) -> None:
    text = runs.write_text(tmp_path / "text.txt")
    training = {"max_steps": 0, "max_epochs": 3, "batch_size": batch_size, "micro_batch_size": "auto", "eval_every": 0}
    config = runs.definition(text, training=training, checkpoint={"every": 0})
    experiment = Experiment(config, folder=runs.make_run(tmp_path / "runs", config))
    trainer, notes = experiment.setup(), Notes()
    trainer.callbacks.callbacks["notes"] = notes
    windows = trainer.windows_per_epoch
    assert windows % batch_size, "a batch must straddle two epochs for this to show anything"
    experiment.train_epoch()
    assert trainer.step == -(-windows // batch_size)
    experiment.run()
    assert [(kind, epoch) for kind, epoch, _ in notes.notes] == [
        (kind, epoch) for epoch in (1, 2, 3) for kind in ("start", "end")
    ]
    ends = [step for kind, _, step in notes.notes if kind == "end"]
    assert ends == [-(-epoch * windows // batch_size) for epoch in (1, 2, 3)]
    assert ends[-1] == trainer.max_steps
