"""Norms of weights and gradients, layer by layer: which layer grows, and which learns nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from craft.config.schema.callbacks import NormsConfig
from craft.training.callbacks.base import Callback

if TYPE_CHECKING:
    from craft.training.trainer import Trainer


class Norms(Callback):
    """Adds `norms/weight/LAYER` and `norms/gradient/LAYER`, before clipping, to a training record now and then.

    All of them are read from the device at once.
    """

    def __init__(self, config: NormsConfig) -> None:
        self.config = config
        self._layers: dict[str, list[nn.Parameter]] = {}
        self._gradients: dict[nn.Parameter, Tensor] = {}
        self._hooks: list[RemovableHandle] = []
        self._loss_scale = 1.0

    def on_train_start(self, trainer: Trainer) -> None:
        """Sort the parameters into layers."""
        self._layers = {}
        for name, parameter in trainer.model.named_parameters():
            if parameter.requires_grad:
                self._layers.setdefault(layer_of(name), []).append(parameter)

    def on_step_start(self, trainer: Trainer) -> None:
        """In a step that is measured, look at each gradient when it is complete: it is gone when the step ends."""
        if not self._is_due(trainer):
            return
        self._loss_scale = trainer.loop.loss_scale.scale
        for parameters in self._layers.values():
            self._hooks += [p.register_post_accumulate_grad_hook(self._look) for p in parameters]  # type: ignore[no-untyped-call]

    def _look(self, parameter: Tensor) -> None:
        """Called after each micro-batch; the last call sees the sum of all."""
        assert isinstance(parameter, nn.Parameter)
        assert parameter.grad is not None
        self._gradients[parameter] = torch.linalg.vector_norm(parameter.grad, dtype=torch.float32)

    def on_step_end(self, trainer: Trainer) -> None:
        """Look no more."""
        while self._hooks:
            self._hooks.pop().remove()

    def on_log(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """Add what was measured."""
        if not self._is_due(trainer):
            return
        zero = torch.zeros((), device=trainer.device)
        figures: dict[str, Tensor] = {}
        for layer, parameters in self._layers.items():
            weights = torch._foreach_norm([p.detach() for p in parameters])
            figures[f"norms/weight/{layer}"] = torch.linalg.vector_norm(torch.stack(weights).float())
            gradients = torch.stack([self._gradients.get(p, zero) for p in parameters])
            figures[f"norms/gradient/{layer}"] = torch.linalg.vector_norm(gradients) / self._loss_scale
        self._gradients.clear()
        record |= dict(zip(figures, torch.stack(list(figures.values())).tolist(), strict=True))

    def _is_due(self, trainer: Trainer) -> bool:
        """Whether this step ends a record, and one of `every` steps lies in what that record is about."""
        step, settings = trainer.step, trainer.config.training
        if step == 1:
            return True
        if step % settings.log_every and step != trainer.max_steps:
            return False
        before = (step - 1) // settings.log_every * settings.log_every  # the record before this one
        return step // self.config.every > before // self.config.every


def layer_of(parameter: str) -> str:
    """The layer that a parameter belongs to: its block where blocks are numbered, else the module that holds it."""
    parts = parameter.split(".")
    for place, part in enumerate(parts):
        if part.isdigit():
            return ".".join(parts[: place + 1])
    return ".".join(parts[:-1]) or parameter
