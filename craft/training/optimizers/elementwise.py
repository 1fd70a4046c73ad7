"""Optimizers that update each number by itself, or by its row and column."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim._adafactor import adafactor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from craft.training.optimizers.base import Group, Optimizer


class Grouped(Optimizer):
    """An optimizer whose state is a few tensors a parameter, by kind."""

    def __init__(self, groups: list[Group]) -> None:
        self.groups = groups

    @property
    def lr(self) -> float:
        """The first group's current rate."""
        return self.groups[0].lr * self.lr_factor

    @torch.no_grad()
    def step(self) -> None:
        """One update, in place."""
        for number, group in enumerate(self.groups):
            self.update(number, group, group.lr * self.lr_factor)

    def update(self, number: int, group: Group, lr: float) -> None:
        """Update one group, the `number`-th, at rate `lr`."""
        raise NotImplementedError

    def states(self) -> dict[str, list[list[Tensor]]]:
        """Each kind of state: for each group a tensor a parameter."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Tensor]:
        """Every state as PARAMETER.KIND."""
        return {
            f"{name}.{kind}": tensor
            for kind, by_group in self.states().items()
            for group, tensors in zip(self.groups, by_group, strict=True)
            for name, tensor in zip(group.named, tensors, strict=True)
        }


def _counts(group: Group) -> list[Tensor]:
    return [torch.zeros((), dtype=torch.float32, device=p.device) for p in group.params]


class _Moments(Grouped):
    """First and second moments with bias correction, in torch's fused kernel."""

    decoupled: bool

    def __init__(self, groups: list[Group], betas: tuple[float, float], eps: float) -> None:
        super().__init__(groups)
        self.betas, self.eps = betas, eps
        self.first, self.second = ([group.zeros() for group in groups] for _ in range(2))
        self.steps = [_counts(group) for group in groups]

    def update(self, number: int, group: Group, lr: float) -> None:
        """See the base class."""
        adam(
            group.params,
            group.gradients(),
            self.first[number],
            self.second[number],
            [],
            self.steps[number],
            fused=group.params[0].device.type != "mps",
            decoupled_weight_decay=self.decoupled,
            amsgrad=False,
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=lr,
            weight_decay=group.weight_decay,
            eps=self.eps,
            maximize=False,
        )

    def states(self) -> dict[str, list[list[Tensor]]]:
        """Moments, and the count of updates."""
        return {"exp_avg": self.first, "exp_avg_sq": self.second, "step": self.steps}


class AdamW(_Moments):
    """AdamW (Loshchilov and Hutter, 2019, arXiv:1711.05101)."""

    decoupled = True


class Adam(_Moments):
    """Adam (Kingma and Ba, 2015, arXiv:1412.6980); weight decay is part of the gradient."""

    decoupled = False


class SGD(Grouped):
    """Gradient descent with momentum, in torch's fused kernel."""

    def __init__(self, groups: list[Group], momentum: float, *, nesterov: bool) -> None:
        super().__init__(groups)
        self.momentum, self.nesterov = momentum, nesterov
        # From zero the first step leaves the gradient itself in it, as torch does that begins with a copy.
        self.buffers = [group.zeros() for group in groups] if momentum else []

    def update(self, number: int, group: Group, lr: float) -> None:
        """See the base class."""
        buffers: list[Tensor | None] = [None] * len(group.named)
        if self.momentum:
            buffers = list(self.buffers[number])
        sgd(
            group.params,
            group.gradients(),
            buffers,
            fused=group.params[0].device.type != "mps",
            weight_decay=group.weight_decay,
            momentum=self.momentum,
            lr=lr,
            dampening=0.0,
            nesterov=self.nesterov,
            maximize=False,
        )

    def states(self) -> dict[str, list[list[Tensor]]]:
        """The momentum; nothing without one."""
        return {"momentum": self.buffers} if self.momentum else {}


class Adafactor(Grouped):
    """Adafactor (Shazeer and Stern, 2018, arXiv:1804.04235): of a matrix' second moment only row and column means."""

    def __init__(self, groups: list[Group], beta2_decay: float, clip_threshold: float) -> None:
        super().__init__(groups)
        self.beta2_decay, self.clip_threshold = beta2_decay, clip_threshold
        self.rows = [[p.new_zeros(*p.shape[:-1], 1) if p.ndim > 1 else None for p in g.params] for g in groups]
        self.columns = [
            [p.new_zeros(*p.shape[:-2], 1, p.shape[-1]) if p.ndim > 1 else None for p in g.params] for g in groups
        ]
        self.variances = [[torch.zeros_like(p) if p.ndim <= 1 else None for p in g.params] for g in groups]
        self.steps = [_counts(group) for group in groups]

    def update(self, number: int, group: Group, lr: float) -> None:
        """See the base class."""
        adafactor(
            group.params,
            group.gradients(),
            list(self.rows[number]),
            list(self.columns[number]),
            list(self.variances[number]),
            self.steps[number],
            foreach=False,
            d=self.clip_threshold,
            lr=lr,
            beta2_decay=self.beta2_decay,
            weight_decay=group.weight_decay,
            eps1=torch.finfo(torch.float32).eps,  # torch's own choice for None
            eps2=1e-3,
            maximize=False,
        )

    def state_dict(self) -> dict[str, Tensor]:
        """Row and column means of matrices, the whole of everything else, and the count of updates."""
        states: dict[str, Tensor] = {}
        for number, group in enumerate(self.groups):
            for place, name in enumerate(group.named):
                rows, columns = self.rows[number][place], self.columns[number][place]
                variance = self.variances[number][place]
                kinds = {"row": rows, "column": columns, "variance": variance, "step": self.steps[number][place]}
                states |= {f"{name}.{kind}": tensor for kind, tensor in kinds.items() if tensor is not None}
        return states


class Lion(Grouped):
    """Lion (Chen et al., 2023, arXiv:2302.06675): steps of one size, in the direction of an interpolated sign."""

    def __init__(self, groups: list[Group], betas: tuple[float, float]) -> None:
        super().__init__(groups)
        self.betas = betas
        self.momentum = [group.zeros() for group in groups]

    def update(self, number: int, group: Group, lr: float) -> None:
        """See the base class."""
        gradients, momentum, params = group.gradients(), self.momentum[number], group.params
        directions = torch._foreach_lerp(momentum, gradients, 1.0 - self.betas[0])
        torch._foreach_sign_(directions)
        if group.weight_decay:
            torch._foreach_mul_(params, 1.0 - lr * group.weight_decay)
        torch._foreach_add_(params, directions, alpha=-lr)
        torch._foreach_lerp_(momentum, gradients, 1.0 - self.betas[1])

    def states(self) -> dict[str, list[list[Tensor]]]:
        """The momentum."""
        return {"momentum": self.momentum}
