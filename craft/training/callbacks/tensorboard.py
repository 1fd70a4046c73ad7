"""Figures for TensorBoard."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from craft.config.schema.callbacks import TensorBoardConfig
from craft.training.callbacks.writer import FigureWriter, library

if TYPE_CHECKING:
    from craft.training.trainer import Trainer

FOLDER = "tensorboard"


class TensorBoard(FigureWriter):
    """Writes event files into the run's folder. TensorBoard forgets what a resume or a return superseded."""

    def __init__(self, config: TensorBoardConfig) -> None:
        self._writer: Any = None
        self._folder = Path()

    def open(self, trainer: Trainer) -> None:
        """Begin a file of events; steps of earlier files that come again are purged."""
        if self._writer is not None:
            return
        self._folder = trainer.recorder.folder.path / FOLDER
        self._writer = self._begin(trainer.step)
        if not trainer.step:
            definition = trainer.recorder.folder.definition.read_text()
            self._writer.add_text("definition", "\n".join(f"    {line}" for line in definition.splitlines()))

    def _begin(self, step: int) -> Any:
        made_by = library("torch.utils.tensorboard", "tensorboard").SummaryWriter
        # It reads files by name, which begins with the second: two of one second could be read the wrong way round.
        while any(self._folder.glob(f"events.out.tfevents.{int(time.time())}.*")):
            time.sleep(0.02)
        # Purged even at step 0: an earlier start may have left figures before its first checkpoint.
        return made_by(str(self._folder), purge_step=step + 1 if step else 0)

    def on_roll_back(self, trainer: Trainer, from_step: int) -> None:
        """What came after the checkpoint is purged."""
        if self._writer is not None:
            self._writer.close()
            self._writer = self._begin(trainer.step)

    def write(self, step: int, figures: dict[str, float]) -> None:
        """See the base class."""
        if self._writer is not None:
            for name, value in figures.items():
                self._writer.add_scalar(name, value, step)

    def flush(self) -> None:
        """See the base class."""
        if self._writer is not None:
            self._writer.flush()

    def close(self, phase: str) -> None:
        """See the base class."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
