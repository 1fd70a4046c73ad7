"""How a run ended, as it is told to others."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from craft.config.schema.callbacks import Notifying
from craft.training.callbacks.base import Callback
from craft.training.recorder import Recorder

if TYPE_CHECKING:
    from craft.training.trainer import Trainer


class Notifier(Callback, ABC):
    """Tells the outcomes that its section names."""

    def __init__(self, config: Notifying) -> None:
        self.outcomes = config.on

    def on_outcome(self, trainer: Trainer, phase: str, error: str | None) -> None:
        """See the base class."""
        if phase in self.outcomes:
            self.tell(facts(trainer, phase, error), trainer.recorder)

    @abstractmethod
    def tell(self, told: dict[str, Any], recorder: Recorder) -> None:
        """Tell it, within the time that is set. Raises TrainingError when that fails."""


def facts(trainer: Trainer, phase: str, error: str | None) -> dict[str, Any]:
    """What a message about a run's end holds: JSON values, with what is not finite as null."""
    folder, monitor = trainer.recorder.folder, trainer.config.checkpoint.monitor
    text = f"{folder.name} {phase} at step {trainer.step} of {trainer.max_steps}"
    if trainer.best is not None:
        text += f", best {monitor} {trainer.best:.4f} at step {trainer.best_step}"
    if error or (phase == "stopped" and trainer.stop_reason):
        text += f": {error or trainer.stop_reason}"
    return {
        "text": text,
        "run": folder.name,
        "folder": str(folder.path),
        "phase": phase,
        "step": trainer.step,
        "max_steps": trainer.max_steps,
        "seconds": round(trainer.progress.seconds, 3),
        "monitor": monitor,
        "best": trainer.best,
        "best_step": trainer.best_step,
        "figures": {name: value if math.isfinite(value) else None for name, value in trainer.evaluated.items()},
        "error": error,
    }


def facts_before(recorder: Recorder, phase: str, error: str | None) -> dict[str, Any]:
    """The same of a run that ended while it was prepared."""
    nothing = dict.fromkeys(("step", "max_steps", "seconds", "monitor", "best", "best_step"))
    folder = recorder.folder
    return {
        "text": f"{folder.name} {phase} before it trained" + (f": {error}" if error else ""),
        "run": folder.name,
        "folder": str(folder.path),
        "phase": phase,
        **nothing,
        "figures": {},
        "error": error,
    }
