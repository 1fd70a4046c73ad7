"""Measuring a model on a whole split, in the same windows each time.

Letters: B batch, T time, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from craft.data.batches import EvalWindows
from craft.models.base import IGNORED, BaseModel


@dataclass
class MetricsCalculator:
    """Sums over the tokens of a split, from which every figure follows. Sums stay on the device until asked for."""

    nats: Tensor
    correct: Tensor
    tokens: int = 0
    bytes: int = 0

    @classmethod
    def empty(cls, device: torch.device) -> MetricsCalculator:
        """Nothing measured yet. MPS has no float64; elsewhere a long sum keeps its last digits with it."""
        wide = torch.float32 if device.type == "mps" else torch.float64
        zero = torch.zeros((), dtype=wide, device=device)
        return cls(zero, zero.clone())

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add a batch. logits (B, T, V), targets (B, T) with IGNORED where nothing counts."""
        flat, wanted = logits.flatten(0, 1).float(), targets.flatten()
        self.nats += F.cross_entropy(flat, wanted, ignore_index=IGNORED, reduction="sum")
        self.correct += (flat.argmax(-1) == wanted).sum()

    def compute(self) -> dict[str, float]:
        """loss (nats a token), perplexity, accuracy (of the next token), and bits_per_byte of the text."""
        loss = self.nats.item() / self.tokens
        figures = {
            "loss": loss,
            "perplexity": math.exp(loss) if loss < 700 else math.inf,
            "accuracy": self.correct.item() / self.tokens,
        }
        if self.bytes:
            figures["bits_per_byte"] = self.nats.item() / math.log(2) / self.bytes
        return figures


class Evaluator:
    """Measures a model on one split."""

    def __init__(self, windows: EvalWindows, device: torch.device) -> None:
        self.windows, self.device = windows, device

    @torch.inference_mode()
    def evaluate(self, model: BaseModel, given_up: Callable[[], bool] = lambda: False) -> dict[str, float] | None:
        """The figures of `MetricsCalculator.compute` over the whole split, with dropout off.

        `given_up` is asked between batches, so that a long measurement can be left; there are no figures then.
        """
        was_training = model.training
        model.eval()
        try:
            sums = MetricsCalculator.empty(self.device)
            for inputs, targets in self.windows:
                logits = model(inputs.to(self.device)).logits
                sums.update(logits, targets.to(self.device))
                if given_up():
                    return None
        finally:
            model.train(was_training)
        sums.tokens, sums.bytes = self.windows.num_tokens, self.windows.num_bytes
        return sums.compute()
