"""The transformer: every switch learns nothing from the future, and a cache changes nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from craft.config.schema.model import TransformerConfig
from craft.models.base import IGNORED
from craft.models.transformer import RMSNormalise, SquaredReLU, Transformer

VOCAB, CONTEXT = 11, 12

SHAPES: dict[str, dict[str, Any]] = {
    "modern": {},
    "gpt2": {
        "norm": "layernorm",
        "position": "learned",
        "mlp": "gelu",
        "bias": True,
        "tie_embeddings": True,
        "qk_norm": False,
    },
    "grouped swiglu": {"num_kv_heads": 2, "mlp": "swiglu", "logit_softcap": 15.0},
    "one kv head, no positions": {"num_kv_heads": 1, "position": "none", "qk_norm": False},
    "tied, narrow mlp": {"tie_embeddings": True, "intermediate_size": 24},
}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def make(shape: str, dtype: torch.dtype = torch.float32) -> Transformer:
    torch.manual_seed(0)
    config = TransformerConfig(num_layers=2, num_heads=4, hidden_size=32, **SHAPES[shape])
    model = Transformer(config, VOCAB, CONTEXT)
    for parameter in model.parameters():  # zero projections would hide mistakes behind them
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    model.compute_dtype = dtype
    return model.eval()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_token_does_not_see_what_comes_after_it(shape: str, dtype: str) -> None:
    model = make(shape, DTYPES[dtype])
    tokens = torch.randint(VOCAB, (2, CONTEXT))
    changed = tokens.clone()
    changed[:, 7:] = (changed[:, 7:] + 1) % VOCAB
    before, after = model(tokens).logits, model(changed).logits
    assert torch.equal(before[:, :7], after[:, :7])
    assert not torch.equal(before[:, 7:], after[:, 7:])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pieces", [[12], [5, 7], [1] * 12, [9, 1, 1, 1]])
def test_reading_through_a_cache_gives_the_same_logits(shape: str, dtype: str, pieces: list[int]) -> None:
    model = make(shape, DTYPES[dtype])
    tokens = torch.randint(VOCAB, (3, CONTEXT))
    with torch.inference_mode():
        whole = model(tokens).logits
        state = model.init_state(3, CONTEXT)
        parts = [model(piece, state=state).logits for piece in tokens.split(pieces, dim=1)]
    tolerance = 1e-5 if dtype == "fp32" else 0.15
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=tolerance, rtol=tolerance)
    assert state.length == CONTEXT


@pytest.mark.parametrize("shape", [name for name, switches in SHAPES.items() if not switches.get("tie_embeddings")])
def test_an_untied_model_starts_at_the_loss_of_a_uniform_guess(shape: str) -> None:
    model = Transformer(TransformerConfig(num_layers=2, hidden_size=32, **SHAPES[shape]), VOCAB, CONTEXT)
    tokens = torch.randint(VOCAB, (4, CONTEXT))
    loss = model(tokens, tokens).loss
    assert loss is not None
    assert loss.item() == pytest.approx(math.log(VOCAB), abs=1e-6)


def test_padding_does_not_count() -> None:
    model = make("modern")
    tokens = torch.randint(VOCAB, (1, CONTEXT))
    targets = torch.randint(VOCAB, (1, CONTEXT))
    half = targets.clone()
    half[:, 6:] = IGNORED
    whole, part = model(tokens[:, :6], targets[:, :6]).loss, model(tokens, half).loss
    torch.testing.assert_close(whole, part)


def test_roles_name_every_parameter_once() -> None:
    model = make("modern")
    roles = model.parameter_roles()
    assert set(roles) == {name for name, _ in model.named_parameters()}
    assert roles["head.weight"] == "head"
    assert roles["token_embedding.weight"] == "embedding"
    assert roles["blocks.0.attention.qkv_proj.weight"] == "matrix"
    assert "head.weight" not in make("gpt2").parameter_roles()  # tied: it is the embedding
    for name, rows in model.stacked_rows().items():
        assert sum(rows) == len(model.get_parameter(name))


def test_the_written_out_backward_passes_are_right() -> None:
    x = torch.randn(3, 5, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(SquaredReLU.apply, (x,))
    x = x.detach().float().requires_grad_()
    ours = RMSNormalise.apply(x)
    theirs = torch.nn.functional.rms_norm(x, (8,), eps=1e-5)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)
    weights = torch.randn_like(theirs)
    (expected,) = torch.autograd.grad((theirs * weights).sum(), x)
    (found,) = torch.autograd.grad((ours * weights).sum(), x)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


def test_dropout_acts_in_training_only() -> None:
    config = TransformerConfig(num_layers=1, hidden_size=32, dropout=0.5)
    model = Transformer(config, VOCAB, CONTEXT)
    torch.nn.init.normal_(model.head.weight)
    tokens = torch.randint(VOCAB, (2, CONTEXT))
    assert not torch.equal(model.train()(tokens).logits, model(tokens).logits)
    assert torch.equal(model.eval()(tokens).logits, model(tokens).logits)
