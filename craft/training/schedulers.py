"""The learning rate over the run, as a factor of the optimizer's own peak rates."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from craft.config.own_code import make_own, must_be
from craft.config.schedule import lr_factor
from craft.config.schema.scheduler import OwnSchedule, PlateauSchedule, SchedulerConfig, WarmedUp
from craft.training.monitor import is_better, require


class Scheduler:
    """Says what the peak rates are multiplied by at each step. One of your own derives from this class.

    A pure function of the step has no state to save; one that follows the figures keeps it in `state_dict`.
    """

    def factor(self, step: int) -> float:
        """The factor at optimizer step `step`, from 1."""
        raise NotImplementedError

    def on_evaluate(self, figures: dict[str, float]) -> None:
        """With the figures of each evaluation, named as in the metrics log."""

    def state_dict(self) -> dict[str, Any]:
        """What must survive a restart, as JSON values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""


class FixedSchedule(Scheduler):
    """A schedule that is known before the run: a function of the step and of the run's length."""

    def __init__(self, config: WarmedUp, max_steps: int) -> None:
        self.config, self.max_steps = config, max_steps

    def factor(self, step: int) -> float:
        """See the base class."""
        return lr_factor(self.config, step, self.max_steps)


class Plateau(Scheduler):
    """Makes the rate smaller whenever the monitored figure has stopped improving."""

    def __init__(self, config: PlateauSchedule, max_steps: int) -> None:
        self.config, self.rising = config, FixedSchedule(config, max_steps)
        self.ratio = 1.0
        self.best: float | None = None
        self.waited = self.resting = 0

    def factor(self, step: int) -> float:
        """See the base class."""
        return self.rising.factor(step) * self.ratio

    def on_evaluate(self, figures: dict[str, float]) -> None:
        """Wait, rest, or slow down. Raises TrainingError when the monitored figure is not measured."""
        config = self.config
        require(config.monitor, figures, "scheduler.monitor")
        value = figures[config.monitor]
        if self.resting:
            self.resting -= 1
        elif not is_better(value, self.best, config.mode, config.min_delta):
            self.waited += 1
        if is_better(value, self.best, config.mode, config.min_delta):
            self.best, self.waited = value, 0
        if self.waited > config.patience:
            self.ratio = max(self.ratio * config.factor, config.min_lr_ratio)
            self.waited, self.resting = 0, config.cooldown

    def state_dict(self) -> dict[str, Any]:
        """The rate's part of the peak, and what it waits for."""
        return {
            "ratio": self.ratio,
            "monitor": [self.config.monitor, self.config.mode],
            "best": self.best,
            "waited": self.waited,
            "resting": self.resting,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on waiting. The rate stays what it came to; values of another figure compare with nothing."""
        self.ratio, self.resting = state["ratio"], state["resting"]
        if state["monitor"] == [self.config.monitor, self.config.mode]:
            self.best, self.waited = state["best"], state["waited"]


class ScheduleState:
    """A schedule's state together with its type: a run that is given another schedule begins that one anew."""

    def __init__(self, kind: str, scheduler: Scheduler) -> None:
        self.kind, self.scheduler = kind, scheduler

    def state_dict(self) -> dict[str, Any]:
        """Nothing for a schedule that is a function of the step."""
        state = self.scheduler.state_dict()
        return {"type": self.kind, "state": state} if state else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Give the schedule its own state, and no other's."""
        if state.get("type") == self.kind:
            self.scheduler.load_state_dict(state["state"])


def create_scheduler(config: SchedulerConfig, max_steps: int, *, search: Path | None = None) -> Scheduler:
    """The schedule that a `[scheduler]` table describes, for a run of `max_steps` optimizer steps.

    search: the folder where one of your own is looked for first. Raises OwnCodeError for such a one.
    """
    match config:
        case OwnSchedule():
            own = make_own(config, "scheduler", search, max_steps=max_steps)
            must_be(own, Scheduler, config, "scheduler")
            return cast(Scheduler, own)
        case PlateauSchedule():
            return Plateau(config, max_steps)
        case WarmedUp():
            return FixedSchedule(config, max_steps)
