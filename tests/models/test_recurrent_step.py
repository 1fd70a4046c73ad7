"""One token of a recurrent model by packed weights: the numbers of its own kernel."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from craft.config.schema.model import LSTMConfig, RNNConfig
from craft.models.packed import Precision, pack
from craft.models.recurrent import Recurrent

VOCAB, LENGTH = 11, 9
CONFIGS: dict[str, type[LSTMConfig] | type[RNNConfig]] = {
    "lstm": LSTMConfig, "gru": RNNConfig, "tanh": RNNConfig, "relu": RNNConfig
}  # fmt: skip


def make(cell: str, width: int, tied: bool) -> Recurrent:
    torch.manual_seed(0)
    named = {} if cell == "lstm" else {"cell": cell}
    config = CONFIGS[cell].model_validate({"num_layers": 2, "hidden_size": width, "tie_embeddings": tied, **named})
    model = Recurrent(config, VOCAB, 8)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=1 / width**0.5)
    return model.eval()


@torch.inference_mode()
def by_steps(model: Recurrent, tokens: Tensor) -> Tensor:
    """The logits after each token but the first three, (B, T - 3, V)."""
    _, state = model.read(tokens[:, :3], model.init_state(len(tokens), LENGTH))
    found = []
    for token in tokens[:, 3:].mT:
        logits, state = model.read(token[:, None], state)
        found.append(logits.float())
    return torch.stack(found, dim=1)


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("width", [16, 256])
@pytest.mark.parametrize("cell", CONFIGS)
@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_a_packed_step_is_the_models_own(precision: Precision, cell: str, width: int, tied: bool, rows: int) -> None:
    model = make(cell, width, tied)
    tokens = torch.randint(VOCAB, (rows, LENGTH), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted = model(tokens).logits[:, 3:]
    torch.testing.assert_close(by_steps(model, tokens), wanted, atol=1e-5, rtol=1e-5)
    packed = copy.deepcopy(model)
    pack(packed, precision)
    found = by_steps(packed, tokens)
    assert (found - wanted).std() < (1e-5 if precision == "fp32" else 0.1) * wanted.std()
    # Rows that are chosen go on as they were.
    with torch.inference_mode():
        _, state = packed.read(tokens[:, :4], packed.init_state(rows, LENGTH))
        chosen = [rows - 1, 0, 0]
        again, _ = packed.read(tokens[chosen, 4:5], packed.select_state(state, chosen))
    torch.testing.assert_close(again.float(), found[chosen, 1], atol=0.02, rtol=0.02)
