"""What can be changed in a definition while it trains: plain numbers that say how fast and how often, no more.

Everything else decides what a checkpoint holds, which text a step sees, or what was built at the start.
"""

from __future__ import annotations

from typing import Any

from craft.config.schema import ExperimentConfig
from craft.config.schema.callbacks import EarlyStoppingConfig, OwnCallback
from craft.config.schema.optimizer import OwnOptimizer
from craft.config.schema.scheduler import PlateauSchedule
from craft.config.toml_values import write_key

TRAINING = ("log_every", "eval_every", "grad_clip")
CHECKPOINT = ("every", "keep")


def live_settings(config: ExperimentConfig) -> dict[str, int | float]:
    """The settings that can be changed while this definition trains, by dotted path, with their values.

    Of an optimizer that is a person's own only the rate, which the schedule sets anyway: what else takes effect, only
    its class knows. The same holds for callbacks of one's own.
    """
    optimizer = config.optimizer.model_dump()
    if isinstance(config.optimizer, OwnOptimizer):
        optimizer = {"lr": config.optimizer.lr} if config.optimizer.lr else {}
    settings = {f"optimizer.{name}": value for name, value in optimizer.items() if _is_number(value)}
    settings |= {f"training.{name}": getattr(config.training, name) for name in TRAINING}
    settings |= {f"checkpoint.{name}": getattr(config.checkpoint, name) for name in CHECKPOINT}
    for name, callback in config.callbacks.items():
        every = getattr(callback, "every", None)
        if callback.enabled and not isinstance(callback, OwnCallback) and _is_number(every):
            settings[f"callbacks.{write_key(name)}.every"] = every
    return settings


def why_not_live(config: ExperimentConfig) -> str | None:
    """Why a definition, sound by itself, cannot be come to while it trains; None where it can."""
    waiting = [f"callbacks.{name}" for name, one in config.callbacks.items() if _waits(one)]
    if isinstance(config.scheduler, PlateauSchedule):
        waiting.append('scheduler.type = "plateau"')
    if waiting and not config.training.eval_every:
        return f"{waiting[0]} waits for evaluations, and training.eval_every = 0 makes none on the way"
    return None


def _waits(callback: Any) -> bool:
    return isinstance(callback, EarlyStoppingConfig) and callback.enabled


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
