"""`path=value`, and choosing experiments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from craft.config.experiments import PlannedRun
from craft.config.overrides import read_value
from craft.errors import ConfigError, Problem
from tests.config.files import RICH, load


def refused(tmp_path: Path, selectors: Sequence[str], *overrides: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, RICH).plan(selectors, overrides)
    assert all(str(problem).startswith("command line: ") for problem in caught.value.problems)
    return caught.value.problems


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("3", 3),
        ("3e-4", 3e-4),
        ("true", True),
        ("auto", "auto"),
        ('"5"', "5"),
        ("[1, 2]", [1, 2]),
        ("cuda:1", "cuda:1"),
        ("texts/*.txt", "texts/*.txt"),
        ("2026-11-21", "2026-11-21"),
        ("1\nseed = 2", "1\nseed = 2"),
        ("9" * 30, "9" * 30),
        ("9" * 5_000, "9" * 5_000),
        ("[" * 5_000, "[" * 5_000),
        ("", ""),
        ("a=b", "a=b"),
    ],
)
def test_a_value_is_toml_else_a_text(written: str, value: Any) -> None:
    found = read_value(written)
    assert found == value
    assert type(found) is type(value)


def test_an_override_lies_over_everything(tmp_path: Path) -> None:
    (run,) = load(tmp_path, RICH).plan(["wide"], ["model.hidden_size=64", "model={num_heads=2}", "'why'=because"])
    assert (run.config.model.hidden_size, run.config.model.num_heads, run.config.why) == (64, 2, "because")
    assert run.origins["model.num_heads"].kind == "command line"


@pytest.mark.parametrize(
    ("override", "message", "hint"),
    [
        ("modl.hidden_size=3", "modl.hidden_size: unknown key", "did you mean 'model'?"),
        ("model.hidden_sze=3", "model.hidden_sze: unknown key", "did you mean 'hidden_size'?"),
        ("lr=3", "lr: unknown key", "did you mean 'optimizer.lr'?"),
        ("model.hidden_size=big", 'must be an integer, found "big" (a string)', ""),
        ("model.num_heads=5", "experiment 'wide': model: hidden_size 256 is not divisible by num_heads 5", ""),
        ("optimizer.type=zzz", 'optimizer.type: unknown type "zzz"', "known: adamw, ..."),
        ("seed", "'seed' is not path=value", "such as optimizer.lr=3e-4"),
        ("=3", "'=3' is not path=value", "such as optimizer.lr=3e-4"),
        ("a b=3", "'a b=3' is not path=value", "such as optimizer.lr=3e-4"),
        ("extends=small", "extends: belongs in the file", "an override gives a setting a value"),
        ("why=caf\udce9", "why: the value is not Unicode text", ""),
        ("training.compile=True", 'found "True" (a string)', "TOML writes true, without quotes"),
        ("optimizer.betas=[0.9]", "optimizer.betas: must be an array of at least 2", ""),
    ],
)
def test_a_wrong_override_is_told_what_is_wrong(tmp_path: Path, override: str, message: str, hint: str) -> None:
    (problem,) = refused(tmp_path, ["wide"], override)
    assert message in str(problem)
    if hint.endswith("..."):  # a list that grows with Craft
        assert problem.hint.startswith(hint.removesuffix("..."))
    else:
        assert problem.hint == hint


def test_all_wrong_overrides_come_at_once(tmp_path: Path) -> None:
    problems = refused(tmp_path, ["wid"], "lr=1", "model.num_layers=0", "nope")
    assert len(problems) == 3
    assert any("no experiment 'wid'" in p.message and "did you mean 'wide'?" in p.hint for p in problems)


@pytest.mark.parametrize("override", ["optimizer.lr=1", "optimizer={lr=1}", "optimizer.type=adamw", "seed=1"])
def test_a_swept_setting_is_not_overridden(tmp_path: Path, override: str) -> None:
    if override == "optimizer.type=adamw":  # beside a swept setting, not over it
        assert len(load(tmp_path, RICH).plan(["lr"], [override])) == 6
        return
    (problem,) = refused(tmp_path, ["transformer", "lr"], override)
    assert "experiment 'lr' sweeps" in problem.message


def names(runs: Sequence[PlannedRun]) -> list[str]:
    return list(dict.fromkeys(run.experiment for run in runs))


def test_names_and_globs_choose_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = load(tmp_path, RICH)
    assert names(file.plan()) == list(file.names)
    assert names(file.plan(["l*", "wide", "w?de"])) == ["wide", "lr", "list"]
    assert len(file.plan(["lr"])) == 6
    assert len(file.plan()) == 3 + 6 + 2 + 5


def test_an_unknown_experiment_is_told_the_nearest(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, ["trasformer"])
    assert problem.hint.startswith("did you mean 'transformer'?")
    (problem,) = refused(tmp_path, ["small"])
    assert "a template never runs" in problem.message
    (problem,) = refused(tmp_path, ["x*"])
    assert "known: transformer, wide" in problem.hint
