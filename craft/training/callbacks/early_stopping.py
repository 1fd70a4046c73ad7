"""Stop a run that no longer improves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from craft.config.schema.callbacks import EarlyStoppingConfig
from craft.training.callbacks.base import Callback
from craft.training.monitor import is_better, require, require_evaluations

if TYPE_CHECKING:
    from craft.training.trainer import Trainer


class EarlyStopping(Callback):
    """Asks to stop when the monitored figure has not improved for `patience` evaluations."""

    def __init__(self, config: EarlyStoppingConfig) -> None:
        self.config = config
        self.best: float | None = None
        self.waited = 0

    def on_train_start(self, trainer: Trainer) -> None:
        """Refuse to wait for what never comes."""
        require_evaluations(trainer.evaluators, trainer.config.training.eval_every, "callbacks: early_stopping")

    def on_evaluate(self, trainer: Trainer, figures: dict[str, float]) -> None:
        """Compare with the best so far."""
        require(self.config.monitor, figures, "callbacks: early_stopping.monitor")
        value = figures[self.config.monitor]
        if is_better(value, self.best, self.config.mode, self.config.min_delta):
            self.best, self.waited = value, 0
            return
        self.waited += 1
        if self.waited >= self.config.patience:
            trainer.ask_to_stop(
                f"{self.config.monitor} has not improved on {self._shown()} for {self.waited} evaluations",
                finished=True,
            )

    def _shown(self) -> str:
        return "nothing finite" if self.best is None else f"{self.best:.4f}"

    def state_dict(self) -> dict[str, Any]:
        """The best figure, which one it is, and the evaluations since."""
        return {"monitor": [self.config.monitor, self.config.mode], "best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on waiting; values of another figure compare with nothing."""
        judged_by = [self.config.monitor, self.config.mode]
        if state.get("monitor", judged_by) == judged_by:
            self.best, self.waited = state["best"], state["waited"]
