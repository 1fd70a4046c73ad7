"""An optimizer of torch's kind, such as `type = "torch.optim:RAdam"`, made to keep Craft's promises."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer as TorchOptimizer

from craft.config.own_code import call_own
from craft.config.schema.optimizer import OwnOptimizer
from craft.errors import CheckpointError, OwnCodeError
from craft.models.base import BaseModel
from craft.training.optimizers.base import Optimizer, trainable


class FromTorch(Optimizer):
    """Wraps a `torch.optim.Optimizer`: the schedule scales its rates, and its state becomes named tensors.

    Numbers in the state become float64 tensors of no dimension, and are numbers again when they are loaded. What is
    neither tensor nor number cannot be kept, and is refused at the first save.
    """

    def __init__(self, made_by: type[TorchOptimizer], config: OwnOptimizer, model: BaseModel) -> None:
        self.type, self.named = config.type, trainable(model)
        params = list(self.named.values())
        self.inner: TorchOptimizer = call_own(made_by, config, "optimizer", params, lr=config.lr)
        closure = inspect.signature(made_by.step).parameters.get("closure")
        if closure is not None and closure.default is inspect.Parameter.empty:
            raise OwnCodeError(
                f'optimizer.type = "{config.type}": it measures the loss several times a step (its step takes a '
                "closure), which Craft's loop has no place for"
            )
        self.peaks = [group["lr"] for group in self.inner.param_groups]

    @property
    def lr(self) -> float:
        """The first group's current rate."""
        return float(self.peaks[0]) * self.lr_factor

    def step(self) -> None:
        """One update, in place."""
        for group, peak in zip(self.inner.param_groups, self.peaks, strict=True):
            group["lr"] = peak * self.lr_factor
        self.inner.step()

    def state_dict(self) -> dict[str, Tensor]:
        """Every entry of every parameter's state, as PARAMETER.ENTRY; those that are numbers as PARAMETER.ENTRY=."""
        return {
            name: value if isinstance(value, Tensor) else torch.tensor(float(value), dtype=torch.float64)
            for name, value in self._entries().items()
        }

    def _entries(self) -> dict[str, Any]:
        entries = {}
        for name, parameter in self.named.items():
            for key, value in self.inner.state.get(parameter, {}).items():
                if value is None:
                    continue
                if not isinstance(value, Tensor | int | float):
                    raise CheckpointError(
                        f"{self.type} keeps '{key}', a {type(value).__name__}, for each parameter, which no "
                        "checkpoint can hold; a run with it cannot be resumed"
                    )
                entries[f"{name}.{key}" if isinstance(value, Tensor) else f"{name}.{key}="] = value
        return entries

    def load_state_dict(self, saved: Mapping[str, Tensor]) -> None:
        """Put the state of each parameter back. Raises CheckpointError for one that this model has not."""
        states: dict[Tensor, dict[str, Any]] = {}
        for entry, tensor in saved.items():
            name, _, key = entry.rpartition(".")
            if name not in self.named:
                raise CheckpointError(f"the optimizer's state does not fit this model: '{name}' is not in it")
            parameter = self.named[name]
            value: Any = tensor.clone() if tensor.ndim == 0 else tensor.to(parameter.device)
            if key.endswith("="):
                number = tensor.item()
                key, value = key.removesuffix("="), int(number) if number == int(number) else number
            states.setdefault(parameter, {})[key] = value
        self.inner.state.clear()
        self.inner.state.update(states)
