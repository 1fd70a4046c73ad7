"""What an optimizer is, and which parameters share a rate and a decay.

All state is named tensors, so a checkpoint holds it as safetensors and a resume puts back the same bits.
"""

from __future__ import annotations

import fnmatch
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from craft.config.schema.optimizer import ElementwiseConfig, Grouped
from craft.errors import CheckpointError, TrainingError
from craft.models.base import BaseModel, Role

DECAYED: tuple[Role, ...] = ("matrix", "head")
"""Roles of parameters that weight decay pulls towards zero; norms, biases and embeddings are left alone."""


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
class Group:
    """Parameters that share a peak rate and a decay."""

    named: dict[str, nn.Parameter]
    lr: float
    weight_decay: float = 0.0


def parameter_groups(config: ElementwiseConfig, model: BaseModel) -> list[Group]:
    """The model's parameters by rate and decay, as `lr_ratios` and `no_decay` have them.

    Those of rate 0 are there too: they stay what they are, and have a state from which they can go on.
    """
    roles, named = model.parameter_roles(), trainable(model)
    ratios = rate_ratios(config, named)
    spared = {name for pattern in config.no_decay for name in matching(pattern, named, "optimizer.no_decay")}
    groups: dict[tuple[float, float], Group] = {}
    for name, parameter in named.items():
        decay = config.weight_decay if roles[name] in DECAYED and name not in spared else 0.0
        rate = config.lr * ratios[name]
        groups.setdefault((rate, decay), Group({}, rate, decay)).named[name] = parameter
    return list(groups.values())


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that take gradients, by name. Raises TrainingError when there are none."""
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if not named:
        raise TrainingError(
            "this model has no parameter that takes gradients (requires_grad), so there is nothing to train"
        )
    return named


def rate_ratios(config: Grouped, names: Iterable[str]) -> dict[str, float]:
    """What the peak rate of each parameter is multiplied by: by the first of `lr_ratios` that fits its name, else 1."""
    ratios = dict.fromkeys(names, 1.0)
    for pattern, ratio in reversed(config.lr_ratios.items()):
        ratios |= dict.fromkeys(matching(pattern, ratios, "optimizer.lr_ratios"), ratio)
    return ratios


def matching(pattern: str, names: Iterable[str], setting: str) -> list[str]:
    """The names that a pattern fits. Raises TrainingError when it fits none: a slip of the pen must not pass."""
    names = list(names)
    found = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
    if not found:
        known = ", ".join(names[:6])
        raise TrainingError(f'{setting}: no parameter fits "{pattern}"; this model has {known} and {len(names)} in all')
    return found
