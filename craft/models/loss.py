"""Cross-entropy over a vocabulary so large that the logits of a whole batch would take more memory than the model.

Letters: N rows (tokens), R rows at once, D width, V vocabulary.

The head's product, the soft-cap and the loss are gone through together, some rows at a time, and each piece's
gradients are computed while its logits are there: nothing of size (N, V) ever is. The idea is that of Hsu et al., 2024,
arXiv:2410.10989, and Wijmans et al., 2024, arXiv:2411.09009, here out of plain products.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from craft.config.logits import rows_at_once
from craft.models.base import IGNORED


def is_large(targets: Tensor, vocab_size: int) -> bool:
    """Whether the logits for these targets are better never held all at once."""
    return rows_at_once(targets.numel(), vocab_size, targets.device.type) < targets.numel()


class _LinearCrossEntropy(torch.autograd.Function):
    """Mean cross-entropy of `x @ weight.T`, soft-capped, with its gradients made on the way."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, targets: Tensor, softcap: float, size: int) -> Tensor:
        wants_x, wants_weight, *_ = ctx.needs_input_grad
        narrow = weight.to(x.dtype)
        total = torch.zeros((), device=x.device)
        # Gradients of the sum: divided by the count only later, they do not vanish in fp16.
        d_x = torch.empty_like(x) if wants_x else None
        d_weight = torch.zeros_like(weight) if wants_weight else None
        for start in range(0, len(x), size):
            rows = slice(start, start + size)
            nats, d_logits = _piece(x[rows] @ narrow.T, targets[rows], softcap)
            total += nats
            if d_x is not None:
                torch.mm(d_logits, narrow, out=d_x[rows])
            if d_weight is not None and weight.dtype == x.dtype:
                d_weight.addmm_(d_logits.T, x[rows])
            elif d_weight is not None:  # rounded once a piece and added up in fp32
                d_weight += d_logits.T @ x[rows]
            del d_logits
        part = 1.0 / (targets != IGNORED).sum()
        ctx.save_for_backward(d_x, d_weight, part)
        return total * part

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        d_x, d_weight, part = ctx.saved_tensors
        scale = gradients[0] * part
        if d_x is not None:
            d_x = (d_x * scale) if d_x.dtype == torch.float32 else (d_x.float() * scale).to(d_x.dtype)
        if d_weight is not None:
            d_weight.mul_(scale)  # in place, as it is large; torch then refuses to go backward a second time
        return d_x, d_weight, None, None, None


def _piece(product: Tensor, targets: Tensor, softcap: float) -> tuple[Tensor, Tensor]:
    """The summed loss of logits (R, V), before their soft-cap, and its gradient for them, in their dtype."""
    dtype, logits = product.dtype, product.float()
    del product
    bent = torch.empty(0)
    if softcap:
        bent = torch.tanh(logits.div_(softcap))
        logits = bent * softcap
    counts, wanted = targets != IGNORED, targets.clamp(min=0)[:, None]
    norm = torch.logsumexp(logits, dim=-1, keepdim=True)  # (R, 1)
    nats = torch.where(counts, (norm - logits.gather(1, wanted))[:, 0], 0.0).sum()
    gradient = logits.sub_(norm).exp_()  # the probabilities, less one for what came
    gradient.scatter_add_(1, wanted, gradient.new_full(wanted.shape, -1.0))
    gradient.masked_fill_(~counts[:, None], 0.0)
    if softcap:
        gradient.mul_(bent.square_().neg_().add_(1.0))
    return nats, gradient.to(dtype)


def linear_cross_entropy(x: Tensor, weight: Tensor, targets: Tensor, softcap: float = 0.0, size: int = 0) -> Tensor:
    """Mean cross-entropy in nats over the targets that count, fp32. NaN where none does, as in F.cross_entropy.

    x (B, T, D) in the model's arithmetic, weight (V, D) fp32, targets (B, T) with IGNORED where nothing counts.
    size: rows at once, instead of as many as suit the device.
    """
    size = size or rows_at_once(targets.numel(), len(weight), targets.device.type)
    arguments = (x.flatten(0, 1), weight, targets.flatten(), softcap, size)
    return _apply(*arguments)


def _apply(*arguments: Any) -> Tensor:
    loss: Tensor = _LinearCrossEntropy.apply(*arguments)  # type: ignore[no-untyped-call]
    return loss


def keep_out_of_graphs() -> None:
    """Before a model is compiled: let `torch.compile` call the loss as it is, instead of tracing it.

    Not a decorator: `torch.compiler.disable` imports the compiler, and that takes as long as torch itself.
    """
    global _apply
    if not hasattr(_apply, "_torchdynamo_disable"):
        _apply = torch.compiler.disable(_apply)  # type: ignore[no-untyped-call]
