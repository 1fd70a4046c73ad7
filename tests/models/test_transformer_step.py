"""One position by the short way: the numbers of `forward`, for every switch, alone and beside texts of any length."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from craft.config.schema.model import TransformerConfig
from craft.models.kv_cache import KVCache
from craft.models.packed import Precision, pack
from craft.models.transformer import Transformer
from craft.models.transformer_step import TransformerStep

VOCAB, CONTEXT = 11, 12

SWITCHES = list(
    itertools.product(
        ["rmsnorm", "layernorm"], ["relu2", "gelu", "swiglu"], ["rotary", "learned", "none"], [False, True]
    )
)


@pytest.fixture(autouse=True)
def _memory_that_was_never_written_is_no_number() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def make(dtype: torch.dtype = torch.float32, **settings: Any) -> Transformer:
    torch.manual_seed(0)
    sizes = {"num_layers": 2, "num_heads": 4, "hidden_size": 32}
    model = Transformer(TransformerConfig(**{**sizes, **settings}), VOCAB, CONTEXT)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.2)
        else:  # gains and biases
            nn.init.normal_(parameter, mean=parameter.mean().item(), std=0.2)
    model.compute_dtype = dtype
    return model.eval()


def texts(rows: int) -> Tensor:
    return torch.randint(VOCAB, (rows, CONTEXT), generator=torch.Generator().manual_seed(rows))


@torch.inference_mode()
def by_steps(model: Transformer, tokens: Tensor, lengths: list[int]) -> Tensor:
    """The logits of the last positions, (B, 4, V): texts are read up to `lengths`, joined, and go on by four steps."""
    states = []
    for row, length in enumerate(lengths):
        _, state = model.read(tokens[row : row + 1, :length], model.init_state(1, CONTEXT))
        states.append(state)
    joined = KVCache.join(states)
    places = torch.tensor(lengths)
    found = []
    for step in range(4):
        logits, joined = model.read(tokens.gather(1, (places + step)[:, None]), joined)
        found.append(logits)
    return torch.stack(found, dim=1)


@torch.inference_mode()
def whole(model: Transformer, tokens: Tensor, lengths: list[int]) -> Tensor:
    logits = model(tokens).logits  # (B, T, V)
    assert logits is not None
    rows = torch.tensor(lengths)[:, None] + torch.arange(4)  # (B, 4)
    some: Tensor = logits[torch.arange(len(tokens))[:, None], rows]
    return some


# One row, several that are even, several that are not, and as many as take another way through attention.
BATCHES = {
    "one": [5],
    "even": [5, 5, 5],
    "uneven": [8, 1, 5],
    "many even": [6] * 9,
    "many": [1, 8, 3, 5, 2, 8, 8, 4, 6],
}


@pytest.mark.parametrize("lengths", BATCHES.values(), ids=list(BATCHES))
@pytest.mark.parametrize(("norm", "mlp", "position", "bias"), SWITCHES)
def test_a_step_is_forward(norm: str, mlp: str, position: str, bias: bool, lengths: list[int]) -> None:
    for kv_heads, qk_norm, cap, tied in [(0, False, 0.0, False), (2, True, 5.0, True), (1, True, 0.0, False)]:
        model = make(
            norm=norm,
            mlp=mlp,
            position=position,
            bias=bias,
            num_kv_heads=kv_heads,
            qk_norm=qk_norm,
            logit_softcap=cap,
            tie_embeddings=tied,
        )
        tokens = texts(len(lengths))
        found, wanted = by_steps(model, tokens, lengths), whole(model, tokens, lengths)
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
        assert wanted.std() > 0.1


@pytest.mark.parametrize("lengths", BATCHES.values(), ids=list(BATCHES))
@pytest.mark.parametrize("preset", ["gpt2", "llama", "nanochat"])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
@pytest.mark.parametrize("size", [32, 512])  # small layers stay as they are, large ones are laid out anew
def test_a_packed_model_is_the_model(size: int, precision: Precision, preset: str, lengths: list[int]) -> None:
    """In fp32 to the last digits; in fewer bits about, and its steps as its own `forward`."""
    model = make(preset=preset, hidden_size=size, num_kv_heads=2, num_layers=1)
    for parameter in model.parameters():  # sums of more numbers, of the same size
        parameter.data *= (32 / size) ** 0.5 if parameter.ndim > 1 else 1
    packed = copy.deepcopy(model)
    pack(packed, precision)
    tokens = texts(len(lengths))
    found, wanted = by_steps(packed, tokens, lengths), whole(model, tokens, lengths)
    exact = precision == "fp32"
    spread = wanted.std()
    assert (found.float() - wanted).std() < (1e-5 if exact else 0.1) * spread
    assert (found.float() - whole(packed, tokens, lengths).float()).std() < (1e-5 if exact else 0.05) * spread


@pytest.mark.parametrize("lengths", BATCHES.values(), ids=list(BATCHES))
@pytest.mark.parametrize("preset", ["gpt2", "llama", "nanochat"])
def test_a_step_in_bf16_is_about_that_in_fp32(preset: str, lengths: list[int]) -> None:
    model = make(preset=preset)
    tokens = texts(len(lengths))
    wanted = whole(model, tokens, lengths)
    model.compute_dtype = torch.bfloat16
    found = by_steps(model, tokens, lengths).float()
    assert (found - wanted).std() < 0.05 * wanted.std()


@pytest.mark.parametrize("lengths", BATCHES.values(), ids=list(BATCHES))
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_the_way_through_attention_of_other_devices_gives_the_same(
    kv_heads: int, lengths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokens = make(num_kv_heads=kv_heads), texts(len(lengths))
    monkeypatch.setattr(TransformerStep, "_products", TransformerStep._fused)
    found, wanted = by_steps(model, tokens, lengths), whole(model, tokens, lengths)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_rows_that_are_chosen_go_on_as_they_were() -> None:
    model, tokens = make(), texts(4)
    with torch.inference_mode():
        _, state = model.read(tokens[:, :5], model.init_state(4, CONTEXT))
        rows = [2, 2, 0, 3, 2]
        chosen = model.select_state(state, rows)
        for place in range(5, 9):
            logits, chosen = model.read(tokens[rows, place : place + 1], chosen)
            wanted = model(tokens[rows, : place + 1]).logits
            assert wanted is not None
            torch.testing.assert_close(logits, wanted[:, -1], atol=1e-5, rtol=1e-5)


def test_steps_go_by_the_weights_as_they_are() -> None:
    """A model that is trained on between two texts does not write by what it was."""
    model, tokens = make(), texts(1)
    before = by_steps(model, tokens, [5])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05)
    after = by_steps(model, tokens, [5])
    torch.testing.assert_close(after, whole(model, tokens, [5]), atol=1e-5, rtol=1e-5)
    assert (after - before).abs().max() > 0.01
