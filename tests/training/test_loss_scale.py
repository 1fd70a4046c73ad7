"""The loss scale follows what fp16 can hold, and goes on where it was."""

from __future__ import annotations

import torch
from torch import nn

from craft.training.loss_scale import FIRST_SCALE, PATIENCE, LossScale


def parameter(gradient: float) -> nn.Parameter:
    one = nn.Parameter(torch.ones(2))
    one.grad = torch.full((2,), gradient)
    return one


def test_an_overflow_halves_it_and_the_update_is_left_out() -> None:
    scale = LossScale(enabled=True)
    assert not scale.unscale([parameter(float("inf"))])
    assert scale.scale == FIRST_SCALE / 2


def test_gradients_are_divided_and_patience_doubles_it() -> None:
    scale = LossScale(enabled=True)
    for _ in range(PATIENCE):
        before = scale.scale
        one = parameter(before * 3)
        assert scale.unscale([one])
        assert one.grad is not None
        torch.testing.assert_close(one.grad, torch.full((2,), 3.0))
    assert scale.scale == FIRST_SCALE * 2


def test_its_state_goes_round() -> None:
    first, second = LossScale(enabled=True), LossScale(enabled=True)
    first.unscale([parameter(float("nan"))])
    first.unscale([parameter(1.0)])
    second.load_state_dict(first.state_dict())
    assert (second.scale, second.good_steps) == (FIRST_SCALE / 2, 1)


def test_switched_off_it_changes_nothing() -> None:
    scale, one = LossScale(enabled=False), parameter(float("inf"))
    assert scale.unscale([one])
    loss = torch.tensor(2.0)
    assert scale.apply(loss) is loss
