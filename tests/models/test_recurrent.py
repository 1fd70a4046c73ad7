"""LSTM, GRU and the simple RNN: torch's arithmetic, a state that goes on without end, and what an optimizer sees."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from craft.config.schema import ExperimentConfig
from craft.generation.checkpoint import load_checkpoint
from craft.generation.sampling import generate_tokens
from craft.models import LanguageModel, create_model_from_config
from craft.models.recurrent import Recurrent
from craft.runs import checkpoints
from craft.runs.sampling_settings import SamplingSettings
from craft.training.optimizers import create_optimizer
from tests.training import runs
from tests.training.test_resume import run_here

V = 13
CELLS: dict[str, dict[str, Any]] = {
    "lstm": {"type": "lstm"},
    **{cell: {"type": "rnn", "cell": cell} for cell in ("gru", "tanh", "relu")},
}


def model_of(cell: str, seed: int = 1, **settings: Any) -> Recurrent:
    model = {**CELLS[cell], "num_layers": 2, "hidden_size": 24, **settings}
    config = ExperimentConfig.model_validate({"model": model})
    torch.manual_seed(seed)
    made = create_model_from_config(config.model, V, 8)
    assert isinstance(made, Recurrent)
    with torch.no_grad():
        if not made.config.tie_embeddings:
            made.head.weight.normal_()  # it starts at zero, and zeros are equal to anything's
    return made


@pytest.mark.parametrize("cell", CELLS)
def test_it_computes_what_torchs_module_does(cell: str) -> None:
    model = model_of(cell, embedding_size=16)
    tokens = torch.randint(V, (3, 10))
    module: nn.Module = model.layers
    outputs, _ = module(model.token_embedding(tokens.T))
    wanted = nn.functional.cross_entropy(model.head(outputs).flatten(0, 1), tokens.T.flatten())
    parameters = list(model.parameters())
    ours = torch.autograd.grad(model(tokens, tokens).loss, parameters)
    theirs = torch.autograd.grad(wanted, parameters)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("cell", CELLS)
def test_a_state_carries_everything(cell: str) -> None:
    model = model_of(cell).eval()
    tokens = torch.randint(V, (2, 30))  # far beyond the context
    whole = model(tokens, state=model.init_state(2, 30))
    state = model.init_state(2, 30)
    kept = state
    parts = []
    for start, stop in ((0, 1), (1, 7), (7, 8), (8, 30)):
        output = model(tokens[:, start:stop], state=state)
        parts.append(output.logits)
        state = output.state
    torch.testing.assert_close(torch.cat(parts, dim=1), whole.logits)
    for a, b in zip(state, whole.state, strict=True):
        torch.testing.assert_close(a, b)
    assert all(bool((part == 0).all()) for part in kept), "a state is not changed: several texts may go on from it"


@pytest.mark.parametrize("cell", CELLS)
def test_nothing_comes_from_the_future(cell: str) -> None:
    model = model_of(cell).eval()
    tokens = torch.randint(V, (1, 20))
    changed = tokens.clone()
    changed[:, 12:] = (changed[:, 12:] + 1) % V
    assert torch.equal(model(tokens).logits[:, :12], model(changed).logits[:, :12])
    assert not torch.equal(model(tokens).logits[:, 12:], model(changed).logits[:, 12:])


@pytest.mark.parametrize("cell", CELLS)
def test_the_first_loss_is_that_of_a_blind_guess(cell: str) -> None:
    config = ExperimentConfig.model_validate({"model": CELLS[cell]})
    model: LanguageModel = create_model_from_config(config.model, V, 8)
    tokens = torch.randint(V, (2, 8))
    loss = model(tokens, tokens).loss
    assert loss is not None
    assert loss.item() == pytest.approx(math.log(V), rel=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_bf16_is_near_fp32(cell: str) -> None:
    model = model_of(cell)
    tokens = torch.randint(V, (2, 8))
    exact = model(tokens, tokens).loss
    model.compute_dtype = torch.bfloat16
    rough = model(tokens, tokens).loss
    assert exact is not None
    assert rough is not None
    rough.backward()
    assert abs(exact.item() - rough.item()) < 0.03
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in model.parameters())


def test_muon_turns_each_gate_by_itself() -> None:
    model = model_of("lstm")
    assert model.stacked_rows()["layers.weight_hh_l1"] == [24] * 4
    roles = model.parameter_roles()
    assert (roles["layers.weight_ih_l0"], roles["layers.bias_ih_l0"]) == ("matrix", "scalar")
    assert (roles["token_embedding.weight"], roles["head.weight"]) == ("embedding", "head")
    config = ExperimentConfig.model_validate({"model": CELLS["lstm"], "optimizer": {"type": "muon"}})
    optimizer = create_optimizer(config.optimizer, model)
    assert optimizer.state_dict()["matrices.24x24.momentum"].shape == (16, 24, 24)


def test_tied_widths_must_be_alike() -> None:
    with pytest.raises(ValueError, match=r"embedding_size = 0 would do"):
        ExperimentConfig.model_validate({"model": {"type": "lstm", "tie_embeddings": True, "embedding_size": 8}})


def test_generation_never_begins_anew() -> None:
    model = model_of("gru").eval()
    read: list[int] = []
    once = model.read

    def counted(tokens: torch.Tensor, state: Any) -> Any:
        read.append(tokens.shape[1])
        return once(tokens, state)

    model.read = counted  # type: ignore[method-assign]
    prompt = [1, 2, 3] * 9
    written = list(generate_tokens(model, prompt, SamplingSettings(max_new_tokens=20, temperature=0)))
    assert read == [27] + [1] * 19, "the prompt, and then a token at a time"
    greedy = list(prompt)
    for _ in range(20):
        greedy.append(int(model(torch.tensor([greedy])).logits[0, -1].argmax()))
    assert written == greedy[len(prompt) :]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_it_learns_and_writes(tmp_path: Path, cell: str) -> None:
    config = runs.definition(
        runs.write_text(tmp_path / "text.txt"),
        model={**CELLS[cell], "num_layers": 2, "hidden_size": 48},
        optimizer={"type": "adamw", "lr": 1e-2},
        training={"max_steps": 120, "batch_size": 8, "micro_batch_size": 8, "eval_every": 60},
    )
    folder = runs.make_run(tmp_path / "runs", config)
    trainer = run_here(folder, config).trainer
    assert trainer is not None
    assert trainer.evaluated["val/loss"] < 1.3, (
        "1.17; it is 1.38 where the upper layer of an LSTM begins like the lower one"
    )
    loaded = load_checkpoint(checkpoints.resolve(folder, "latest").path)
    assert len("".join(loaded.stream("ab", SamplingSettings(max_new_tokens=50, seed=1)))) == 50
