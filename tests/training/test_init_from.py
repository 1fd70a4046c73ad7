"""A run that starts from other weights: it begins where those were, says so once, and resumes like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from craft.errors import CheckpointError
from craft.models.weights import FILE
from craft.runs.checkpoints import step_folder
from craft.runs.events import read_events
from craft.runs.folder import RunFolder, read_identity
from craft.runs.manifest import file_digest
from craft.training.experiment import Experiment
from tests.training.runs import definition, make_run, write_text

EMBEDDING = "token_embedding.weight"


def train(runs_dir: Path, text: Path, name: str, steps: int = 10, **settings: Any) -> RunFolder:
    config = definition(text, training={"max_steps": steps, "eval_every": 5}, **settings)
    folder = make_run(runs_dir, config, name)
    Experiment(config, folder=folder).run()
    return folder


def weights(folder: RunFolder, step: int) -> dict[str, torch.Tensor]:
    return load_file(step_folder(folder, step) / FILE)


def initialised(folder: RunFolder) -> list[dict[str, Any]]:
    return [event for event in read_events(folder) if event["kind"] == "initialised"]


def test_a_run_begins_with_the_weights_of_another(tmp_path: Path) -> None:
    text = write_text(tmp_path / "text.txt")
    base = train(tmp_path, text, "base")
    after = train(tmp_path, text, "next", init_from="base@latest", optimizer={"type": "adamw", "lr": 0.0})
    assert all(torch.equal(weights(after, 0)[name], tensor) for name, tensor in weights(base, 10).items())
    initial = read_identity(after).initial
    assert initial["sha256"] == file_digest(step_folder(base, 10) / FILE)
    assert (initial["tensors"], initial["misfits"]) == (initial["all_tensors"], {})
    (event,) = initialised(after)
    assert f"first weights from {step_folder(base, 10)}" in event["text"]


def test_a_resume_does_not_take_them_again_and_ends_in_the_same_bits(tmp_path: Path) -> None:
    text = write_text(tmp_path / "text.txt")
    train(tmp_path, text, "base")
    whole = train(tmp_path, text, "whole", init_from="base@10")
    config = definition(text, training={"max_steps": 10, "eval_every": 5}, init_from="base@10")
    halved = make_run(tmp_path, config, "halved")
    first = Experiment(config, folder=halved)
    first.setup().fit(until=5)
    first.trainer.save()  # type: ignore[union-attr]
    first._lock.release()  # type: ignore[union-attr]
    for file in step_folder(RunFolder(tmp_path / "base-001"), 10).iterdir():
        file.unlink()  # the source may go once the run has begun
    Experiment(config, folder=halved).run()
    assert len(initialised(halved)) == 1
    ends = weights(halved, 10)
    assert all(torch.equal(ends[name], tensor) for name, tensor in weights(whole, 10).items())


def test_tokens_of_another_tokenizer_keep_their_fresh_rows(tmp_path: Path) -> None:
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_text("abcdefgh " * 400)
    second.write_text("stuvwxyz " * 400)  # as many characters, and others
    base = train(tmp_path, first, "base")
    after = train(tmp_path, second, "next", init_from="base", optimizer={"type": "adamw", "lr": 0.0})
    misfits = read_identity(after).initial["misfits"]
    assert misfits.keys() == {EMBEDDING, "head.weight"}
    assert "its tokenizer is another" in misfits[EMBEDDING]
    for name, tensor in weights(base, 10).items():
        assert torch.equal(weights(after, 0)[name], tensor) == (name not in misfits)


def test_what_shapes_do_not_show_is_said(tmp_path: Path) -> None:
    text = write_text(tmp_path / "text.txt")
    train(tmp_path, text, "base")
    other = {"type": "transformer", "num_layers": 1, "num_heads": 4, "hidden_size": 16, "qk_norm": False}
    after = train(tmp_path, text, "next", init_from="base", model=other)
    remarks = read_identity(after).initial["remarks"]
    assert remarks == ["model.num_heads is 2 there and 4 here", "model.qk_norm is True there and False here"]


def test_weights_that_do_not_fit_at_all_fail_the_run(tmp_path: Path) -> None:
    text = write_text(tmp_path / "text.txt")
    train(tmp_path, text, "base", model={"type": "transformer", "num_layers": 1, "num_heads": 2, "hidden_size": 16})
    wide = {"type": "transformer", "num_layers": 1, "num_heads": 2, "hidden_size": 32}
    with pytest.raises(CheckpointError, match=r"nothing in .* fits this model: token_embedding.weight: its shape is"):
        train(tmp_path, text, "wide", init_from="base", model=wide)
