"""Figures for Weights & Biases."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from craft.config.schema.callbacks import WandbConfig
from craft.runs.folder import read_identity
from craft.training.callbacks.writer import FigureWriter, library

if TYPE_CHECKING:
    from craft.training.trainer import Trainer


class Wandb(FigureWriter):
    """Writes into the run's folder. A resume goes on with the run of the same id.

    It takes no figure back: steps that come again after a resume or a return are there twice, the later last.
    """

    def __init__(self, config: WandbConfig) -> None:
        self.config = config
        self._run: Any = None

    def open(self, trainer: Trainer) -> None:
        """See the base class."""
        if self._run is not None:
            return
        wandb, folder = library("wandb", "wandb"), trainer.recorder.folder
        identity = read_identity(folder)
        # Its folders are named by the second: a second one of the same second would be lost.
        while any((folder.path / "wandb").glob(f"offline-run-{time.strftime('%Y%m%d_%H%M%S')}-*")):
            time.sleep(0.02)
        self._run = wandb.init(
            project=self.config.project,
            id=identity.id,
            name=folder.name,
            group=identity.group,
            dir=str(folder.path),
            config=trainer.config.model_dump(mode="json"),
            mode=self.config.mode,
            resume="allow" if self.config.mode == "online" else None,
            # The log is Craft's, and what the machine does is the callback `system`'s.
            settings=wandb.Settings(silent=True, console="off", x_disable_stats=True),
        )
        # By a step of our own: W&B's only grows, and would drop what comes after a return to an earlier checkpoint.
        self._run.define_metric("*", step_metric="step")

    def write(self, step: int, figures: dict[str, float]) -> None:
        """See the base class."""
        if self._run is not None:
            self._run.log({"step": step, **figures})

    def close(self, phase: str) -> None:
        """See the base class."""
        if self._run is not None:
            self._run.finish(exit_code=1 if phase == "failed" else 0)
            self._run = None
