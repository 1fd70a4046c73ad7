"""Blocks that are computed again in the backward pass change no bit, and models that cannot do it say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from craft.config.schema.model import HFConfig, LSTMConfig, ModelConfig, RNNConfig, TransformerConfig
from craft.errors import ConfigError, CraftError
from craft.models import create_model_from_config
from craft.models.module import ModuleModel
from craft.training.experiment import Experiment
from tests.training import runs
from tests.training.test_resume import run_here

VOCAB, CONTEXT = 11, 16
SIZES: dict[str, Any] = {"num_layers": 3, "num_heads": 2, "hidden_size": 16, "dropout": 0.2}
MODELS: dict[str, ModelConfig] = {
    "modern": TransformerConfig(**SIZES),
    "gpt2 shape": TransformerConfig(
        **SIZES, norm="layernorm", position="learned", mlp="gelu", bias=True, tie_embeddings=True, qk_norm=False
    ),
    "hf": HFConfig(**SIZES),
}


def step(config: ModelConfig, dtype: torch.dtype, recomputes: bool) -> tuple[list[Tensor], int]:
    """Loss, gradients and the next random number of a step, and how many blocks ran in it."""
    torch.manual_seed(0)
    model = create_model_from_config(config, VOCAB, CONTEXT)
    for parameter in model.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.3)
    model.compute_dtype, model.gradient_checkpointing = dtype, recomputes
    ran = 0

    def count(*_: object) -> None:
        nonlocal ran
        ran += 1

    norms = [module for name, module in model.named_modules() if name.endswith(("attention_norm", "ln_1"))]
    assert len(norms) == 3  # one a block
    for norm in norms:
        norm.register_forward_pre_hook(count)
    tokens = torch.randint(VOCAB, (2, CONTEXT))
    loss = model(tokens, tokens).loss
    loss.backward()
    return [loss.detach(), *(p.grad for p in model.parameters() if p.grad is not None), torch.rand(1)], ran


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("config", MODELS.values(), ids=MODELS.keys())
def test_no_bit_changes(config: ModelConfig, dtype: torch.dtype) -> None:
    if config.type == "hf":
        pytest.importorskip("transformers")
    (kept, once), (again, twice) = step(config, dtype, False), step(config, dtype, True)
    assert len(kept) == len(again)
    assert all(torch.equal(a, b) for a, b in zip(kept, again, strict=True))
    assert once == 3
    assert twice == 6


@pytest.mark.parametrize("config", [MODELS["modern"], MODELS["hf"]], ids=["transformer", "hf"])
def test_it_can_be_switched_off_again_and_is_off_in_an_evaluation(config: ModelConfig) -> None:
    if config.type == "hf":
        pytest.importorskip("transformers")
    model = create_model_from_config(config, VOCAB, CONTEXT).eval()
    tokens = torch.randint(VOCAB, (2, CONTEXT))
    with torch.no_grad():
        wanted = model(tokens).logits
        model.gradient_checkpointing = True
        assert model.gradient_checkpointing
        assert torch.equal(model(tokens).logits, wanted)
        state = model.init_state(2, CONTEXT)
        torch.testing.assert_close(model(tokens, state=state).logits, wanted)
    model.gradient_checkpointing = False
    assert not model.gradient_checkpointing


@pytest.mark.parametrize(
    "config", [LSTMConfig(num_layers=1, hidden_size=8), RNNConfig(num_layers=1, hidden_size=8)], ids=["lstm", "rnn"]
)
def test_a_recurrent_model_says_that_it_cannot(config: ModelConfig) -> None:
    model = create_model_from_config(config, VOCAB, CONTEXT)
    model.gradient_checkpointing = False
    with pytest.raises(ConfigError, match=r"training\.gradient_checkpointing: a model of class Recurrent"):
        model.gradient_checkpointing = True


def test_a_plain_module_says_that_it_cannot() -> None:
    network = nn.Sequential(nn.Embedding(VOCAB, 8), nn.Linear(8, VOCAB))
    model = ModuleModel(network, VOCAB, CONTEXT, called="mine")
    with pytest.raises(ConfigError, match="keeps what it computed"):
        model.gradient_checkpointing = True


def test_a_family_without_it_says_so() -> None:
    pytest.importorskip("transformers")
    model = create_model_from_config(MODELS["hf"], VOCAB, CONTEXT)
    model.network.supports_gradient_checkpointing = False  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match="transformers has none for this family"):
        model.gradient_checkpointing = True


def test_a_run_with_it_ends_in_the_same_bits(tmp_path: Path) -> None:
    text = runs.write_text(tmp_path / "text.txt")
    ends = []
    for wanted in (False, True):
        config = runs.definition(text, training={"gradient_checkpointing": wanted, "max_steps": 8})
        folder = runs.make_run(tmp_path / "runs", config)
        trainer = run_here(folder, config).trainer
        assert trainer is not None
        assert trainer.model.gradient_checkpointing is wanted
        ends.append(runs.final_weights(folder))
    assert ends[0] == ends[1]


def test_a_model_that_cannot_says_so(tmp_path: Path) -> None:
    text = runs.write_text(tmp_path / "text.txt")
    model = {"type": "lstm", "num_layers": 1, "hidden_size": 8}
    config = runs.definition(text, model=model, training={"gradient_checkpointing": True})
    with pytest.raises(CraftError, match="cannot compute it again"):
        Experiment(config, folder=runs.make_run(tmp_path / "runs", config)).run()
