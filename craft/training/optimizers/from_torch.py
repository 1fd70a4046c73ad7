"""An optimizer of torch's kind, such as `type = "torch.optim:RAdam"`, made to keep Craft's promises."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer as TorchOptimizer

from craft.config.own_code import call_own
from craft.config.schema.optimizer import OwnOptimizer
from craft.errors import CheckpointError, OwnCodeError, TrainingError
from craft.models.base import BaseModel
from craft.training.optimizers.base import DECAYED, Optimizer, trainable

Number = bool | int | float
_DTYPES = {bool: torch.bool, int: torch.int64, float: torch.float64}


class FromTorch(Optimizer):
    """Wraps a `torch.optim.Optimizer`: the schedule scales its rates, norms, biases and embeddings are not decayed, and
    its state becomes named tensors.

        PARAMETER.ENTRY, groups.N.ENTRY      a tensor that it keeps of a parameter, or in its N-th group
        PARAMETER.ENTRY=, groups.N.ENTRY=    a number

    Of a group's entries only those are state that changed since it was made; the others are settings, and a resume may
    bring others. A state that holds anything else than tensors and numbers is refused after the first step.
    """

    def __init__(self, made_by: type[TorchOptimizer], config: OwnOptimizer, model: BaseModel) -> None:
        self.type, self.named = config.type, trainable(model)
        closure = inspect.signature(made_by.step).parameters.get("closure")
        if closure is not None and closure.default is inspect.Parameter.empty:
            raise OwnCodeError(
                f'optimizer.type = "{config.type}": it measures the loss several times a step (its step takes a '
                "closure), which Craft's loop has no place for"
            )
        roles = model.parameter_roles()
        decayed: dict[str, Any] = {"params": [p for n, p in self.named.items() if roles[n] in DECAYED]}
        spared: dict[str, Any] = {"params": [p for n, p in self.named.items() if roles[n] not in DECAYED]}
        groups = [group for group in (decayed, spared | {"weight_decay": 0.0}) if group["params"]]
        self.inner: TorchOptimizer = call_own(made_by, config, "optimizer", groups, lr=config.lr)
        self.group_of = {p: group for group in self.inner.param_groups for p in group["params"]}
        self.peaks = [group["lr"] for group in self.inner.param_groups]
        self.settings = [_copied(_kept_in(group)) for group in self.inner.param_groups]
        self.has_stepped = False

    @property
    def lr(self) -> float:
        """The first group's current rate."""
        return float(self.peaks[0]) * self.lr_factor

    def step(self) -> None:
        """One update, in place. Raises TrainingError, the first time, when it keeps what no checkpoint can hold."""
        for group, peak in zip(self.inner.param_groups, self.peaks, strict=True):
            group["lr"] = peak * self.lr_factor
        self.inner.step()
        if not self.has_stepped:
            self.has_stepped = True
            self._entries()

    def state_dict(self) -> dict[str, Tensor]:
        """Every entry of every parameter's state and what changed in the groups; numbers as tensors of their kind."""
        return {
            name: value if isinstance(value, Tensor) else torch.tensor(value, dtype=_DTYPES[type(value)])
            for name, value in self._entries().items()
        }

    def _entries(self) -> dict[str, Tensor | Number]:
        entries: dict[str, Tensor | Number] = {}
        for name, parameter in self.named.items():
            for key, value in self.inner.state.get(parameter, {}).items():
                if value is None:
                    continue
                if not isinstance(value, Tensor | Number):
                    raise TrainingError(
                        f"{self.type} keeps '{key}', a {type(value).__name__}, for each parameter, which no "
                        "checkpoint can hold, so a run with it could not be resumed"
                    )
                entries[f"{name}.{key}{_mark(value)}"] = value
        for number, (group, settings) in enumerate(zip(self.inner.param_groups, self.settings, strict=True)):
            for key, value in _kept_in(group).items():
                if key not in settings or not _same(value, settings[key]):
                    entries[f"groups.{number}.{key}{_mark(value)}"] = value
        return entries

    def load_state_dict(self, saved: Mapping[str, Tensor]) -> None:
        """Put the state back. Raises CheckpointError for one of a parameter or a group that this model has not."""
        states: dict[Tensor, dict[str, Any]] = {}
        groups = {f"groups.{number}": group for number, group in enumerate(self.inner.param_groups)}
        for entry, tensor in saved.items():
            name, _, key = entry.rpartition(".")
            if name not in self.named and name not in groups:
                raise CheckpointError(f"the optimizer's state does not fit this model: '{name}' is not in it")
            if name in self.named:
                parameter = self.named[name]
                value = _restored(entry, tensor, parameter.device if self._moves(parameter, tensor) else None)
                states.setdefault(parameter, {})[key.removesuffix("=")] = value
            else:
                groups[name][key.removesuffix("=")] = _restored(entry, tensor, None)
        self.inner.state.clear()
        self.inner.state.update(states)

    def _moves(self, parameter: nn.Parameter, tensor: Tensor) -> bool:
        """Whether a tensor of the state lies where its parameter does. torch keeps counts on the CPU, but for the
        kernels that read them themselves."""
        group = self.group_of[parameter]
        return tensor.ndim > 0 or bool(group.get("fused") or group.get("capturable"))


def _kept_in(group: Mapping[str, Any]) -> dict[str, Tensor | Number]:
    """Entries of a group that may be state: neither its parameters nor its rate, which the schedule sets."""
    return {k: v for k, v in group.items() if k not in ("params", "lr") and isinstance(v, Tensor | Number)}


def _copied(entries: Mapping[str, Tensor | Number]) -> dict[str, Tensor | Number]:
    return {key: value.clone() if isinstance(value, Tensor) else value for key, value in entries.items()}


def _same(one: Tensor | Number, other: Tensor | Number) -> bool:
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        return isinstance(one, Tensor) and isinstance(other, Tensor) and torch.equal(one, other)
    return type(one) is type(other) and one == other


def _mark(value: Tensor | Number) -> str:
    return "" if isinstance(value, Tensor) else "="


def _restored(entry: str, tensor: Tensor, device: torch.device | None) -> Tensor | Number:
    if entry.endswith("="):
        number: Number = tensor.item()
        return number
    return tensor.clone() if device is None else tensor.to(device, copy=True)
