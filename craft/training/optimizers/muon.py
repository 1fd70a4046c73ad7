"""Muon: orthogonalised updates for the hidden matrices, AdamW for everything else."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from craft.config.schema.optimizer import MuonConfig
from craft.models.base import BaseModel, Role
from craft.training.optimizers.base import Group, Optimizer, rate_ratios, trainable
from craft.training.optimizers.elementwise import AdamW

# Quintic Newton-Schulz coefficients of Keller Jordan's Muon (2024): steepest at zero, not convergent to exactly 1.
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalise(update: Tensor, steps: int) -> Tensor:
    """The nearest semi-orthogonal matrices, roughly. update: (N, rows, columns) with rows <= columns."""
    a, b, c = NEWTON_SCHULZ
    x = update / (update.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT  # (N, rows, rows)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return cast(Tensor, x)


class _Part(NamedTuple):
    """A hidden matrix, which may be a part of a parameter; of a kernel all but the first dimension are its columns."""

    parameter: nn.Parameter
    rows: slice
    turned: bool
    """Whether it stands taller than wide, and is turned over."""
    lr_ratio: float


class _MatrixStack:
    """Hidden matrices of one shape, lying down (rows <= columns), updated by a few batched products.

    Batched, the orthogonalisation of a small model's matrices takes less than half the time of a loop over them
    (docs/measurements.md).
    """

    def __init__(self, parts: list[_Part]) -> None:
        self.parts = parts
        parameter, rows, turned, _ = parts[0]
        matrix = parameter[rows].flatten(1)
        shape = matrix.mT.shape if turned else matrix.shape
        self.momentum = torch.zeros(len(parts), *shape, device=parameter.device)
        # A tall matrix moves further: its update has the same size for each output (Jordan 2024).
        self.scale = (shape[1] / shape[0]) ** 0.5 if turned else 1.0

    def gradients(self) -> Tensor:
        """Gradients of all parts, (N, rows, columns)."""
        found = []
        for parameter, rows, turned, _ in self.parts:
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            matrix = gradient[rows].flatten(1)
            found.append(matrix.mT if turned else matrix)
        return torch.stack(found)


class Muon(Optimizer):
    """Muon for the hidden matrices, AdamW for everything else.

    Source: Keller Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
    The orthogonalisation runs in the model's compute dtype: Muon is made for bf16.
    """

    def __init__(self, config: MuonConfig, model: BaseModel) -> None:
        self.config = config
        self.dtype = torch.bfloat16 if model.compute_dtype == torch.bfloat16 else torch.float32
        roles, stacked = model.parameter_roles(), model.stacked_rows()
        named = trainable(model)
        ratios = rate_ratios(config, named)
        shapes: dict[tuple[int, int, bool], list[_Part]] = {}
        for name, role in roles.items():
            if role != "matrix" or name not in named:
                continue
            parameter, start = named[name], 0
            for count in stacked.get(name, [len(parameter)]):
                rows = slice(start, start + count)
                start += count
                tall = count > parameter[rows][0].numel()
                shape = (count, parameter[rows][0].numel(), tall)
                shapes.setdefault(shape, []).append(_Part(parameter, rows, tall, ratios[name]))
        self.stacks = {f"{r}x{c}": _MatrixStack(parts) for (r, c, _), parts in shapes.items()}
        self.rest = AdamW(_rest(config, model), config.lr, (config.betas[0], config.betas[1]), config.eps)

    def change(self, config: MuonConfig, model: BaseModel) -> None:
        """Go on with other numbers, as if it had been made with them; its state stays."""
        self.config = config
        self.rest.regroup(_rest(config, model), config.lr)
        self.rest.eps = config.eps

    @property
    def lr(self) -> float:
        """The hidden matrices' current rate."""
        return self.config.lr * self.lr_factor

    @torch.no_grad()
    def step(self) -> None:
        """One update, in place."""
        self.rest.lr_factor = self.lr_factor
        self.rest.step()
        for stack in self.stacks.values():
            gradients = stack.gradients()
            stack.momentum.lerp_(gradients, 1.0 - self.config.momentum)
            ahead = gradients.lerp_(stack.momentum, self.config.momentum)  # Nesterov
            updates = orthogonalise(ahead.to(self.dtype), self.config.ns_steps)
            for (parameter, rows, turned, ratio), update in zip(stack.parts, updates.unbind(), strict=True):
                if parameter.grad is None:
                    continue
                part, lr = parameter[rows], self.lr * ratio
                if self.config.weight_decay:
                    part.mul_(1.0 - lr * self.config.weight_decay)
                part.add_((update.mT if turned else update).reshape(part.shape), alpha=-lr * stack.scale)

    def state_dict(self) -> dict[str, Tensor]:
        """Momentum per shape of matrix, and AdamW's state for the rest."""
        return {f"matrices.{shape}.momentum": stack.momentum for shape, stack in self.stacks.items()} | {
            f"rest.{name}": tensor for name, tensor in self.rest.state_dict().items()
        }


def _rest(config: MuonConfig, model: BaseModel) -> list[Group]:
    """The parameters that are no hidden matrices, by their rates."""
    roles, named = model.parameter_roles(), trainable(model)
    ratios = rate_ratios(config, named)
    rates: dict[Role, float] = {
        "embedding": config.embedding_lr,
        "head": config.head_lr,
        "scalar": config.scalar_lr,
    }
    groups: dict[float, Group] = {}
    for kind, lr in rates.items():
        for name in named:
            if roles[name] == kind:
                rate = lr * ratios[name]
                groups.setdefault(rate, Group({}, rate)).named[name] = named[name]
    return list(groups.values())
