"""Schedules: their shapes, and the one that has a state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from craft.config.schema import ExperimentConfig
from craft.errors import TrainingError
from craft.training.schedulers import Scheduler, ScheduleState, create_scheduler
from tests.training import runs
from tests.training.test_resume import run_here


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


def test_a_plateau_goes_on_waiting_after_a_restart() -> None:
    settings: dict[str, Any] = {"type": "plateau", "patience": 1, "cooldown": 2, "factor": 0.5}
    losses = [3.0, 2.0, 2.0, 2.5, 2.0, 1.0, 1.5, 1.5, 1.5, 1.5]
    whole = schedule(**settings)
    for loss in losses:
        whole.on_evaluate({"val/loss": loss})
    for cut in range(len(losses)):
        parts = [schedule(**settings), schedule(**settings)]
        for number, loss in enumerate(losses):
            if number == cut:
                parts[1].load_state_dict(parts[0].state_dict())
            parts[number >= cut].on_evaluate({"val/loss": loss})
        assert parts[1].state_dict() == whole.state_dict(), cut


def test_another_figure_is_compared_with_nothing_and_the_rate_stays() -> None:
    before, after = (schedule(type="plateau", patience=0, monitor=name) for name in ("val/loss", "val/perplexity"))
    for loss in (1.0, 2.0):
        before.on_evaluate({"val/loss": loss})
    after.load_state_dict(before.state_dict())
    after.on_evaluate({"val/perplexity": 7.0})
    assert after.factor(50) == before.factor(50) == 0.5


class Counts(Scheduler):
    """One of a person's own, with a state that only it knows."""

    def __init__(self, max_steps: int) -> None:
        self.evaluations = 0

    def factor(self, step: int) -> float:
        return 1.0 / (1 + self.evaluations)

    def on_evaluate(self, figures: dict[str, float]) -> None:
        self.evaluations += 1

    def state_dict(self) -> dict[str, Any]:
        return {"evaluations": self.evaluations}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.evaluations = state["evaluations"]


def test_a_schedule_is_given_no_others_state() -> None:
    plateau, own, cosine = schedule(type="plateau", patience=0), Counts(100), schedule(type="cosine")
    for loss in (1.0, 2.0):
        plateau.on_evaluate({"val/loss": loss})
        own.on_evaluate({"val/loss": loss})
    states = [
        ScheduleState(kind, one) for kind, one in (("plateau", plateau), ("mine:Counts", own), ("cosine", cosine))
    ]
    for given in states:
        again = Counts(100)
        ScheduleState("mine:Counts", again).load_state_dict(given.state_dict())
        assert again.evaluations == (2 if given.kind == "mine:Counts" else 0)
    slower = schedule(type="plateau")
    ScheduleState("plateau", slower).load_state_dict(states[0].state_dict())
    assert slower.factor(50) == 0.5


def test_a_run_slows_down_where_it_stands_still_also_over_a_restart(tmp_path: Path) -> None:
    text = runs.write_text(tmp_path / "text.txt")
    # A figure that should grow and falls: each evaluation after the first is one without improvement.
    settings = {"type": "plateau", "mode": "max", "patience": 1, "factor": 0.5}
    config = runs.definition(text, scheduler=settings, optimizer={"type": "adamw", "lr": 1e-3})
    untouched, cut_short = runs.make_run(tmp_path / "runs", config), runs.make_run(tmp_path / "runs", config)
    whole = run_here(untouched, config).trainer
    run_here(cut_short, config, until=30)  # in the middle of waiting
    run_here(cut_short, config)
    assert whole is not None
    assert whole.scheduler.factor(40) == 0.25
    assert whole.optimizer.lr == pytest.approx(0.5e-3), "the last evaluation came after the last step"
    assert runs.final_weights(cut_short) == runs.final_weights(untouched)


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"scheduler": {"type": "plateau"}, "data": {"val_fraction": 0.0}}, "there is no validation split to measure"),
        (
            {"scheduler": {"type": "plateau"}, "training": {"eval_every": 0}},
            "training.eval_every = 0 measures the first",
        ),
        (
            {"callbacks": {"early_stopping": {"type": "early_stopping"}}, "data": {"val_fraction": 0.0}},
            "early_stopping",
        ),
        (
            {"callbacks": {"early_stopping": {"type": "early_stopping"}}, "training": {"eval_every": 0}},
            "early_stopping",
        ),
    ],
)
def test_what_would_wait_in_vain_is_an_error(tmp_path: Path, sections: dict[str, Any], said: str) -> None:
    config = runs.definition(runs.write_text(tmp_path / "text.txt"), **sections)
    with pytest.raises(TrainingError, match="waits for evaluations") as raised:
        run_here(runs.make_run(tmp_path / "runs", config), config)
    assert said in str(raised.value)
