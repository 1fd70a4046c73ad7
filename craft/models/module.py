"""Any module that turns tokens into logits, as a language model: a plain `nn.Module` of one's own, and what others
build upon.

Letters: B batch, T time (new positions), S time so far and now, V vocabulary.
"""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from craft.errors import OwnCodeError
from craft.models.base import LanguageModel, ModelOutput, Role


class TextSoFar(NamedTuple):
    """The state of a model that keeps none of its own: the tokens themselves, which it reads again each time."""

    tokens: Tensor | None
    """(B, S) int64; None before the first."""


class ModuleModel(LanguageModel):
    """A language model around a network that maps tokens (B, T) to logits (B, T, V).

    The network's weights stay fp32; torch's autocast computes in `compute_dtype`. Generation reads the whole text for
    each new token, which is right for every network and slow for a long text; a class that derives from
    `LanguageModel` itself can carry a state.
    """

    def __init__(self, network: nn.Module, vocab_size: int, context_length: int, *, called: str) -> None:
        """`called` is what errors call it."""
        super().__init__()
        self.network, self.vocab_size, self.context_length = network, vocab_size, context_length
        self.max_length: int | None = context_length
        self.called = called

    def parameter_roles(self) -> dict[str, Role]:
        """Matrices have two dimensions; kernels and other blocks of more are no matrix that Muon could turn."""
        roles = super().parameter_roles()
        for name, parameter in self.named_parameters():
            if parameter.ndim > 2 and roles[name] == "matrix":
                roles[name] = "scalar"
            elif roles[name] == "matrix" and parameter.shape[0] == self.vocab_size and name == self._last_matrix():
                roles[name] = "head"
        return roles

    def _last_matrix(self) -> str:
        return [name for name, parameter in self.named_parameters() if parameter.ndim == 2][-1]

    def init_state(self, batch_size: int, max_length: int) -> Any:
        """No tokens yet."""
        return TextSoFar(None)

    def select_state(self, state: Any, rows: list[int]) -> Any:
        """The tokens of some texts; all of a state are of one length."""
        return TextSoFar(None if state.tokens is None else state.tokens[rows])

    def forward(self, tokens: Tensor, targets: Tensor | None = None, state: Any = None) -> ModelOutput:
        """See `LanguageModel.forward`."""
        text = tokens if state is None or state.tokens is None else torch.cat((state.tokens, tokens), dim=1)  # (B, S)
        with self._arithmetic(tokens.device):
            logits = self._checked(self._read(text), text)[:, -tokens.shape[1] :]  # (B, T, V)
        loss = None if targets is None else self.next_token_loss(logits, targets)
        return ModelOutput(logits, loss, None if state is None else TextSoFar(text))

    def _read(self, text: Tensor) -> Any:
        return self.network(text)

    def _arithmetic(self, device: torch.device) -> contextlib.AbstractContextManager[None]:
        if self.compute_dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(device.type, dtype=self.compute_dtype)

    def _checked(self, output: Any, text: Tensor) -> Tensor:
        """The logits in what the network gave. Raises OwnCodeError when there are none of the right shape."""
        logits = getattr(output, "logits", output)
        wanted = (*text.shape, self.vocab_size)
        if isinstance(logits, Tensor) and logits.shape == wanted and logits.is_floating_point():
            return logits
        found = f"a tensor of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        if isinstance(logits, Tensor) and logits.shape == wanted:
            found = f"whole numbers ({logits.dtype})"
        raise OwnCodeError(
            f"{self.called}: from tokens of shape {tuple(text.shape)} it made {found}; its forward() must give logits "
            f"of shape {wanted}, (batch, time, vocab_size), or an object that has them as .logits. To give a loss or "
            "a state as well, derive the class from craft.models.LanguageModel"
        )
