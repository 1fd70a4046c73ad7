"""The next batch made while the step runs, where that gains something and changes nothing.

A batch is a pure function of its step, so making it early gives the same bits. It is done in a thread for a GPU,
which would wait for it, and for tokens that are mapped from disk, whose pages may have to be read. A person's own
items are never touched early: they may use the random state.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from craft.data.batches import TrainBatches
from craft.data.datasets import Pair, TextDataset


class Prefetch:
    """Hands out batches in order, one step ahead. Any other step is made when it is asked for.

    `last` is the last step there is.
    """

    def __init__(self, batches: TrainBatches, device: torch.device, last: int) -> None:
        self.batches, self.last = batches, last
        self.pinned = device.type == "cuda"
        self._ahead: tuple[int, Future[Pair]] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prefetch") if pays(batches, device) else None

    def batch(self, step: int) -> Pair:
        """Inputs and targets (B, T) of step `step`; the one after it is begun."""
        if self._thread is None:
            return self.batches.batch(step)
        ahead, self._ahead = self._ahead, None
        pair = ahead[1].result() if ahead and ahead[0] == step else self._make(step)
        if step < self.last:
            self._ahead = (step + 1, self._thread.submit(self._make, step + 1))
        return pair

    def _make(self, step: int) -> Pair:
        inputs, targets = self.batches.batch(step)
        return (inputs.pin_memory(), targets.pin_memory()) if self.pinned else (inputs, targets)

    def close(self) -> None:
        """Let the thread go."""
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)
            self._ahead = None


def pays(batches: TrainBatches, device: torch.device) -> bool:
    """Whether a batch is worth making early, and safe to."""
    dataset = batches.dataset
    if not isinstance(dataset, TextDataset):
        return False
    tokens = dataset.tokens
    mapped = isinstance(tokens, np.memmap) or isinstance(tokens.base, np.memmap)
    return device.type == "cuda" or mapped
