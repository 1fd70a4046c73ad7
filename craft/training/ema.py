"""An exponential moving average of the weights (Polyak and Juditsky, 1992), which is measured, saved and sampled."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from craft.errors import CheckpointError


class WeightAverage:
    """A second set of weights that follows the model's: average = decay * average + (1 - decay) * weights.

    While `in_place` is entered, the model holds the averages and this object the weights that are trained. A
    checkpoint is saved so: its `model.safetensors` holds what was measured, its training state the rest.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.other = [p.detach().clone() for p in self.named.values()]
        self.updates = torch.zeros((), dtype=torch.float64)
        self._swapped = False

    @torch.no_grad()
    def update(self) -> None:
        """Follow the weights after an optimizer step; faster in the beginning, when they still change a lot."""
        assert not self._swapped, "the model holds the averages"
        self.updates += 1
        count = float(self.updates)
        decay = min(self.decay, (1.0 + count) / (10.0 + count))  # as TensorFlow's ExponentialMovingAverage begins
        torch._foreach_lerp_(self.other, list(self.named.values()), 1.0 - decay)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the averages into the model for a while."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for parameter, other in zip(self.named.values(), self.other, strict=True):
            parameter.data, other.data = other.data, parameter.data
        self._swapped = not self._swapped

    def state_dict(self) -> dict[str, Tensor]:
        """What the model does not hold just now, by name, and the count of updates."""
        return dict(zip(self.named, self.other, strict=True)) | {"updates": self.updates}

    @torch.no_grad()
    def load_state_dict(self, saved: Mapping[str, Tensor]) -> None:
        """Put back what was saved while the averages were in place; the model has them loaded already.

        From a checkpoint without averages it begins with the weights. Raises CheckpointError for other parameters.
        """
        if not saved:
            for parameter, other in zip(self.named.values(), self.other, strict=True):
                other.copy_(parameter)
            self.updates.zero_()
            return
        own = self.state_dict()
        if own.keys() != saved.keys():
            odd = sorted(own.keys() ^ saved.keys())[0]
            raise CheckpointError(f"the averaged weights do not fit this model: '{odd}' is on one side only")
        for name, tensor in own.items():
            tensor.copy_(saved[name])
        self._swap()  # now the model holds what is trained
        self._swapped = False


class NoAverage:
    """In place of an average, where none is kept: takes what is trained out of a checkpoint that held averages."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def state_dict(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    @torch.no_grad()
    def load_state_dict(self, saved: Mapping[str, Tensor]) -> None:
        """The checkpoint's model was the average; training goes on from the weights beside it."""
        for name, parameter in self.model.named_parameters():
            if name in saved:
                parameter.copy_(saved[name])
