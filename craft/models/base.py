"""What training and generation know of a model.

Letters: B batch, T time (positions), V vocabulary.
"""

from __future__ import annotations

from abc import abstractmethod
from itertools import chain
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from craft.errors import ConfigError

Role = Literal["matrix", "embedding", "head", "scalar"]
"""How an optimizer treats a parameter: hidden matrices, lookup tables, the output head, norms and biases."""

IGNORED = -100
"""A target that counts for nothing: the padding after a text's last window."""


class ModelOutput(NamedTuple):
    """What `forward` gives."""

    logits: Tensor | None
    """(B, T, V), in the model's compute dtype. None in training with targets where they would be so large that they
    are never all there (craft/models/loss.py); without targets they always are."""
    loss: Tensor | None
    """Mean cross-entropy in nats over the targets that count, fp32; None without targets."""
    state: Any
    """What generation carries from one call to the next: a KV cache, a recurrent state; None in training."""


class BaseModel(nn.Module):
    """A network that Craft can train. `compute_dtype` is the arithmetic of forward and backward; weights stay fp32."""

    compute_dtype: torch.dtype = torch.float32
    can_recompute: bool = False
    """Whether training can leave activations out and compute them again in the backward pass."""
    _gradient_checkpointing = False

    @property
    def gradient_checkpointing(self) -> bool:
        """Whether training computes activations again instead of keeping them: a model that can looks it up here.

        Raises ConfigError when it is set and the model cannot.
        """
        return self._gradient_checkpointing

    @gradient_checkpointing.setter
    def gradient_checkpointing(self, wanted: bool) -> None:
        if wanted and not self.can_recompute:
            raise ConfigError(
                f"training.gradient_checkpointing: a model of class {type(self).__name__} keeps what it computed and "
                "cannot compute it again; leave it out, or set training.micro_batch_size to hold less at once"
            )
        self._gradient_checkpointing = wanted

    def num_parameters(self) -> int:
        """Trainable numbers, a tied one counted once."""
        return sum(p.numel() for p in self.parameters())

    def parameter_roles(self) -> dict[str, Role]:
        """The role of each parameter, by its name."""
        tables = {id(m.weight) for m in self.modules() if isinstance(m, nn.Embedding)}
        roles: dict[str, Role] = {}
        for name, parameter in self.named_parameters():
            if id(parameter) in tables:
                roles[name] = "embedding"
            else:
                roles[name] = "matrix" if parameter.ndim >= 2 else "scalar"
        return roles

    def stacked_rows(self) -> dict[str, list[int]]:
        """Parameters that hold several matrices, one above the other: their row counts, by name."""
        return {}


class GenerativeModel(BaseModel):
    """A model that can write: it has a state that makes the next token cheap."""

    @abstractmethod
    def init_state(self, batch_size: int, max_length: int) -> Any:
        """An empty state for `batch_size` sequences of up to `max_length` tokens, on the model's device."""


class LanguageModel(GenerativeModel):
    """Predicts the next token."""

    vocab_size: int
    context_length: int
    max_length: int | None = None
    """The most positions that one state can hold; None where only memory bounds it."""
    unbounded: bool = False
    """Whether a text of any length goes on from its state; else generation keeps to windows of `context_length`."""

    joins_states: bool = False
    """Whether one state can hold sequences of different lengths, made by `join_states`."""

    @property
    def device(self) -> torch.device:
        """Where its numbers lie."""
        some = next(chain(self.parameters(), self.buffers()), None)
        return torch.device("cpu") if some is None else some.device

    def read(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Go on by `tokens`, (B, T), and give the logits after the last of them, (B, V), with the state then.

        What generation asks for. A model may have a faster way to it than `forward`, with the same result.
        """
        output = self(tokens, state=state)
        return output.logits[:, -1], output.state

    def pack_cells(self, precision: Literal["fp32", "bf16", "int8"]) -> None:
        """Lay out for generation what has weights and is no linear layer. See craft/models/packed.py."""

    def select_state(self, state: Any, rows: list[int]) -> Any:
        """The state of some sequences of another, in this order; one may stand several times. The other is used up.

        Raises NotImplementedError where a model has no way to; generation then keeps each sequence's state apart.
        """
        raise NotImplementedError

    def join_states(self, states: list[Any]) -> Any:
        """One state of the sequences of several, in their order. Only where `joins_states`."""
        raise NotImplementedError

    @abstractmethod
    def forward(self, tokens: Tensor, targets: Tensor | None = None, state: Any = None) -> ModelOutput:
        """Predict the token after each of `tokens`.

        tokens: (B, T) int64. targets: (B, T) int64, IGNORED where nothing is to be learnt.
        state: what `init_state` or the previous call gave; `tokens` then go on from there.
        """

    @staticmethod
    def next_token_loss(logits: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in fp32. logits (B, T, V), targets (B, T)."""
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED)
