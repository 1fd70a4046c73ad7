"""Which windows a step trains on, and how a split is measured.

Letters: B batch, T time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from craft.config.schema.training import TrainingConfig
from craft.data.datasets import MapDataset, Pair
from craft.errors import DataError

# Tokens measured at once: enough to keep a CPU's products efficient, little enough to stay in memory.
EVALUATION_TOKENS = 16_384


class TrainBatches:
    """The global batch of each step: a pure function of seed and step, with nothing to save.

    Windows come in an endless row of epochs, each a random order of all windows without replacement; a batch takes
    the next `batch_size` of them and may straddle two epochs. Only a run bounded by `max_epochs` ends with a
    shorter batch.
    """

    def __init__(self, dataset: MapDataset, *, batch_size: int, shuffle: bool, seed: int, max_epochs: int = 0) -> None:
        self.dataset, self.batch_size, self.shuffle, self.seed = dataset, batch_size, shuffle, seed
        self.max_epochs = max_epochs
        self.num_windows = dataset.num_windows()
        if self.num_windows < batch_size:
            raise DataError(
                f"the training split holds {self.num_windows} windows, fewer than training.batch_size = {batch_size}; "
                f"use a longer text, a shorter data.context_length, or batch_size = {max(1, self.num_windows)} or less"
            )
        self._orders: dict[int, tuple[Tensor, float]] = {}

    @property
    def fingerprint(self) -> str:
        """What must not change when a run is resumed."""
        order = f"shuffled by seed {self.seed}" if self.shuffle else "in order"
        return f"{self.dataset.fingerprint()}, batches of {self.batch_size}, {order}"

    def steps_per_epoch(self) -> int:
        """Steps until every window was seen once."""
        return -(-self.num_windows // self.batch_size)

    def total_steps(self, training: TrainingConfig) -> int:
        """The length of a run, from max_steps and max_epochs; with both, the shorter."""
        if not training.max_epochs:
            return training.max_steps
        by_epochs = -(-self.num_windows * training.max_epochs // self.batch_size)
        return min(by_epochs, training.max_steps) if training.max_steps else by_epochs

    def windows(self, step: int) -> list[tuple[int, Tensor]]:
        """(epoch, windows) pairs of optimizer step `step` (1-based); two where the batch straddles epochs."""
        first = (step - 1) * self.batch_size
        last = first + self.batch_size
        if self.max_epochs:
            last = min(last, self.num_windows * self.max_epochs)
        parts = []
        while first < last:
            epoch, place = divmod(first, self.num_windows)
            count = min(last - first, self.num_windows - place)
            parts.append((epoch, self._order(epoch)[0][place : place + count]))
            first += count
        return parts

    def batch(self, step: int) -> Pair:
        """Inputs and targets (B, T) int64 of optimizer step `step` (1-based)."""
        parts = [self.dataset.gather(order, self._order(epoch)[1]) for epoch, order in self.windows(step)]
        if len(parts) == 1:
            return parts[0]
        return torch.cat([inputs for inputs, _ in parts]), torch.cat([targets for _, targets in parts])

    def _order(self, epoch: int) -> tuple[Tensor, float]:
        """The order of an epoch's windows, and its phase. At most two are kept, 8 bytes a window each."""
        if epoch not in self._orders:
            if self.shuffle:
                # Philox is counter-based: (seed, epoch) is its key, and its stream is the same on every machine.
                generator = np.random.Generator(np.random.Philox(key=[self.seed, epoch]))
                phase = float(generator.random())
                order = torch.from_numpy(generator.permutation(self.num_windows))
            else:
                order, phase = torch.arange(self.num_windows), 0.0
            self._orders = {e: kept for e, kept in self._orders.items() if e == epoch - 1}
            self._orders[epoch] = (order, phase)
        return self._orders[epoch]


class EvalWindows:
    """A whole split, in the same windows each time."""

    def __init__(self, dataset: MapDataset, context_length: int) -> None:
        self.dataset = dataset
        self.parts = dataset.evaluation_batches(max(1, EVALUATION_TOKENS // context_length))
        self.num_tokens, self.num_bytes = dataset.num_target_tokens, dataset.num_target_bytes

    def __iter__(self) -> Iterator[Pair]:
        return (self.dataset.evaluation_batch(part) for part in self.parts)
