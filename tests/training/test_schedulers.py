"""Schedules: their shapes, and the one that has a state."""

from __future__ import annotations

from typing import Any

import pytest

from craft.config.schema import ExperimentConfig
from craft.errors import TrainingError
from craft.training.schedulers import Scheduler, create_scheduler


def schedule(steps: int = 100, **settings: Any) -> Scheduler:
    config = ExperimentConfig.model_validate({"model": {"type": "transformer"}, "scheduler": settings})
    return create_scheduler(config.scheduler, steps)


def test_linear_falls_in_a_straight_line() -> None:
    linear = schedule(type="linear", warmup_fraction=0.1, min_lr_ratio=0.2)
    assert linear.factor(10) == 1.0
    falls = [linear.factor(step) - linear.factor(step + 1) for step in range(10, 100)]
    assert max(falls) - min(falls) < 1e-12
    assert linear.factor(101) == pytest.approx(0.2)
    assert linear.factor(500) == linear.factor(101)


def test_one_cycle_rises_and_falls() -> None:
    cycle = schedule(type="one_cycle", warmup_fraction=0.25, start_lr_ratio=0.1, min_lr_ratio=0.01)
    factors = [cycle.factor(step) for step in range(1, 101)]
    assert factors.index(max(factors)) == 24
    assert max(factors) == 1.0
    assert 0.1 < factors[0] < 0.12
    assert factors[:25] == sorted(factors[:25])
    assert factors[24:] == sorted(factors[24:], reverse=True)
    assert 0.01 < factors[-1] < 0.02


def test_a_plateau_slows_down_and_waits() -> None:
    plateau = schedule(type="plateau", factor=0.5, patience=1, cooldown=1, min_lr_ratio=0.2)
    seen = []
    for loss in (3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, float("nan"), 1.0, 1.0):
        plateau.on_evaluate({"val/loss": loss})
        seen.append(plateau.factor(50))
    assert seen == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2]


def test_a_figure_that_nobody_measures_is_an_error() -> None:
    plateau = schedule(type="plateau", monitor="val/los")
    with pytest.raises(TrainingError, match=r'scheduler.monitor = "val/los": no evaluation'):
        plateau.on_evaluate({"val/loss": 1.0})
