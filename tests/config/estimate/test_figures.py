"""What follows from an architecture's figures for a whole run, known and not yet known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from craft.config.estimate import Range, estimate
from craft.config.estimate.figures import ARCHITECTURES
from craft.config.fields import types_of
from craft.config.schema import ExperimentConfig
from craft.training.precision import choose_precision


def definition(path: Path, **sections: Any) -> ExperimentConfig:
    """A definition over a text of four different characters."""
    path.write_text("abcd" * 1000)
    base: dict[str, Any] = {
        "precision": "fp32",
        "data": {"type": "text", "path": str(path), "context_length": 16, "val_fraction": 0.1},
        "model": {"type": "transformer", "num_layers": 1, "num_heads": 2, "hidden_size": 16},
        "training": {"max_steps": 40, "batch_size": 4},
    }
    return ExperimentConfig.model_validate({**base, **sections})


def test_there_is_a_module_for_every_type_of_model() -> None:
    assert ARCHITECTURES.keys() == types_of("model").keys() - {"hf", "module:Class"}  # which are measured


def test_a_text_that_was_not_read_gives_ranges(tmp_path: Path) -> None:
    found = estimate(definition(tmp_path / "text.txt"))
    assert not found.is_prepared
    assert found.vocab_size.low < found.vocab_size.high
    assert found.total_parameters.low < found.total_parameters.high
    assert found.corpus_tokens is not None
    assert found.corpus_tokens.low <= 4000 <= found.corpus_tokens.high
    assert found.parameters["attention"].is_exact  # which does not depend on the vocabulary


def test_a_prepared_text_gives_exact_figures_inside_the_ranges_of_before(tmp_path: Path) -> None:
    from craft.data import prepare

    config = definition(tmp_path / "text.txt", tokenizer={"type": "byte"})
    before = estimate(config)
    prepare(config)
    after = estimate(config)
    assert after.is_prepared
    assert after.vocab_size == Range(256, 256)
    assert after.corpus_tokens == Range(4000, 4000)
    assert after.total_parameters == before.total_parameters  # a byte vocabulary is known beforehand
    assert before.corpus_tokens is not None
    assert before.corpus_tokens.low <= 4000 <= before.corpus_tokens.high
    assert after.total_flops is not None
    assert after.total_flops.is_exact
    assert after.total_flops.low == 40 * 4 * 16 * after.flops_per_token.low


@pytest.mark.parametrize(
    ("training", "shuffle"),
    [
        ({"max_steps": 40, "batch_size": 4}, True),
        ({"max_epochs": 2, "batch_size": 4}, True),
        ({"max_epochs": 3, "batch_size": 5}, False),
        ({"max_epochs": 3, "max_steps": 7, "batch_size": 5}, False),
    ],
)
def test_the_run_is_as_long_as_the_trainer_makes_it(tmp_path: Path, training: dict[str, Any], shuffle: bool) -> None:
    from craft.data import TrainBatches, prepare

    config = definition(tmp_path / "text.txt", training=training)
    config = config.model_copy(update={"data": config.data.model_copy(update={"shuffle": shuffle})})
    train = prepare(config).splits["train"]
    batches = TrainBatches(
        train,
        batch_size=config.training.batch_size,
        shuffle=shuffle,
        seed=1,
        max_epochs=config.training.max_epochs,
    )
    steps = batches.total_steps(config.training)
    seen = sum(batches.batch(step)[1].numel() for step in range(1, steps + 1))
    found = estimate(config)
    assert found.steps is not None
    assert found.tokens_seen is not None
    assert (found.steps.low, found.tokens_seen.low) == (steps, seen)


def test_a_precision_that_is_measured_first_gives_a_range_over_both(tmp_path: Path) -> None:
    prepared = {"tokenizer": {"type": "byte"}}
    text = tmp_path / "text.txt"
    both = estimate(definition(text, precision="auto", **prepared))
    fp32 = estimate(definition(text, precision="fp32", **prepared))
    bf16 = estimate(definition(text, precision="bf16", **prepared))
    assert both.precisions == ("fp32", "bf16")
    assert both.memory["peak"] == Range.of([*fp32.memory["peak"], *bf16.memory["peak"]])
    assert both.total_parameters == fp32.total_parameters


def test_micro_batches_need_less_memory_and_see_the_same_tokens(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    whole = estimate(definition(text, training={"batch_size": 16}))
    parts = estimate(definition(text, training={"batch_size": 16, "micro_batch_size": 2}))
    assert parts.memory["activations"].low * 8 == pytest.approx(whole.memory["activations"].low)
    assert parts.tokens_seen == whole.tokens_seen


def test_a_dataset_of_ones_own_leaves_its_length_unknown(tmp_path: Path) -> None:
    config = definition(tmp_path / "text.txt", data={"type": "mine:Words"}, training={"max_epochs": 1})
    found = estimate(config)
    assert (found.corpus_tokens, found.steps, found.tokens_seen, found.total_flops) == (None, None, None, None)
    assert found.peak.low > 0


def test_it_needs_neither_torch_nor_numpy(tmp_path: Path) -> None:
    text = definition(tmp_path / "text.txt").model_dump_json()
    code = (
        "import sys; from craft.config.estimate import estimate, machine_memory\n"
        "from craft.config.schema import ExperimentConfig\n"
        f"found = estimate(ExperimentConfig.model_validate_json({text!r})); machine_memory('cpu')\n"
        "print(found.peak.low > 0, {'torch', 'numpy'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "True set()"


def test_a_precision_that_was_measured_is_no_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRAFT_STATE_DIR", str(tmp_path))
    config = ExperimentConfig.model_validate({"model": {"type": "transformer"}, "device": "cpu"})
    assert estimate(config).precisions == ("fp32", "bf16")
    choose_precision("auto", torch.device("cpu"))
    (chosen,) = estimate(config).precisions
    assert chosen == choose_precision("auto", torch.device("cpu"))[0]
