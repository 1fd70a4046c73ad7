"""Which windows a step trains on, and how a split is measured.

Letters: B batch, T time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from craft.config.logits import evaluation_windows
from craft.config.schema.training import TrainingConfig
from craft.data.datasets import IGNORED, Pair, Windows
from craft.data.shuffle import Shuffle
from craft.errors import DataError

# Places of the order that are worked out at once: one numpy call costs as much for 4,096 as for the 24 of a batch.
_BLOCK = 4096


class TrainBatches:
    """The global batch of each step: a pure function of seed and step, with nothing to save.

    Windows come in an endless row of epochs, each a random order of all windows without replacement; a batch takes
    the next `batch_size` of them and may straddle two epochs. Only a run bounded by `max_epochs` ends with a
    shorter batch. The first epoch begins after step `begins_after`: 0, but for a fork that begins its data anew.
    Raises DataError for data too short for one batch.
    """

    def __init__(
        self,
        dataset: Windows,
        *,
        batch_size: int,
        shuffle: bool,
        seed: int,
        max_epochs: int = 0,
        begins_after: int = 0,
    ) -> None:
        self.dataset, self.batch_size, self.shuffle, self.seed = dataset, batch_size, shuffle, seed
        self.max_epochs, self.begins_after = max_epochs, begins_after
        self.num_windows = dataset.num_windows(shuffled=shuffle)
        if self.num_windows < batch_size:
            raise DataError(
                f"the training split is too short for one batch: it holds {self.num_windows:,} windows of "
                f"data.context_length = {dataset.context_length} tokens, and training.batch_size is {batch_size:,}; "
                f"set batch_size to {max(1, self.num_windows):,} or less, a shorter context_length, or use more text"
            )
        self._orders: dict[int, Shuffle] = {}
        self._blocks: dict[tuple[int, int], NDArray[np.int64]] = {}

    @property
    def fingerprint(self) -> str:
        """What must be the same when a run is resumed: the data, the length of a window, and the order."""
        order = f"shuffled by seed {self.seed}" if self.shuffle else "in order"
        return f"{self.dataset.identity}, in windows of {self.dataset.context_length}, {order}"

    def steps_per_epoch(self) -> int:
        """Steps until every window was seen once."""
        return -(-self.num_windows // self.batch_size)

    def total_steps(self, training: TrainingConfig) -> int:
        """The length of a run, from max_steps and max_epochs; with both, the shorter."""
        if not training.max_epochs:
            return training.max_steps
        by_epochs = self.begins_after - (-self.num_windows * training.max_epochs // self.batch_size)
        return min(by_epochs, training.max_steps) if training.max_steps else by_epochs

    def windows(self, step: int, *, start: int = 0, stop: int | None = None) -> list[tuple[int, NDArray[np.int64]]]:
        """(epoch, windows) of a step, epochs from 0; two where the batch straddles epochs."""
        assert step > self.begins_after, "steps count from 1"
        before = (step - self.begins_after - 1) * self.batch_size
        first, last = before + start, before + (self.batch_size if stop is None else min(stop, self.batch_size))
        if self.max_epochs:
            end = self.num_windows * self.max_epochs
            assert before < end, f"step {step} lies beyond the last of {self.max_epochs} epochs"
            last = min(last, end)
        parts = []
        while first < last:
            epoch, place = divmod(first, self.num_windows)
            count = min(last - first, self.num_windows - place)
            parts.append((epoch, self._order(epoch, place, place + count)))
            first += count
        return parts

    def batch(self, step: int, *, start: int = 0, stop: int | None = None) -> Pair:
        """Inputs and targets (B, T) int64 of optimizer step `step`, from 1.

        `start` and `stop` cut the share of a rank or a micro-batch out of the global batch; the shares of a step add
        up to the whole.
        """
        parts = [
            self.dataset.gather(windows, self._shuffle(epoch).draw if self.shuffle else 0)
            for epoch, windows in self.windows(step, start=start, stop=stop)
        ]
        if len(parts) == 1:
            return parts[0]
        if not parts:  # a rank that the short last batch leaves nothing to
            return self.dataset.gather(np.zeros(0, dtype=np.int64), 0)
        return torch.cat([inputs for inputs, _ in parts]), torch.cat([targets for _, targets in parts])

    def _order(self, epoch: int, start: int, stop: int) -> NDArray[np.int64]:
        """The windows at some places of an epoch's order."""
        if not self.shuffle:
            return np.arange(start, stop)
        parts = [
            self._block(epoch, number)[max(0, start - number * _BLOCK) : stop - number * _BLOCK]
            for number in range(start // _BLOCK, -(-stop // _BLOCK))
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _block(self, epoch: int, number: int) -> NDArray[np.int64]:
        key = (epoch, number)
        if key not in self._blocks:
            # The one before may be asked for again: a batch that lies across two comes in several shares.
            self._blocks = dict(list(self._blocks.items())[-1:])
            stop = min((number + 1) * _BLOCK, self.num_windows)
            self._blocks[key] = self._shuffle(epoch).at(number * _BLOCK, stop)
        return self._blocks[key]

    def _shuffle(self, epoch: int) -> Shuffle:
        if epoch not in self._orders:
            self._orders = dict(list(self._orders.items())[-1:])
            self._orders[epoch] = Shuffle(self.num_windows, self.seed, epoch)
        return self._orders[epoch]


class EvalWindows:
    """A whole split in windows of `context_length`, the same ones each time it is gone through.

    Yields inputs and targets (B, T) int64; the last window of a text is padded with the target IGNORED. Every token
    of the split but its first is a target once. A large `vocab_size` makes the batches smaller. Raises DataError when
    not one target counts.
    """

    def __init__(self, dataset: Windows, context_length: int, vocab_size: int = 1) -> None:
        assert context_length == dataset.context_length, "a split is measured in windows of the length it was made for"
        self.dataset = dataset
        self.batch_size = evaluation_windows(context_length, vocab_size)
        self._num_tokens = dataset.num_target_tokens

    def __len__(self) -> int:
        return -(-self.dataset.num_eval_windows // self.batch_size)

    def __iter__(self) -> Iterator[Pair]:
        counted, last = 0, self.dataset.num_eval_windows
        for start in range(0, last, self.batch_size):
            inputs, targets = self.dataset.eval_batch(start, min(start + self.batch_size, last))
            counted += int((targets != IGNORED).sum())
            yield inputs, targets
        if not counted:
            raise DataError(f"nothing to measure: every target of {self.dataset.identity} is {IGNORED}, left out")
        self._num_tokens = counted

    @property
    def num_tokens(self) -> int:
        """Targets that count. Where only the items tell, they are gone through, unless that was done before."""
        if self._num_tokens is None:
            for _ in self:
                pass
        assert self._num_tokens is not None
        return self._num_tokens

    @property
    def num_bytes(self) -> int:
        """Bytes of text that the targets stand for; 0 where nobody knows."""
        return self.dataset.num_target_bytes
