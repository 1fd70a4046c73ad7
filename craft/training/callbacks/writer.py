"""What all writers share that copy a run's figures to where another tool shows them."""

from __future__ import annotations

import importlib
import math
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from craft.errors import TrainingError
from craft.training.callbacks.base import Callback

if TYPE_CHECKING:
    from craft.training.trainer import Trainer


class FigureWriter(Callback, ABC):
    """Opens with the first step of each process and closes when it is known how the run ended.

    What a checkpoint holds is passed on before it is there, so a run that was killed and goes on has no gap.
    """

    steers = False

    def on_train_start(self, trainer: Trainer) -> None:
        """Open, or open again where an earlier process left off."""
        self.open(trainer)

    def on_log(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """Copy a training record."""
        self.write(trainer.step, numbers(record))

    def on_evaluate(self, trainer: Trainer, figures: dict[str, float]) -> None:
        """Copy an evaluation."""
        self.write(trainer.step, numbers(figures))

    def on_save(self, trainer: Trainer, path: Path) -> None:
        """Pass on what is held back."""
        self.flush()

    def on_outcome(self, trainer: Trainer, phase: str, error: str | None) -> None:
        """Close."""
        self.close(phase)

    @abstractmethod
    def open(self, trainer: Trainer) -> None:
        """Begin, or go on after `trainer.step`; called again by a process that trains on."""

    @abstractmethod
    def write(self, step: int, figures: dict[str, float]) -> None:
        """Copy figures of a step."""

    def flush(self) -> None:
        """Pass on what is held back."""

    @abstractmethod
    def close(self, phase: str) -> None:
        """End, with the run's outcome; not open is closed already."""


def numbers(figures: dict[str, Any]) -> dict[str, float]:
    """Those that are finite numbers."""
    return {
        name: float(value)
        for name, value in figures.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def library(module: str, extra: str) -> Any:
    """Import an optional library. Raises TrainingError naming the extra that brings it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise TrainingError(
            f"{error.name} is not installed, which it needs; pip install 'craft-workbench[{extra}]'"
        ) from error
