"""Recurrent language models: the LSTM, the gated recurrent unit, and the simple RNN.

Letters: B batch, T time, E width of the embedding, H hidden width, L layers, G gates of a cell (4 in an LSTM, 3 in a
GRU, 1 in a simple RNN), V vocabulary.

Sources. LSTM: Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 1999. GRU: Cho et al. 2014,
arXiv:1406.1078. Dropout between layers only, never from step to step: Zaremba et al. 2014, arXiv:1409.2329.
Initialisation: what comes in, uniform with variance 1 / fan-in, and larger above the first layer; what recurs,
orthogonal, so that a state neither dies nor explodes (Saxe et al. 2013, arXiv:1312.6120); the LSTM's forget gate begins
open (Jozefowicz et al. 2015); an untied head starts at zero, so that the first loss is exactly ln V.

The recurrence is torch's own kernel: on a CPU its LSTM, which is oneDNN's, is 1.3 to 3.4 times as fast as a loop over
the steps with its backward pass written out; its GRU is not (docs/measurements.md).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from craft.config.schema.model import LSTMConfig, RNNConfig
from craft.models.base import LanguageModel, ModelOutput, Role
from craft.models.linear import Linear
from craft.models.loss import is_large, linear_cross_entropy
from craft.models.packed import Precision

State = tuple[Tensor, ...]
"""(L, B, H) each: the hidden state, and an LSTM's cell state."""

_KERNELS: dict[str, Callable[..., tuple[Tensor, ...]]] = {
    "lstm": torch._VF.lstm,
    "gru": torch._VF.gru,
    "tanh": torch._VF.rnn_tanh,
    "relu": torch._VF.rnn_relu,
}

_GAINS = {"lstm": 8.0, "gru": 4.0, "tanh": 2.0, "relu": 1.0}
"""How much larger the input matrices of the upper layers begin, because what lower cells put out is small.

Its deviation is 0.27 in an LSTM, 0.45 in a GRU, 0.7 and 0.8 in the simple ones. Without this an LSTM of two layers is
0.4 nats worse after 300 steps (docs/measurements.md).
"""


class Recurrent(LanguageModel):
    """An embedding, layers of one kind of cell, and a head. Its state goes on without end, at the same cost."""

    unbounded = True
    joins_states = True

    def __init__(self, config: LSTMConfig | RNNConfig, vocab_size: int, context_length: int) -> None:
        super().__init__()
        self.config, self.vocab_size, self.context_length = config, vocab_size, context_length
        self.cell = "lstm" if isinstance(config, LSTMConfig) else config.cell
        self.token_embedding = nn.Embedding(vocab_size, config.input_size)
        sizes = (config.input_size, config.hidden_size, config.num_layers)
        self.layers: nn.RNNBase
        match self.cell:
            case "lstm":
                self.layers = nn.LSTM(*sizes)
            case "gru":
                self.layers = nn.GRU(*sizes)
            case _:
                self.layers = nn.RNN(*sizes, nonlinearity=self.cell)
        self.head = Linear(config.hidden_size, vocab_size, bias=False)
        if config.tie_embeddings:
            self.head.weight = self.token_embedding.weight
        self._step: Any = None
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        width = self.config.hidden_size
        nn.init.normal_(self.token_embedding.weight, std=0.02 if self.config.tie_embeddings else 1.0)
        for name, parameter in self.layers.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(parameter)
                if self.cell == "lstm" and name.startswith("bias_ih"):
                    parameter[width : 2 * width] = 1.0  # torch's order of gates: input, forget, cell, output
                continue
            for gate in torch.split(parameter, width):
                if name.startswith("weight_hh"):
                    nn.init.orthogonal_(gate)
                else:
                    bound = math.sqrt(3.0 / gate.shape[1])  # variance 1 / fan-in
                    gain = 1.0 if name == "weight_ih_l0" else _GAINS[self.cell]
                    nn.init.uniform_(gate, -gain * bound, gain * bound)
        if not self.config.tie_embeddings:
            nn.init.zeros_(self.head.weight)

    def parameter_roles(self) -> dict[str, Role]:
        """As the base class says, with an untied head told apart."""
        roles = super().parameter_roles()
        if "head.weight" in roles:
            roles["head.weight"] = "head"
        return roles

    def stacked_rows(self) -> dict[str, list[int]]:
        """The gates' matrices lie one above the other in one parameter."""
        width = self.config.hidden_size
        return {
            f"layers.{name}": [width] * (len(parameter) // width)
            for name, parameter in self.layers.named_parameters()
            if name.startswith("weight")
        }

    def init_state(self, batch_size: int, max_length: int) -> State:
        """Zeros; how long the text becomes plays no part."""
        shape = (self.config.num_layers, batch_size, self.config.hidden_size)
        device = self.token_embedding.weight.device
        parts = 2 if self.cell == "lstm" else 1
        return tuple(torch.zeros(shape, dtype=self.compute_dtype, device=device) for _ in range(parts))

    def pack_cells(self, precision: Precision) -> None:
        """See `LanguageModel.pack_cells`."""
        from craft.models.recurrent_step import RecurrentStep

        self._step = RecurrentStep(self, precision)

    def read(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """See `LanguageModel.read`: of several tokens, only the last reaches the head."""
        if self._step is not None and tokens.shape[1] == 1:
            x, after = self._step(self.token_embedding(tokens[:, 0]).to(self.compute_dtype), state)  # (B, H)
            return self.head(x), after
        x, after = self._hidden(tokens, state)
        return self.head(x[:, -1]), after

    def select_state(self, state: State, rows: list[int]) -> State:
        """See `LanguageModel.select_state`."""
        return tuple(part[:, rows] for part in state)

    def join_states(self, states: list[State]) -> State:
        """See `LanguageModel.join_states`."""
        return tuple(torch.cat(parts, dim=1) for parts in zip(*states, strict=True))

    def forward(self, tokens: Tensor, targets: Tensor | None = None, state: State | None = None) -> ModelOutput:
        """See `LanguageModel.forward`; a state is not changed, so several texts may go on from one."""
        x, after = self._hidden(tokens, self.init_state(len(tokens), 0) if state is None else state)
        if targets is not None and state is None and self.training and is_large(targets, self.vocab_size):
            return ModelOutput(None, linear_cross_entropy(x, self.head.weight, targets), None)
        logits = self.head(x)  # (B, T, V)
        loss = None if targets is None else self.next_token_loss(logits, targets)
        return ModelOutput(logits, loss, None if state is None else after)

    def _hidden(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """What the last layer puts out, (B, T, H), and the state after it. tokens: (B, T)."""
        dropout = self.config.dropout if self.training else 0.0
        # Time comes first in between: where the steps do not lie apart in memory, and no gradient is asked for, torch
        # copies the input matrix once a step (docs/measurements.md).
        x = F.dropout(self.token_embedding(tokens.mT).to(self.compute_dtype), dropout)  # (T, B, E)
        x, after = self._recur(x, state, dropout)  # (T, B, H)
        return F.dropout(x.transpose(0, 1).contiguous(), dropout), after

    def _recur(self, x: Tensor, state: State, dropout: float) -> tuple[Tensor, State]:
        """All layers over all steps of x, (T, B, E): outputs (T, B, H) and the state after them, in the dtype of x."""
        weights = [weight.to(x.dtype) for weight in self.layers._flat_weights if weight is not None]
        first: Any = state if self.cell == "lstm" else state[0]
        with warnings.catch_warnings():
            # On CUDA cast weights are not one piece of memory; that costs a copy, as it does in autocast.
            warnings.filterwarnings("ignore", message="RNN module weights are not part of")
            outputs, *after = _KERNELS[self.cell](
                x, first, weights, True, self.config.num_layers, dropout, dropout > 0, False, False
            )
        return outputs, tuple(after)
