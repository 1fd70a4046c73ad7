"""The GPU's benchmark where there is none: it says so, and every part of it runs on a CPU in tiny sizes."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu import LIMITS, NO_GPU, nanogpt_figures, part_settings, run_part, table
from craft.config.experiments import load_experiments
from tests.training.runs import write_text

HERE = Path(__file__).parents[2]

# What nanoGPT's train.py says, and when asked to it goes on for ever.
TRAIN = """
import sys, time
print("tokens per iteration will be: 32")
for number in range(0, 21, 10):
    print(f"step {number}: train loss 2.0000, val loss {2 - number / 20:.4f}")
    print(f"iter {number}: loss 2.1000, time 5.00ms, mfu -100.00%")
if "--for_ever" in sys.argv:
    time.sleep(1000)
"""


def gpu(*arguments: str) -> Any:
    """What the benchmark prints with --json."""
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", "--json", *arguments], cwd=HERE, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


@pytest.fixture
def nanogpt(tmp_path: Path) -> Path:
    """A checkout that says what nanoGPT says."""
    checkout = tmp_path / "nanoGPT"
    data = checkout / "data" / "shakespeare_char"
    data.mkdir(parents=True)
    write_text(data / "input.txt")
    (checkout / "train.py").write_text(TRAIN)
    return checkout


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    assert gpu() == {"gpu": None, "said": NO_GPU}


def test_the_parts_take_less_than_eight_minutes() -> None:
    assert sum(LIMITS.values()) < 8 * 60


def test_its_recipe_is_nanogpts_model_and_batch() -> None:
    [planned] = load_experiments(HERE / "benchmarks/recipes/shakespeare_gpu.toml").plan(["shakespeare"], [])
    model, config = planned.config.model, planned.config
    assert (model.num_layers, model.num_heads, model.hidden_size, model.dropout) == (6, 6, 384, 0.2)  # type: ignore[union-attr]
    assert (config.data.context_length, config.training.batch_size) == (256, 64)


def test_time_to_the_loss_on_a_cpu(nanogpt: Path) -> None:
    found = gpu("--dry-run", "--nanogpt", str(nanogpt), "--parts", "craft", "nanogpt")
    assert found["craft"]["steps"] == 4
    assert 0 < found["craft"]["seconds"] <= found["craft"]["whole"]
    assert found["nanogpt"]["steps"] == 20
    assert found["nanogpt"]["best"] == 1.0
    assert found["nanogpt"]["extrapolated"] is False
    assert 0 < found["nanogpt"]["seconds"] <= found["nanogpt"]["whole"]
    rows = "\n".join(table("this", found))
    assert "the two | 1/" in rows


def test_parts_without_what_they_need_say_so() -> None:
    found = gpu("--dry-run", "--parts", "craft", "nanogpt")
    assert found["craft"] == {"problem": "needs --text or --nanogpt"}
    assert "| nanogpt | needs --nanogpt |" in "\n".join(table("this", {"nanogpt": found["nanogpt"]}))


def test_a_part_that_outlasts_its_time_is_ended(nanogpt: Path) -> None:
    said, problem = run_part("nanogpt", {"checkout": str(nanogpt), "arguments": ["--for_ever"]}, limit=2)
    assert problem == "ended after 2 s"
    assert not any("whole" in one for one in said)


def test_what_there_was_no_time_for_is_extrapolated() -> None:
    said: list[dict[str, Any]] = [{"step": 0, "seconds": 20.0, "loss": 4.0}, {"step": 0, "seconds": 30.0}]
    said += [{"step": n * 250, "seconds": 30.0 + 5 * n, "loss": 3 - n / 10} for n in range(1, 5)]
    said += [{"step": 1010, "seconds": 50.2}]
    found = nanogpt_figures(said, "ended after 60 s", steps=5000)
    assert found["extrapolated"]
    assert found["whole"] == pytest.approx(50.2 + 5 / 250 * (5000 - 1010))
    assert found["seconds"] is None
    assert "extrapolated from 1010 steps" in "\n".join(table("this", {"nanogpt": found}))


def test_one_that_failed_is_named(nanogpt: Path) -> None:
    (nanogpt / "train.py").write_text("raise SystemExit(3)")
    found = gpu("--dry-run", "--nanogpt", str(nanogpt), "--parts", "nanogpt")
    assert found["nanogpt"]["problem"] == "failed with status 3; --loud shows why"


@pytest.mark.slow
def test_training_and_generation_on_a_cpu() -> None:
    found = gpu("--dry-run", "--parts", "training", "generation")
    training, generation = found["training"], found["generation"]
    assert set(training["tokens_per_second_by_micro_batch"]) == {"2", "4"}
    assert training["micro_batch_size"] in (2, 4)
    assert training["parameters"] == 4400
    # By hand, with T = 16, D = 16, V = 64: three passes over 2 (12 D^2 + 2 T D + V D) products' FLOPs.
    assert training["flops_per_token"] == 3 * 2 * (12 * 16**2 + 2 * 16 * 16 + 64 * 16)
    share = training["tokens_per_second"] * training["flops_per_token"] / training["products"]
    assert training["share"] == pytest.approx(share)
    assert generation["float32"]["equal_tokens"] == generation["float32"]["new_tokens"] == 8
    assert generation["bfloat16"]["ratio"] > 0


@pytest.mark.slow
def test_a_run_of_crafts_that_outlasts_its_time_is_killed(tmp_path: Path) -> None:
    text = write_text(tmp_path / "text.txt")
    settings = part_settings(argparse.Namespace(dry_run=True, nanogpt=None), str(text))["craft"]
    overrides = [*settings["overrides"], "training.max_steps=1000000"]
    # Nothing outlives it, or this would not return: the worker holds what it was given to write to.
    said, problem = run_part("craft", {**settings, "overrides": overrides, "limit": 5}, limit=60)
    assert problem is None
    [found] = said
    assert 0 < found["seconds"] < found["whole"]
    assert found["steps"] < 1_000_000
