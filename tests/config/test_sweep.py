"""Sweeps: the points they make, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from craft.config.sweep import MAX_RUNS
from tests.config.files import load, problems_of

HEAD = 'craft = 1\n[defaults]\nmodel.type = "transformer"\n[experiment.x]\nsweep.'


def axes_of(tmp_path: Path, sweep: str, name: str = "x") -> list[dict[str, Any]]:
    text = (HEAD + sweep).replace("[experiment.x]", f"[experiment.{name}]")
    runs = load(tmp_path, text).plan()
    for run in runs:
        assert (run.experiment, run.group) == (name, name)
        for path, value in run.axes.items():
            found: Any = run.config.model_dump()
            for key in path.split("."):
                found = found[key]
            assert found == value
            assert run.origins[path].kind == "sweep"
    return [run.axes for run in runs]


def test_a_grid_is_every_combination_with_the_last_axis_first_to_change(tmp_path: Path) -> None:
    sweep = "axes = { optimizer.lr = [0.1, 0.2], 'training.max_steps' = [5, 6] }\nsweep.seeds = [1, 2]"
    rows = [tuple(axes.items()) for axes in axes_of(tmp_path, sweep)]
    assert rows == [
        (("optimizer.lr", lr), ("training.max_steps", steps), ("seed", seed))
        for lr in (0.1, 0.2)
        for steps in (5, 6)
        for seed in (1, 2)
    ]
    assert axes_of(tmp_path, "seeds = [3, 4]") == [{"seed": 3}, {"seed": 4}]


def test_a_list_is_its_runs(tmp_path: Path) -> None:
    sweep = (
        'strategy = "list"\nsweep.runs = [{ "optimizer.lr" = 0.1 }, {}, { optimizer = { type = "muon", lr = 0.2 } }]'
    )
    assert axes_of(tmp_path, sweep) == [
        {"optimizer.lr": 0.1},
        {},
        {"optimizer.type": "muon", "optimizer.lr": 0.2},
    ]


def test_a_swept_type_replaces_its_section(tmp_path: Path) -> None:
    text = HEAD + "axes.optimizer.type = ['muon', 'adamw']\noptimizer = { type = 'muon', lr = 0.5 }\n"
    assert [run.config.optimizer.lr for run in load(tmp_path, text).plan()] == [0.5, 1e-3]
    assert [run.config.optimizer.lr for run in load(tmp_path, text).plan([], ["optimizer.lr=0.1"])] == [0.1, 0.1]


RANDOM = """strategy = "random"
sweep.trials = {trials}
sweep.axes.optimizer.lr = {{ low = 1e-4, high = 1e-1, log = true }}
sweep.axes.training.batch_size = {{ choices = [8, 16, 24] }}
sweep.axes.model.num_layers = {{ low = 1, high = 4 }}
"""


def test_random_draws_fill_their_ranges(tmp_path: Path) -> None:
    drawn = axes_of(tmp_path, RANDOM.format(trials=200))
    rates = [axes["optimizer.lr"] for axes in drawn]
    assert 1e-4 <= min(rates) < 2e-4
    assert 5e-2 < max(rates) <= 1e-1
    # Half of the logarithmic range lies below its geometric middle.
    assert 70 < sum(rate < 10**-2.5 for rate in rates) < 130
    assert {axes["training.batch_size"] for axes in drawn} == {8, 16, 24}
    assert {axes["model.num_layers"] for axes in drawn} == {1, 2, 3, 4}
    assert all(isinstance(axes["model.num_layers"], int) for axes in drawn)


def test_random_draws_depend_on_seed_number_and_axis_alone(tmp_path: Path) -> None:
    five = axes_of(tmp_path, RANDOM.format(trials=5))
    assert axes_of(tmp_path, RANDOM.format(trials=9), name="another")[:5] == five
    fewer = RANDOM.format(trials=5).replace("sweep.axes.training.batch_size = { choices = [8, 16, 24] }\n", "")
    assert [axes["optimizer.lr"] for axes in axes_of(tmp_path, fewer)] == [axes["optimizer.lr"] for axes in five]
    assert axes_of(tmp_path, RANDOM.format(trials=5) + "sweep.seed = 1") != five
    # The very numbers: a file means the same runs on every machine and in every version.
    assert five[0]["optimizer.lr"] == pytest.approx(0.0431347, abs=1e-7)


@pytest.mark.parametrize(
    ("sweep", "message", "column"),
    [
        ("axes.optimizer.lrr = [1]", "unknown setting 'optimizer.lrr'", 22),
        ("axes.optimizer.lr = 1", "must be a list of values", 27),
        ("axes.optimizer.lr = []", "must be a list of values", 27),
        ("axes.optimizer.lr = [0.1, 'x']", "must be a number", 33),
        ("axes.optimizer.lr = { low = 1, high = 2 }", "a range needs strategy", 27),
        ("axes = 3", "must be a table", 14),
        ("axes = {}", "has nothing to sweep", 1),
        ("strategy = 'gird'", "must be one of Craft's strategies", 18),
        ("strategy = 'list'", "needs runs", 1),
        ("runs = [{ seed = 1 }]", 'means nothing with strategy = "grid"', 7),
        ("stategy = 'grid'", "unknown key", 7),
        ("seeds = 3", "must be a list of integers", 15),
        ("seeds = ['a']", "must be an integer", 16),
        ("seeds = [-1]", "must be at least 0", 16),
        ("axes = { seed = [1], 'model.num_layers' = [0] }", "must be at least 1", 50),
    ],
)
def test_a_wrong_sweep_is_told_what_is_wrong(tmp_path: Path, sweep: str, message: str, column: int) -> None:
    problem = problems_of(tmp_path, HEAD + sweep)[0]
    assert message in problem.message
    assert (problem.line, problem.column, problem.where) == (5, column, "experiment 'x'")


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ("{ low = 1 }", "missing"),
        ("{ low = 2, high = 1 }", "must be at most high, 1, found 2"),
        ("{ low = 0, high = 1, log = true }", "must be more than 0 on a logarithmic scale"),
        ("{ low = 'a', high = 1 }", "must be a number"),
        ("{ low = inf, high = 1 }", "must be a number"),
        ("{ low = 0, high = 1, log = 1 }", "must be true or false"),
        ("{ low = 0, high = 1, lg = true }", "unknown key"),
        ("{ choices = [] }", "must be a list of values or a range"),
        ("{ choices = [1], low = 1 }", "unknown key"),
        ("3", "must be a list of values or a range"),
    ],
)
def test_a_wrong_range_is_told_what_is_wrong(tmp_path: Path, axis: str, message: str) -> None:
    text = f"{HEAD}strategy = 'random'\nsweep.trials = 3\nsweep.axes.optimizer.lr = {axis}\n"
    problem = problems_of(tmp_path, text)[0]
    assert message in problem.message
    assert problem.line == 7


def test_two_values_for_one_setting_are_refused(tmp_path: Path) -> None:
    for sweep in (
        "axes = { seed = [1] }\nsweep.seeds = [1]",
        "axes = { optimizer.lr = [1], 'optimizer.lr' = [2] }",
        "axes = { 'optimizer.lr' = [1], optimizer = [{ lr = 2 }] }",
    ):
        assert "swept twice" in problems_of(tmp_path, HEAD + sweep)[0].message


def test_too_many_runs_are_counted_and_refused(tmp_path: Path) -> None:
    values = list(range(1, 102))
    sweep = f"axes = {{ seed = {values}, training.max_steps = {values} }}"
    (problem,) = problems_of(tmp_path, HEAD + sweep)
    assert problem.message == f"makes 10,201 runs; the most is {MAX_RUNS:,}"
    sweep = f"strategy = 'random'\nsweep.trials = {10**15}\nsweep.axes.training.max_steps = [1]"
    assert "makes 1,000,000,000,000,000 runs" in problems_of(tmp_path, HEAD + sweep)[0].message


def test_only_the_broken_points_are_reported(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, HEAD + "axes = { model.num_heads = [2, 3, 4], seed = [1, 2] }")
    assert problem.message.startswith("hidden_size 128 is not divisible by num_heads 3")
    assert (problem.line, problem.column) == (5, 38)


def test_a_type_on_the_command_line_leaves_what_is_swept(tmp_path: Path) -> None:
    text = HEAD + "axes.optimizer.lr = [0.5, 0.25]\noptimizer = { type = 'muon', momentum = 0.5 }\n"
    runs = load(tmp_path, text).plan([], ["optimizer.type=adamw"])
    assert [(run.config.optimizer.type, run.config.optimizer.lr) for run in runs] == [("adamw", 0.5), ("adamw", 0.25)]


@pytest.mark.parametrize(
    ("sweep", "shown", "column"),
    [
        ("axes.optimizer.lr = [1, 0.5, 1.0]", "optimizer.lr = 1.0", 36),
        ("seeds = [1, 2, 1]", "seed = 1", 22),
        ("axes.model.num_layers = [2, 3, 2]\nsweep.seeds = [7]", "model.num_layers = 2, seed = 7", 38),
        ("strategy = 'list'\nsweep.runs = [{}, { seed = 1337 }]", "seed = 1337", 28),
    ],
)
def test_two_runs_that_are_the_same_are_refused(tmp_path: Path, sweep: str, shown: str, column: int) -> None:
    (problem,) = problems_of(tmp_path, HEAD + sweep)
    assert problem.message == f"two runs of the sweep are the same: {shown}"
    assert problem.column == column


def test_draws_never_repeat_and_too_few_points_are_said(tmp_path: Path) -> None:
    few = "strategy = 'random'\nsweep.axes.training.batch_size = [8, 16]\nsweep.axes.seed = {{ low = 1, high = 3 }}\n"
    drawn = axes_of(tmp_path, few.format() + "sweep.trials = 6")
    assert len({tuple(axes.values()) for axes in drawn}) == 6
    (problem,) = problems_of(tmp_path, HEAD + few.format() + "sweep.trials = 7")
    assert problem.message == "there are only 6 different points to draw, fewer than 7"
    assert (problem.line, problem.column) == (8, 16)


def test_a_sweep_in_a_template_is_refused(tmp_path: Path) -> None:
    text = HEAD.removesuffix("sweep.") + "[template.t]\nsweep.seeds = [1]\n"
    (problem,) = problems_of(tmp_path, text)
    assert problem.message == "a template never runs, and a sweep is not inherited"
    assert (problem.line, problem.column, problem.where) == (6, 1, "template 't'")
