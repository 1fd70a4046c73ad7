"""How a run ended, as it is told to others."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from craft.training.trainer import Trainer


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
