"""The learning rate over the run, applied to an optimizer."""

from __future__ import annotations

from craft.config.schedule import lr_factor
from craft.config.schema.scheduler import SchedulerConfig, WarmedUp
from craft.training.optimizers import Optimizer


class Scheduler:
    """Sets an optimizer's learning rate for each step. A pure function of the step, so it has no state to save."""

    def __init__(self, config: SchedulerConfig, optimizer: Optimizer, max_steps: int) -> None:
        self.config, self.optimizer, self.max_steps = config, optimizer, max_steps

    def set_step(self, step: int) -> None:
        """Set the rate of optimizer step `step` (1-based)."""
        assert isinstance(self.config, WarmedUp)
        self.optimizer.lr_factor = lr_factor(self.config, step, self.max_steps)


def create_scheduler(config: SchedulerConfig, optimizer: Optimizer, max_steps: int) -> Scheduler:
    """The schedule that a `[scheduler]` table describes, for a run of `max_steps` optimizer steps."""
    return Scheduler(config, optimizer, max_steps)
