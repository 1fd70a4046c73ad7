"""Our optimizers against torch's own, and against what Muon promises."""

from __future__ import annotations

import pytest
import torch

from craft.config.schema.model import TransformerConfig
from craft.config.schema.optimizer import AdamWConfig, MuonConfig
from craft.errors import CheckpointError
from craft.models.transformer import Transformer
from craft.training.optimizers import AdamW, Muon, create_optimizer, orthogonalise
from craft.training.optimizers.base import Group


def model_with_gradients(seed: int = 0) -> Transformer:
    torch.manual_seed(seed)
    model = Transformer(TransformerConfig(num_layers=2, hidden_size=32, num_kv_heads=2), 17, 8)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    return model


def test_adamw_is_torchs_adamw() -> None:
    ours, theirs = model_with_gradients(), model_with_gradients()
    optimizer = create_optimizer(AdamWConfig(lr=3e-3, weight_decay=0.2), ours)
    roles = theirs.parameter_roles()
    decayed = [p for n, p in theirs.named_parameters() if roles[n] in ("matrix", "head")]
    kept = [p for n, p in theirs.named_parameters() if roles[n] not in ("matrix", "head")]
    reference = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.2}, {"params": kept, "weight_decay": 0.0}], lr=3e-3, betas=(0.9, 0.95)
    )
    for step in range(5):
        optimizer.lr_factor = 1.0 / (step + 1)
        for group in reference.param_groups:
            group["lr"] = 3e-3 / (step + 1)
        optimizer.step()
        reference.step()
    for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, its)


@pytest.mark.parametrize("shape", [(32, 32), (16, 64)])
def test_orthogonalised_updates_have_singular_values_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    update = orthogonalise(torch.randn(3, *shape), steps=5)
    values = torch.linalg.svdvals(update)
    assert values.min() > 0.3
    assert values.max() < 1.3


def test_muon_moves_every_parameter_and_treats_stacked_matrices_apart() -> None:
    model = model_with_gradients()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = create_optimizer(MuonConfig(), model)
    assert isinstance(optimizer, Muon)
    # queries and outputs are 32 x 32, keys and values 16 x 32: two shapes of attention, two of the MLP
    assert {s.partition(":")[0] for s in optimizer.stacks} == {"32x32", "16x32", "128x32", "32x128"}
    optimizer.step()
    for name, parameter in model.named_parameters():
        assert not torch.equal(parameter, before[name]), name


def test_state_goes_round() -> None:
    for config in (MuonConfig(), AdamWConfig()):
        first, second = model_with_gradients(), model_with_gradients()
        one, other = create_optimizer(config, first), create_optimizer(config, second)
        one.step()
        second.load_state_dict(first.state_dict())
        other.load_state_dict({name: tensor.clone() for name, tensor in one.state_dict().items()})
        one.step()
        other.step()
        for mine, its in zip(first.parameters(), second.parameters(), strict=True):
            assert torch.equal(mine, its)


def test_state_of_another_model_is_refused() -> None:
    small = create_optimizer(MuonConfig(), model_with_gradients())
    big = create_optimizer(
        MuonConfig(), Transformer(TransformerConfig(num_layers=3, hidden_size=32, num_kv_heads=2), 17, 8)
    )
    with pytest.raises(CheckpointError, match="shape"):
        big.load_state_dict(small.state_dict())
    other = AdamW([Group({"a": torch.nn.Parameter(torch.ones(2))}, 0.1)], 0.1, betas=(0.9, 0.99), eps=1e-8)
    with pytest.raises(CheckpointError, match="one side only"):
        other.load_state_dict(small.state_dict())
