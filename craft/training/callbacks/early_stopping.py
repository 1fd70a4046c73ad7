"""Stop a run that no longer improves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from craft.config.schema.callbacks import EarlyStoppingConfig
from craft.training.callbacks.base import Callback

if TYPE_CHECKING:
    from craft.training.trainer import Trainer


class EarlyStopping(Callback):
    """Asks to stop when the monitored figure has not improved for `patience` evaluations."""

    def __init__(self, config: EarlyStoppingConfig) -> None:
        self.config = config
        self.best: float | None = None
        self.waited = 0

    def on_evaluate(self, trainer: Trainer, figures: dict[str, float]) -> None:
        """Compare with the best so far."""
        value = figures.get(self.config.monitor)
        if value is None:
            return
        sign = 1.0 if self.config.mode == "min" else -1.0
        if self.best is None or sign * (self.best - value) > self.config.min_delta:
            self.best, self.waited = value, 0
            return
        self.waited += 1
        if self.waited >= self.config.patience:
            trainer.ask_to_stop(
                f"{self.config.monitor} has not improved on {self.best:.4f} for {self.waited} evaluations",
                finished=True,
            )

    def state_dict(self) -> dict[str, Any]:
        """The best figure and the evaluations since."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on waiting."""
        self.best, self.waited = state["best"], state["waited"]
