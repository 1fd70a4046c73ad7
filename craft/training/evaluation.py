"""Measuring a model on a whole split, in the same windows each time.

Letters: B batch, T time, V vocabulary.
"""

from __future__ import annotations

import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from craft.config.logits import rows_at_once
from craft.config.own_code import make_own, must_be
from craft.config.schema import ExperimentConfig
from craft.config.schema.metrics import OwnMetric
from craft.data.batches import EvalWindows
from craft.data.prepare import PreparedData
from craft.errors import OwnCodeError
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
        flat, wanted = logits.flatten(0, 1), targets.flatten()
        size = rows_at_once(len(flat), flat.shape[1], flat.device.type)  # a large vocabulary is widened in pieces
        for some, those in zip(torch.split(flat, size), torch.split(wanted, size), strict=True):
            wide = some.float()
            self.nats += F.cross_entropy(wide, those, ignore_index=IGNORED, reduction="sum")
            self.correct += (wide.argmax(-1) == those).sum()

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


class Metric(ABC):
    """A figure of a person's own over a whole split. Sums may stay tensors on the device until `compute`."""

    @abstractmethod
    def reset(self) -> None:
        """Begin a new measurement."""

    @abstractmethod
    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add a batch. logits (B, T, V), in the model's compute dtype; targets (B, T), IGNORED where nothing counts."""

    @abstractmethod
    def compute(self) -> float:
        """The figure over all batches since `reset`."""


def create_metrics(configs: dict[str, OwnMetric], *, search: Path | None = None) -> dict[str, Metric]:
    """The figures that a `[metrics]` table names. Raises OwnCodeError."""
    made: dict[str, Metric] = {}
    for name, config in configs.items():
        own = make_own(config, f"metrics.{name}", search)
        must_be(own, Metric, config, f"metrics.{name}")
        made[name] = own
    return made


@contextlib.contextmanager
def _named(name: str, method: str) -> Iterator[None]:
    """Name a figure of a person's own when it raises."""
    try:
        yield
    except Exception as error:
        raise OwnCodeError(f"metrics.{name}: {method} raised {type(error).__name__}: {error}") from error


class Evaluator:
    """Measures a model on one split."""

    def __init__(self, windows: EvalWindows, device: torch.device, metrics: Mapping[str, Metric] | None = None) -> None:
        self.windows, self.device, self.metrics = windows, device, metrics or {}

    @torch.inference_mode()
    def evaluate(self, model: BaseModel, given_up: Callable[[], bool] = lambda: False) -> dict[str, float] | None:
        """The figures of `MetricsCalculator.compute` over the whole split, with dropout off.

        `given_up` is asked between batches, so that a long measurement can be left; there are no figures then.
        """
        was_training = model.training
        model.eval()
        try:
            sums = MetricsCalculator.empty(self.device)
            for name, metric in self.metrics.items():
                with _named(name, "reset"):
                    metric.reset()
            for inputs, targets in self.windows:
                logits, wanted = model.forward(inputs.to(self.device)).logits, targets.to(self.device)
                assert logits is not None, "a model gives logits where there are no targets"
                sums.update(logits, wanted)
                for name, metric in self.metrics.items():
                    with _named(name, "update"):
                        metric.update(logits, wanted)
                if given_up():
                    return None
        finally:
            model.train(was_training)
        sums.tokens, sums.bytes = self.windows.num_tokens, self.windows.num_bytes
        figures = sums.compute()
        for name, metric in self.metrics.items():
            with _named(name, "compute"):
                figures[name] = float(metric.compute())
        return figures


def create_evaluator(
    config: ExperimentConfig, data: PreparedData, split: str, device: torch.device, *, search: Path | None = None
) -> Evaluator:
    """What measures a split that there is, in training and afterwards. search: where code of one's own lies."""
    windows = EvalWindows(data.splits[split], config.data.context_length, data.tokenizer.vocab_size)
    return Evaluator(windows, device, create_metrics(config.metrics, search=search))
