"""Optimizers: how gradients become updates.

They do not derive from `torch.optim.Optimizer`, whose constructor imports torch's compiler and with it most of a
second (docs/measurements.md); the arithmetic is torch's own fused kernel, through its functional form.

All state is named tensors, so a checkpoint holds it as safetensors and a resume puts back the same bits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from craft.config.own_code import make_own, must_be
from craft.config.schema.optimizer import AdamWConfig, MuonConfig, OptimizerConfig, OwnOptimizer
from craft.errors import CheckpointError
from craft.models.base import BaseModel


class Optimizer(ABC):
    """Updates parameters from their gradients. `lr_factor`, set by the schedule, scales every peak rate."""

    lr_factor: float = 1.0

    @abstractmethod
    def step(self) -> None:
        """One update, in place, of every parameter that has a gradient."""

    @abstractmethod
    def state_dict(self) -> dict[str, Tensor]:
        """All state, by name; the tensors themselves, not copies."""

    @property
    @abstractmethod
    def lr(self) -> float:
        """The current learning rate of the hidden matrices: what `train/lr` records."""

    def load_state_dict(self, saved: Mapping[str, Tensor]) -> None:
        """Copy saved tensors over the state, in place. Raises CheckpointError when names or shapes differ."""
        own = self.state_dict()
        if own.keys() != saved.keys():
            odd = sorted(own.keys() ^ saved.keys())[0]
            raise CheckpointError(f"the optimizer's state does not fit this model: '{odd}' is on one side only")
        for name, tensor in own.items():
            if tensor.shape != saved[name].shape:
                raise CheckpointError(
                    f"the optimizer's '{name}' has shape {tuple(saved[name].shape)} in the checkpoint "
                    f"and {tuple(tensor.shape)} in this model"
                )
            tensor.copy_(saved[name])


@dataclass
class _AdamWGroup:
    """Parameters that share a rate and a decay, with their moments."""

    names: list[str]
    params: list[Tensor]
    lr: float
    weight_decay: float
    first: list[Tensor] = field(default_factory=list)
    second: list[Tensor] = field(default_factory=list)
    steps: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.first = [torch.zeros_like(p) for p in self.params]
        self.second = [torch.zeros_like(p) for p in self.params]
        self.steps = [torch.zeros((), dtype=torch.float32, device=p.device) for p in self.params]


class AdamW(Optimizer):
    """AdamW over groups of (named parameters, peak rate, decay)."""

    def __init__(
        self,
        groups: list[tuple[dict[str, nn.Parameter], float, float]],
        betas: tuple[float, float],
        eps: float,
    ) -> None:
        self.betas, self.eps = betas, eps
        self.groups = [
            _AdamWGroup(list(named), list(named.values()), lr, decay) for named, lr, decay in groups if named
        ]

    @property
    def lr(self) -> float:
        """The first group's current rate."""
        return self.groups[0].lr * self.lr_factor

    @torch.no_grad()
    def step(self) -> None:
        """One update, in place."""
        for group in self.groups:
            adamw(
                group.params,
                [torch.zeros_like(p) if p.grad is None else p.grad for p in group.params],
                group.first,
                group.second,
                [],
                group.steps,
                fused=group.params[0].device.type != "mps",
                amsgrad=False,
                beta1=self.betas[0],
                beta2=self.betas[1],
                lr=group.lr * self.lr_factor,
                weight_decay=group.weight_decay,
                eps=self.eps,
                maximize=False,
            )

    def state_dict(self) -> dict[str, Tensor]:
        """First and second moments and the count of updates, per parameter."""
        state: dict[str, Tensor] = {}
        for group in self.groups:
            for name, first, second, steps in zip(group.names, group.first, group.second, group.steps, strict=True):
                state |= {
                    f"{name}.exp_avg": first,
                    f"{name}.exp_avg_sq": second,
                    f"{name}.step": steps,
                }
        return state


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


class _MatrixStack:
    """Hidden matrices of one shape, lying down (rows <= columns), updated by a few batched products.

    Batched, the orthogonalisation of a small model's matrices takes less than half the time of a loop over them
    (docs/measurements.md).
    """

    def __init__(self, parts: list[tuple[nn.Parameter, slice, bool]]) -> None:
        self.parts = parts  # parameter, its rows, whether it is turned over
        parameter, rows, turned = parts[0]
        shape = parameter[rows].mT.shape if turned else parameter[rows].shape
        self.momentum = torch.zeros(len(parts), *shape, device=parameter.device)
        # A tall matrix moves further: its update has the same size for each output (Jordan 2024).
        self.scale = (shape[1] / shape[0]) ** 0.5 if turned else 1.0

    def gradients(self) -> Tensor:
        """Gradients of all parts, (N, rows, columns)."""
        found = []
        for parameter, rows, turned in self.parts:
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            found.append(gradient[rows].mT if turned else gradient[rows])
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
        named = dict(model.named_parameters())
        shapes: dict[tuple[int, int, bool], list[tuple[nn.Parameter, slice, bool]]] = {}
        for name, role in roles.items():
            if role != "matrix":
                continue
            parameter, start = named[name], 0
            for count in stacked.get(name, [len(parameter)]):
                rows = slice(start, start + count)
                start += count
                tall = count > parameter[rows][0].numel()
                shape = (count, parameter[rows][0].numel(), tall)
                shapes.setdefault(shape, []).append((parameter, rows, tall))
        self.stacks = {f"{r}x{c}": _MatrixStack(parts) for (r, c, _), parts in shapes.items()}
        rates = {"embedding": config.embedding_lr, "head": config.head_lr, "scalar": config.scalar_lr}
        self.rest = AdamW(
            [({n: named[n] for n, r in roles.items() if r == role}, lr, 0.0) for role, lr in rates.items()],
            betas=(config.betas[0], config.betas[1]),
            eps=config.eps,
        )

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
            for (parameter, rows, turned), update in zip(stack.parts, updates.unbind(), strict=True):
                part = parameter[rows]
                if self.config.weight_decay:
                    part.mul_(1.0 - self.lr * self.config.weight_decay)
                part.add_(update.mT if turned else update, alpha=-self.lr * stack.scale)

    def state_dict(self) -> dict[str, Tensor]:
        """Momentum per shape of matrix, and AdamW's state for the rest."""
        return {f"matrices.{shape}.momentum": stack.momentum for shape, stack in self.stacks.items()} | {
            f"rest.{name}": tensor for name, tensor in self.rest.state_dict().items()
        }


def create_optimizer(config: OptimizerConfig, model: BaseModel, *, search: Path | None = None) -> Optimizer:
    """The optimizer that an `[optimizer]` table describes, over the model's parameters."""
    match config:
        case MuonConfig():
            return Muon(config, model)
        case AdamWConfig():
            roles, named = model.parameter_roles(), dict(model.named_parameters())
            decayed = {n: p for n, p in named.items() if roles[n] in ("matrix", "head")}
            kept = {n: p for n, p in named.items() if n not in decayed}
            return AdamW(
                [(decayed, config.lr, config.weight_decay), (kept, config.lr, 0.0)],
                betas=(config.betas[0], config.betas[1]),
                eps=config.eps,
            )
        case OwnOptimizer():
            own = make_own(config, "optimizer", search, model=model, lr=config.lr)
            must_be(own, Optimizer, config, "optimizer")
            return cast(Optimizer, own)
