"""How long a run will take, from runs that lie here."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from craft.analysis.dry_runs import DryRunResult, keep_result
from craft.analysis.past_speed import ExpectedTime, basis_words, expected_time, past_speeds
from craft.config.definition import definition_hash
from craft.config.estimate import estimate
from craft.config.experiments import load_experiments
from craft.config.schema import ExperimentConfig
from craft.launch.create import create_runs
from craft.runs.folder import update_identity
from craft.runs.metrics import MetricsLog
from craft.runs.status import StatusWriter
from craft.runs.store import RunStore
from tests.launch.project import EXPERIMENTS

_A_STEP = 4 * 16  # tokens


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text("the quick brown fox jumps over the lazy dog. " * 120)
    (tmp_path / "experiments.toml").write_text(EXPERIMENTS.replace("max_steps = 20", "max_steps = 400"))
    return tmp_path


def config_of(place: Path, *overrides: str) -> ExperimentConfig:
    return load_experiments(place / "experiments.toml").plan(["tiny"], overrides)[0].config


def trained(
    place: Path, *overrides: str, seconds: float, step: int = 400, host: str | None = None, precision: str = "fp32"
) -> str:
    """A run as a worker leaves it, that took so long for so many steps."""
    plan = load_experiments(place / "experiments.toml").plan(["tiny"], overrides)
    (folder,) = create_runs(place / "runs", plan)
    figures = estimate(plan[0].config)
    flops = figures.flops_per_token.high
    update_identity(folder, chosen={"device": "cpu", "precision": precision}, flops_per_token=flops)
    log = MetricsLog(folder)
    log.append({"step": step, "time": seconds, "tokens": step * _A_STEP})
    log.close()
    writer = StatusWriter(folder)
    if host is not None:
        writer.status = replace(writer.status, host=host)
    phase = "finished" if step == 400 else "stopped"
    tokens = step * _A_STEP
    writer.write(phase=phase, step=step, max_steps=400, tokens=tokens, tokens_per_second=1.25 * tokens / seconds)
    return folder.name


def expected(place: Path, *overrides: str) -> ExpectedTime | None:
    config = config_of(place, *overrides)
    past = past_speeds(RunStore(place / "runs").list())
    return expected_time(config, definition_hash(config), estimate(config), past)


def test_nothing_is_known_where_nothing_ran(place: Path) -> None:
    assert expected(place) is None


def test_runs_of_the_same_definition_tell_their_own_time(place: Path) -> None:
    first, second = trained(place, seconds=40.0), trained(place, seconds=50.0)
    found = expected(place)
    assert found is not None
    assert (found.basis, found.seconds, set(found.sources)) == ("same", (40.0, 50.0), {first, second})


def dry_run(place: Path, *, ago: float) -> None:
    """A dry run of the definition as one leaves it: a second for a hundred steps."""
    config = config_of(place)
    keep_result(
        DryRunResult(
            experiment="tiny",
            definition_hash=definition_hash(config),
            code_hash="",
            model_type=config.model.type,
            shape="",
            flops_per_token=None,
            tokens_per_step=_A_STEP,
            device="cpu",
            precision="fp32",
            threads=1,
            compile=False,
            micro_batch_size=4,
            reasons=[],
            parameters=1,
            steps=60,
            seconds_per_step=0.01,
            fastest=0.01,
            slowest=0.01,
            tokens_per_second=100.0 * _A_STEP,
            peak_memory=None,
            evaluation_seconds=None,
            losses=[[1, 3.0]],
            val_loss=None,
            steps_of_run=400,
            first_step_seconds=1.0,
            disturbed_by=[],
            notes=[],
            measured=time.time() - ago,
        )
    )


def test_of_a_run_and_a_dry_run_of_one_definition_the_last_counts(place: Path) -> None:
    name = trained(place, seconds=40.0)
    dry_run(place, ago=60.0)
    found = expected(place)
    assert found is not None
    assert (found.basis, found.seconds, basis_words(found)) == ("same", (40.0, 40.0), f"as {name} took here")
    (run,) = RunStore(place / "runs").list()
    assert found.tokens_per_second == (run.tokens_per_second, run.tokens_per_second), "as it is told of the run"
    dry_run(place, ago=-60.0)
    found = expected(place)
    assert found is not None
    assert (found.basis, found.seconds) == ("measured", (4.0, 4.0))
    assert basis_words(found) == f"measured by a dry run; 40s, as {name} took here"


def test_a_run_that_was_stopped_tells_its_pace(place: Path) -> None:
    trained(place, seconds=10.0, step=100)
    found = expected(place)
    assert found is not None
    assert found.seconds == (40.0, 40.0)


def test_another_learning_rate_goes_as_fast(place: Path) -> None:
    name = trained(place, "optimizer.lr=0.5", seconds=40.0)
    found = expected(place)
    assert found is not None
    assert (found.basis, found.sources) == ("shape", (name,))
    # At the pace of its steps, 1.25 times that of the whole, and at that.
    assert found.seconds == (pytest.approx(32.0), pytest.approx(40.0))


def test_one_record_that_was_fast_is_not_the_speed_of_a_run(place: Path) -> None:
    name = trained(place, "optimizer.lr=0.5", seconds=40.0)
    log = MetricsLog(RunStore(place / "runs").find(name))
    usual = 400 * _A_STEP / 32.0
    for step, rate in enumerate([usual] * 9 + [9 * usual], 401):
        log.append({"step": step, "time": 40.0, "train/tokens_per_second": rate})
    log.close()
    found = expected(place)
    assert found is not None
    assert found.seconds.low == pytest.approx(32.0)


def test_another_size_is_scaled_by_its_flops_and_said_to_be_about(place: Path) -> None:
    trained(place, "model.hidden_size=32", "precision='fp32'", seconds=40.0)
    config = config_of(place, "precision='fp32'")
    found = expected(place, "precision='fp32'")
    assert found is not None
    assert (found.basis, found.is_about) == ("alike", True)
    small, large = estimate(config), estimate(config_of(place, "model.hidden_size=32", "precision='fp32'"))
    ratio = small.flops_per_token.high / large.flops_per_token.high
    assert ratio < 0.6
    assert found.seconds.high == pytest.approx(40.0 * small.flops_per_token.high / large.flops_per_token.high)


def test_what_says_nothing_about_this_machine_is_left_out(place: Path) -> None:
    trained(place, seconds=4.0, host="elsewhere")
    trained(place, seconds=0.2, step=3)  # too short to tell
    trained(place, "model.hidden_size=32", seconds=40.0, precision="fp16")
    trained(place, "model.hidden_size=256", seconds=40.0)  # forty times as large
    assert expected(place, "precision='fp32'") is None
