"""The loss of a large vocabulary in pieces is the plain one's, and so are its gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from craft.config.logits import evaluation_windows, rows_at_once
from craft.config.schema.model import LSTMConfig, ModelConfig, RNNConfig, TransformerConfig
from craft.models import create_model_from_config
from craft.models.base import IGNORED, LanguageModel
from craft.models.loss import linear_cross_entropy

ROWS, WIDTH, VOCAB = 23, 16, 37
LARGE = 70_000  # with two windows of 64, more logits than are held at once
TOLERANCE: dict[torch.dtype, dict[str, float]] = {
    torch.float32: {"rtol": 1e-5, "atol": 1e-7},
    torch.bfloat16: {"rtol": 0.05, "atol": 2e-3},
}


def plain(x: Tensor, weight: Tensor, targets: Tensor, softcap: float) -> Tensor:
    logits = F.linear(x, weight.to(x.dtype))
    if softcap:
        logits = softcap * torch.tanh(logits / softcap)
    return LanguageModel.next_token_loss(logits, targets)


def inputs(dtype: torch.dtype, ignored: int) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    targets = torch.randint(VOCAB, (1, ROWS))
    targets[0, :ignored] = IGNORED
    x = torch.randn(1, ROWS, WIDTH).to(dtype).requires_grad_()
    return x, torch.randn(VOCAB, WIDTH).requires_grad_(), targets


@pytest.mark.parametrize("softcap", [0.0, 3.0])
@pytest.mark.parametrize("ignored", [0, 9])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("size", [1, 5, ROWS])
def test_loss_and_gradients_are_the_plain_ones(size: int, dtype: torch.dtype, ignored: int, softcap: float) -> None:
    found = []
    for function in (plain, lambda *given: linear_cross_entropy(*given, size)):
        x, weight, targets = inputs(dtype, ignored)
        loss = function(x, weight, targets, softcap)
        (loss * 0.5).backward()
        assert x.grad is not None
        assert weight.grad is not None
        assert (loss.dtype, x.grad.dtype, weight.grad.dtype) == (torch.float32, dtype, torch.float32)
        found.append([loss.detach(), x.grad.float(), weight.grad])
    for wanted, got in zip(*found, strict=True):
        torch.testing.assert_close(got, wanted, **TOLERANCE[dtype])


def test_gradients_of_many_tokens_do_not_vanish_in_fp16() -> None:
    x, weight, targets = inputs(torch.float16, 0)
    many = x.detach().repeat(1, 500, 1).requires_grad_()
    linear_cross_entropy(many, weight, targets.repeat(1, 500), 0.0, 1000).backward()
    assert weight.grad is not None
    exact = weight.detach().clone().requires_grad_()
    plain(x.detach().float(), exact, targets, 0.0).backward()
    torch.testing.assert_close(weight.grad, exact.grad, rtol=0.02, atol=1e-4)


def test_without_one_target_that_counts_it_is_nan_as_the_plain_one() -> None:
    x, weight, targets = inputs(torch.float32, ROWS)
    assert linear_cross_entropy(x, weight, targets, 0.0, 5).isnan()
    assert plain(x, weight, targets, 0.0).isnan()


def test_a_frozen_head_has_no_gradient_and_what_comes_in_has_its_own() -> None:
    x, weight, targets = inputs(torch.float32, 3)
    linear_cross_entropy(x, weight.detach(), targets, 0.0, 5).backward()
    found = x.grad
    x.grad = None
    plain(x, weight, targets, 0.0).backward()
    torch.testing.assert_close(found, x.grad)


def test_it_goes_backward_once() -> None:
    x, weight, targets = inputs(torch.float32, 0)
    loss = linear_cross_entropy(x, weight, targets, 0.0, 5)
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


MODELS: dict[str, ModelConfig] = {
    "transformer": TransformerConfig(num_layers=1, num_heads=2, hidden_size=8),
    "tied, capped transformer": TransformerConfig(
        num_layers=1, num_heads=2, hidden_size=8, tie_embeddings=True, logit_softcap=15.0
    ),
    "lstm": LSTMConfig(num_layers=1, hidden_size=8),
    "tied gru": RNNConfig(num_layers=1, hidden_size=8, tie_embeddings=True),
}


@pytest.mark.parametrize("config", MODELS.values(), ids=MODELS.keys())
def test_a_model_of_a_large_vocabulary_learns_the_same(config: ModelConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = create_model_from_config(config, LARGE, 64)
    tokens, targets = torch.randint(LARGE, (2, 64)), torch.randint(LARGE, (2, 64))
    targets[1, 40:] = IGNORED
    for parameter in model.parameters():  # zeros would hide mistakes
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)

    def step() -> tuple[Any, list[Tensor]]:
        output = model(tokens, targets)
        model.zero_grad()
        output.loss.backward()
        return output, [p.grad.clone() for p in model.parameters() if p.grad is not None]

    output, gradients = step()
    assert output.logits is None
    assert model(tokens).logits.shape == (2, 64, LARGE)
    with torch.no_grad():
        assert model.eval()(tokens, targets).logits is not None
    model.train()
    monkeypatch.setattr("craft.models.transformer.is_large", lambda *_: False)
    monkeypatch.setattr("craft.models.recurrent.is_large", lambda *_: False)
    whole, wanted = step()
    assert whole.logits is not None
    torch.testing.assert_close(output.loss, whole.loss)
    for found, expected in zip(gradients, wanted, strict=True):
        assert (found - expected).norm() <= 1e-4 * expected.norm()


def test_a_small_vocabulary_has_all_its_logits() -> None:
    assert rows_at_once(64 * 256, 65, "cpu") == 64 * 256
    assert rows_at_once(1024, 8192, "cpu") == 1024
    assert rows_at_once(1024, 50_257, "cpu") < 1024


def test_an_evaluation_takes_fewer_windows_of_a_large_vocabulary() -> None:
    assert evaluation_windows(64, 65) == 256
    for vocab in (8192, 50_257):
        assert evaluation_windows(64, vocab) * 64 * vocab * 4 <= 2**28
    assert evaluation_windows(4096, 200_000) == 1
