"""One step: micro-batches add up to the batch, whatever counts in each."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from craft.config.schema.model import TransformerConfig
from craft.config.schema.optimizer import AdamWConfig
from craft.config.schema.scheduler import ConstantSchedule
from craft.data import TrainBatches
from craft.data.datasets import ItemDataset
from craft.models.base import IGNORED
from craft.models.transformer import Transformer
from craft.training.loss_scale import LossScale
from craft.training.optimizers import create_optimizer
from craft.training.schedulers import create_scheduler
from craft.training.training_loop import TrainingLoop

T, ROWS = 8, 6


def items(counting: list[int]) -> ItemDataset:
    """Pairs of which the first so many targets count."""
    generator = torch.Generator().manual_seed(0)
    pairs = []
    for count in counting:
        inputs, targets = torch.randint(11, (2, T), generator=generator)
        targets[count:] = IGNORED
        pairs.append((inputs, targets))
    return ItemDataset(pairs, T, 11, name="items")


def loss_of_a_step(counting: list[int], micro_batch_size: int) -> tuple[float, list[Tensor]]:
    torch.manual_seed(0)
    model = Transformer(TransformerConfig(num_layers=1, num_heads=2, hidden_size=16), 11, T)
    torch.nn.init.normal_(model.head.weight)
    optimizer = create_optimizer(AdamWConfig(lr=0.1), model)

    def loss_function(inputs: Tensor, targets: Tensor) -> Tensor:
        loss = model(inputs, targets).loss
        assert isinstance(loss, Tensor)
        return loss

    loop = TrainingLoop(
        model,
        loss_function,
        TrainBatches(items(counting), batch_size=ROWS, shuffle=False, seed=0),
        optimizer,
        create_scheduler(ConstantSchedule(), 10),
        device=torch.device("cpu"),
        micro_batch_size=micro_batch_size,
        grad_clip=1.0,
        loss_scale=LossScale(enabled=False),
    )
    loop.step(1)
    return loop.take_record()["train/loss"], [p.detach().clone() for p in model.parameters()]


@pytest.mark.parametrize("counting", [[T] * ROWS, [8, 1, 0, 0, 3, 5], [0, 0, 0, 0, 0, 1]])
@pytest.mark.parametrize("micro_batch_size", [1, 2, 4])
def test_micro_batches_add_up(counting: list[int], micro_batch_size: int) -> None:
    whole, weights = loss_of_a_step(counting, ROWS)
    parts, same = loss_of_a_step(counting, micro_batch_size)
    assert parts == pytest.approx(whole, rel=1e-5)
    for mine, its in zip(weights, same, strict=True):
        torch.testing.assert_close(mine, its, atol=2e-3, rtol=1e-3)
