"""One new token of each sequence through recurrent layers, by packed weights (craft/models/packed.py).

torch's kernels are made for many steps: on a CPU they lay the weights out anew in each call, which costs several times
what reading them does (docs/measurements.md).

Letters: B sequences, E width of the embedding, H hidden width, L layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from craft.models.packed import PackedLinear, Precision

if TYPE_CHECKING:
    from craft.models.recurrent import Recurrent, State


class RecurrentStep(nn.Module):
    """The layers of a model as they are when this is made, ready to take one token after another."""

    def __init__(self, model: Recurrent, precision: Precision) -> None:
        super().__init__()
        self.cell = model.cell
        self.inputs, self.recurrent = (
            nn.ModuleList(
                PackedLinear(
                    getattr(model.layers, f"weight_{kind}_l{layer}"),
                    getattr(model.layers, f"bias_{kind}_l{layer}"),
                    precision,
                )
                for layer in range(model.layers.num_layers)
            )
            for kind in ("ih", "hh")
        )

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """What the last layer puts out, (B, H), and the state after it. x: (B, E), the embedding of the token."""
        made = []
        for number, (inputs, recurrent) in enumerate(zip(self.inputs, self.recurrent, strict=True)):
            assert isinstance(inputs, PackedLinear) and isinstance(recurrent, PackedLinear)
            after = self._through(inputs, recurrent, x, [part[number] for part in state])
            made.append(after)
            x = after[0]
        return x, tuple(torch.stack(parts) for parts in zip(*made, strict=True))

    def _through(self, inputs: PackedLinear, recurrent: PackedLinear, x: Tensor, state: list[Tensor]) -> list[Tensor]:
        """One layer. x: (B, E or H); state: (B, H) each."""
        hidden = state[0]
        if self.cell == "gru":
            reset, update, new = inputs.forward(x).chunk(3, dim=-1)
            from_reset, from_update, from_new = recurrent.forward(hidden).chunk(3, dim=-1)
            new = torch.addcmul(new, torch.sigmoid(reset + from_reset), from_new).tanh_()
            return [torch.lerp(new, hidden, torch.sigmoid(update + from_update))]
        gates = recurrent.add_to(inputs.forward(x), hidden)  # (B, G H)
        if self.cell != "lstm":
            return [gates.tanh() if self.cell == "tanh" else gates.relu()]
        opened = torch.sigmoid(gates)
        into, forget, _, out = opened.chunk(4, dim=-1)  # torch's order: input, forget, cell, output
        new = gates.chunk(4, dim=-1)[2].tanh()
        cell = torch.addcmul(forget * state[1], into, new)
        return [out * cell.tanh(), cell]
