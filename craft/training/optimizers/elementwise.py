"""Optimizers that update each number by itself, or by its row and column."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from craft.training.optimizers.base import Group, Optimizer

State = dict[str, Tensor]
"""What is kept of one parameter, by kind."""


class Grouped(Optimizer):
    """An optimizer that keeps a few tensors of each parameter. `lr` is its peak rate, before any ratio."""

    def __init__(self, groups: list[Group], lr: float) -> None:
        self.groups, self.peak = groups, lr
        self.states = {name: self.new_state(p) for group in groups for name, p in group.named.items()}

    def regroup(self, groups: list[Group], lr: float) -> None:
        """Go on with other rates and decays of the same parameters; what is kept of each stays."""
        self.groups, self.peak = groups, lr

    @property
    def lr(self) -> float:
        """The current rate of what no ratio changes."""
        return self.peak * self.lr_factor

    @torch.no_grad()
    def step(self) -> None:
        """One update, in place, of every parameter that has a gradient."""
        for group in self.groups:
            params: list[Tensor] = []
            gradients: list[Tensor] = []
            states: list[State] = []
            for name, parameter in group.named.items():
                if parameter.grad is not None:
                    params.append(parameter)
                    gradients.append(parameter.grad)
                    states.append(self.states[name])
            if params:
                self.update(params, gradients, states, group.lr * self.lr_factor, group.weight_decay)

    @abstractmethod
    def new_state(self, parameter: Tensor) -> State:
        """What is kept of a parameter before its first update."""

    @abstractmethod
    def update(
        self, params: list[Tensor], gradients: list[Tensor], states: list[State], lr: float, weight_decay: float
    ) -> None:
        """Update parameters that share a rate and a decay."""

    def state_dict(self) -> dict[str, Tensor]:
        """Every state as PARAMETER.KIND."""
        return {f"{name}.{kind}": tensor for name, state in self.states.items() for kind, tensor in state.items()}


def _all(kind: str, states: list[State]) -> list[Tensor]:
    return [state[kind] for state in states]


class _Moments(Grouped):
    """First and second moments with bias correction, in torch's fused kernel."""

    decoupled: bool

    def __init__(self, groups: list[Group], lr: float, betas: tuple[float, float], eps: float) -> None:
        super().__init__(groups, lr)
        self.betas, self.eps = betas, eps

    def new_state(self, parameter: Tensor) -> State:
        """Moments, and the count of updates, which the fused kernel wants on the parameter's device."""
        return {
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
            "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
        }

    def update(
        self, params: list[Tensor], gradients: list[Tensor], states: list[State], lr: float, weight_decay: float
    ) -> None:
        """See the base class."""
        adam(
            params,
            gradients,
            _all("exp_avg", states),
            _all("exp_avg_sq", states),
            [],
            _all("step", states),
            fused=params[0].device.type != "mps",
            decoupled_weight_decay=self.decoupled,
            amsgrad=False,
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=lr,
            weight_decay=weight_decay,
            eps=self.eps,
            maximize=False,
        )


class AdamW(_Moments):
    """AdamW (Loshchilov and Hutter, 2019, arXiv:1711.05101)."""

    decoupled = True


class Adam(_Moments):
    """Adam (Kingma and Ba, 2015, arXiv:1412.6980); weight decay is part of the gradient."""

    decoupled = False


class SGD(Grouped):
    """Gradient descent with momentum, in torch's fused kernel."""

    def __init__(self, groups: list[Group], lr: float, momentum: float, *, nesterov: bool) -> None:
        self.momentum, self.nesterov = momentum, nesterov
        super().__init__(groups, lr)

    def change_momentum(self, momentum: float) -> None:
        """Go on with another momentum; switched on, it begins at zero, and switched off, it is let go."""
        is_switched = bool(momentum) != bool(self.momentum)
        self.momentum = momentum
        if is_switched:
            self.states = {name: self.new_state(p) for group in self.groups for name, p in group.named.items()}

    def new_state(self, parameter: Tensor) -> State:
        """The momentum; from zero the first step leaves the gradient itself in it, with which torch begins."""
        return {"momentum": torch.zeros_like(parameter)} if self.momentum else {}

    def update(
        self, params: list[Tensor], gradients: list[Tensor], states: list[State], lr: float, weight_decay: float
    ) -> None:
        """See the base class."""
        buffers: list[Tensor | None] = [state.get("momentum") for state in states]
        sgd(
            params,
            gradients,
            buffers,
            fused=params[0].device.type != "mps",
            weight_decay=weight_decay,
            momentum=self.momentum,
            lr=lr,
            dampening=0.0,
            nesterov=self.nesterov,
            maximize=False,
        )

    def load_state_dict(self, saved: Mapping[str, Tensor]) -> None:
        """See the base class. A run that had no momentum before begins one, and one that has none now lets it go."""
        if self.momentum and saved:
            super().load_state_dict(saved)


class Adafactor(Grouped):
    """Adafactor (Shazeer and Stern, 2018, arXiv:1804.04235): of a matrix' second moment only row and column means.

    The arithmetic is that of `torch.optim.Adafactor`, which reads two norms of each parameter back from the device in
    every step; here they stay there.
    """

    SMALLEST_SQUARE = torch.finfo(torch.float32).eps ** 2  # torch's own choice
    SMALLEST_SIZE = 1e-3  # so that a parameter of zeros moves too (section 8 of the paper)

    def __init__(self, groups: list[Group], lr: float, beta2_decay: float, clip_threshold: float) -> None:
        super().__init__(groups, lr)
        self.beta2_decay, self.clip_threshold = beta2_decay, clip_threshold

    def new_state(self, parameter: Tensor) -> State:
        """Row and column means of a matrix, the whole of anything else, and the count of updates."""
        step = torch.zeros((), dtype=torch.float32)  # on the CPU, where it can be read without waiting
        if parameter.ndim < 2:
            return {"variance": torch.zeros_like(parameter), "step": step}
        *before, rows, columns = parameter.shape
        return {"row": parameter.new_zeros(*before, rows, 1), "column": parameter.new_zeros(*before, 1, columns)} | {
            "step": step
        }

    def update(
        self, params: list[Tensor], gradients: list[Tensor], states: list[State], lr: float, weight_decay: float
    ) -> None:
        """See the base class."""
        for parameter, gradient, state in zip(params, gradients, states, strict=True):
            state["step"] += 1
            step, size = state["step"].item(), parameter.numel() ** 0.5
            forgotten = step**self.beta2_decay
            rate = (parameter.norm(2) / size).clamp_(min=self.SMALLEST_SIZE) * min(lr, step**-0.5)
            if weight_decay:
                parameter.mul_(1.0 - lr * weight_decay)
            update = self._squares(gradient, state, forgotten)
            update = update.clamp_(min=self.SMALLEST_SQUARE).rsqrt_().mul_(gradient)
            clipped = (update.norm(2) / (size * self.clip_threshold)).clamp_(min=1.0)
            parameter.sub_(update.mul_(rate / clipped))

    def _squares(self, gradient: Tensor, state: State, forgotten: float) -> Tensor:
        """The estimate of the gradient's squares, brought up to date; a tensor that may be written into."""
        if gradient.ndim < 2:
            return state["variance"].lerp_(gradient.square(), forgotten).clone()
        # The norm's square is the sum of squares, without a matrix of squares on the way.
        for kind, dim in (("row", -1), ("column", -2)):
            mean = torch.linalg.vector_norm(gradient, dim=dim, keepdim=True).square_().div_(gradient.shape[dim])
            state[kind].lerp_(mean, forgotten)
        rows, columns = state["row"], state["column"]
        return (rows @ columns).div_(rows.mean(dim=-2, keepdim=True).clamp_(min=self.SMALLEST_SQUARE**0.5))


class Lion(Grouped):
    """Lion (Chen et al., 2023, arXiv:2302.06675): steps of one size, in the direction of an interpolated sign."""

    def __init__(self, groups: list[Group], lr: float, betas: tuple[float, float]) -> None:
        super().__init__(groups, lr)
        self.betas = betas

    def new_state(self, parameter: Tensor) -> State:
        """The momentum."""
        return {"momentum": torch.zeros_like(parameter)}

    def update(
        self, params: list[Tensor], gradients: list[Tensor], states: list[State], lr: float, weight_decay: float
    ) -> None:
        """See the base class."""
        momentum = _all("momentum", states)
        directions = torch._foreach_lerp(momentum, gradients, 1.0 - self.betas[0])
        torch._foreach_sign_(directions)
        if weight_decay:
            torch._foreach_mul_(params, 1.0 - lr * weight_decay)
        torch._foreach_add_(params, directions, alpha=-lr)
        torch._foreach_lerp_(momentum, gradients, 1.0 - self.betas[1])
