"""The linear layer of Craft's own models."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Linear(nn.Linear):
    """A linear layer that keeps fp32 weights and computes in the dtype of what comes in.

    This is mixed precision without autocast's per-operation lookups, which cost a small model more than its
    products (docs/measurements.md).
    """

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.linear(x, self.weight.to(x.dtype), bias)
