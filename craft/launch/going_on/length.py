"""How long a run is, and what another length or another schedule does to its learning rate, in words and figures."""

from __future__ import annotations

from craft.analysis.numbers import format_number
from craft.config.schedule import decay_start, lr_factor
from craft.config.schema import ExperimentConfig
from craft.config.schema.scheduler import PlateauSchedule, WarmedUp


def total_steps(after: ExperimentConfig, before: ExperimentConfig, old_steps: int, data_begins: int = 0) -> int:
    """How many steps the run will have; with epochs, from the steps that the old number of them took.

    data_begins: the step after which the first epoch began.
    """
    limits = []
    if after.training.max_steps:
        limits.append(after.training.max_steps)
    if after.training.max_epochs and bounded_by_epochs(before, old_steps):
        taken = (old_steps - data_begins) / before.training.max_epochs
        limits.append(data_begins + round(taken * after.training.max_epochs))
    return min(limits) if limits else old_steps


def bounded_by_epochs(config: ExperimentConfig, old_steps: int) -> bool:
    """Whether it is the epochs that end a run; with both bounds, the shorter ends it."""
    steps = config.training.max_steps
    return bool(config.training.max_epochs) and (not steps or 0 < old_steps < steps)


def schedule_remarks(
    before: ExperimentConfig, after: ExperimentConfig, step: int, old_steps: int, new_steps: int
) -> list[str]:
    """What the change does to the learning rate, in the words and figures that matter."""
    if (before.scheduler, before.optimizer.lr, old_steps) == (after.scheduler, after.optimizer.lr, new_steps):
        return []
    if not (isinstance(before.scheduler, WarmedUp) and isinstance(after.scheduler, WarmedUp)):
        return ["learning rate: what becomes of it only the schedule's own class knows"]
    if isinstance(after.scheduler, PlateauSchedule):
        return _plateau_remarks(before, after)
    if isinstance(before.scheduler, PlateauSchedule):
        return _remarks_of_the_fall(after, step, new_steps)  # where the rate stands, the figures decided
    if step >= new_steps:
        return []
    was = before.optimizer.lr * lr_factor(before.scheduler, max(step, 1), old_steps)
    becomes = after.optimizer.lr * lr_factor(after.scheduler, step + 1, new_steps)
    old, new = before.optimizer.type, after.optimizer.type
    line = (
        f"learning rate: {format_number(was)}{f' of {old}' * (old != new)} at step {step} of {old_steps}; "
        f"{format_number(becomes)}{f' of {new}' * (old != new)} at step {step + 1} of {new_steps}"
    )
    if becomes > 1.05 * was and old == new:
        line += ", so it rises again: expect the loss to rise before it falls"
    return [line, *_remarks_of_the_fall(after, step, new_steps)]


def _plateau_remarks(before: ExperimentConfig, after: ExperimentConfig) -> list[str]:
    """What can be said of a rate that follows a figure."""
    assert isinstance(after.scheduler, PlateauSchedule)
    peak = ""
    if before.optimizer.lr != after.optimizer.lr:
        peak = f", now {format_number(after.optimizer.lr)}, not {format_number(before.optimizer.lr)},"
    stands = (
        "goes on from the part of its peak that it came to"
        if isinstance(before.scheduler, PlateauSchedule)
        else "begins at the peak"
    )
    return [f"learning rate: it {stands}{peak} and falls when {after.scheduler.monitor} stops improving"]


def _remarks_of_the_fall(after: ExperimentConfig, step: int, new_steps: int) -> list[str]:
    assert isinstance(after.scheduler, WarmedUp)
    start = decay_start(after.scheduler, new_steps)
    last = format_number(after.optimizer.lr * lr_factor(after.scheduler, new_steps, new_steps))
    if start is None:
        return ["learning rate: it never falls on this schedule"]
    if start > step:
        return [f"learning rate: it begins to fall after step {start}, to {last} at step {new_steps}"]
    return [f"learning rate: it falls from there on, to {last} at step {new_steps}"]
