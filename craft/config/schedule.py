"""The learning rate as a factor of its peak, a pure function of the step: nothing to save, nothing to restore.

Free of torch, so that a command can say what a longer run does to the schedule.
"""

from __future__ import annotations

import math

from craft.config.schema.scheduler import (
    CosineSchedule,
    LinearSchedule,
    OneCycleSchedule,
    WarmedUp,
    WarmupStableDecaySchedule,
)


def warmup_steps(schedule: WarmedUp, max_steps: int) -> int:
    """Steps over which the rate rises."""
    return schedule.warmup_steps or round(schedule.warmup_fraction * max_steps)


def decay_start(schedule: WarmedUp, max_steps: int) -> int | None:
    """The last step at the peak rate, after which it falls; None when it never falls."""
    match schedule:
        case WarmupStableDecaySchedule():
            decay = schedule.decay_steps or round(schedule.decay_fraction * max_steps)
            return max(warmup_steps(schedule, max_steps), max_steps - decay)
        case CosineSchedule() | LinearSchedule() | OneCycleSchedule():
            return warmup_steps(schedule, max_steps)
        case _:
            return None


def lr_factor(schedule: WarmedUp, step: int, max_steps: int) -> float:
    """What the peak learning rate is multiplied by at optimizer step `step` (1-based) of `max_steps`.

    The rise takes the values 1/w, 2/w ... 1 over `w` steps, so no step is wasted at zero; the fall reaches
    `min_lr_ratio` one step after the last, so the last step still learns. Steps past the end keep its value. What a
    plateau makes of it depends on the figures, and is not in here.
    """
    warmup = warmup_steps(schedule, max_steps)
    if step <= warmup:
        risen = step / warmup
        if isinstance(schedule, OneCycleSchedule):
            return 1.0 - (1.0 - schedule.start_lr_ratio) * _half_cosine(1.0 - risen)
        return risen
    start = decay_start(schedule, max_steps)
    if start is None or step <= start:
        return 1.0
    assert isinstance(schedule, CosineSchedule | LinearSchedule | OneCycleSchedule | WarmupStableDecaySchedule)
    fallen = min(1.0, (step - start) / (max_steps - start + 1)) if max_steps > start else 1.0
    if isinstance(schedule, CosineSchedule | OneCycleSchedule):
        fallen = _half_cosine(fallen)
    return 1.0 - (1.0 - schedule.min_lr_ratio) * fallen


def _half_cosine(part: float) -> float:
    """From 0 to 1 in half a cosine."""
    return 0.5 * (1.0 - math.cos(math.pi * part))
