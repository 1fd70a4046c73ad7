"""What attention keeps of a text: the keys and values of every position, in memory that is taken once.

Letters: L layers, B sequences, T new positions, S positions so far, K key/value heads, C head width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class KVCache:
    """Keys and values of some sequences. A new position costs one write and no copy.

    Each sequence has its own length, and lies from the first place of its row on. On a CPU they are fp32 whatever the
    model computes in: attention to a long text is faster so than with conversions (docs/measurements.md).
    """

    def __init__(self, pairs: Tensor, lengths: list[int]) -> None:
        """pairs: (L, 2, B, K, S_max, C), keys before values."""
        self.pairs, self.lengths = pairs, lengths
        self.step: Any = None
        """The model's layers, ready to take one token after another, while this text is written."""
        self._layers = pairs.unbind(0)  # a view costs as much as a small product: these are made once
        self._rows = [kept.flatten(1, 2).unbind(0) for kept in self._layers]  # keys and values, (B K, S_max, C)

    @classmethod
    def empty(
        cls, layers: int, batch: int, heads: int, length: int, width: int, *, dtype: torch.dtype, device: torch.device
    ) -> KVCache:
        """Room for `length` positions of `batch` sequences."""
        kept = torch.float32 if device.type == "cpu" else dtype
        return cls(torch.empty(layers, 2, batch, heads, length, width, dtype=kept, device=device), [0] * batch)

    @property
    def length(self) -> int:
        """Positions of the longest sequence."""
        return max(self.lengths)

    @property
    def even(self) -> bool:
        """Whether all sequences are of one length."""
        return min(self.lengths) == max(self.lengths)

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Write T new positions of a layer, (B, K, T, C); gives all S, (B, K, S, C). Only where all have one length."""
        assert self.even, "several positions at once are read by sequences of one length"
        start, end = self.length, self.length + key.shape[2]
        keys, values = self._layers[layer]
        keys[:, :, start:end], values[:, :, start:end] = key, value
        return keys[:, :, :end], values[:, :, :end]

    def put(self, layer: int, pairs: Tensor, places: Tensor | None) -> tuple[Tensor, Tensor]:
        """Write one new position of each sequence, (B, 2, K, C); gives all S of the longest, (B K, S, C).

        places: the next of each, (B,), or None where all are of one length.
        """
        kept, length = self._layers[layer], self.lengths[0] if places is None else self.length
        if places is None:
            kept.select(3, length).copy_(pairs.transpose(0, 1))
        else:
            kept[:, torch.arange(len(places), device=places.device), :, places] = pairs
        keys, values = self._rows[layer]
        return keys.narrow(1, 0, length + 1), values.narrow(1, 0, length + 1)

    def advance(self, positions: int) -> None:
        """Count positions that were written."""
        self.lengths = [length + positions for length in self.lengths]

    def select(self, rows: list[int]) -> KVCache:
        """The sequences `rows`, in this order; one may stand several times."""
        if rows == list(range(len(self.lengths))):
            return self
        lengths = [self.lengths[row] for row in rows]
        layers, two, _, heads, room, width = self.pairs.shape
        # Beyond a shorter sequence lie places that weigh nothing; nothing times what is no number would be none either.
        fresh = self.pairs.new_empty if self.even else self.pairs.new_zeros
        chosen = KVCache(fresh(layers, two, len(rows), heads, room, width), lengths)
        end, index = max(lengths), torch.tensor(rows, device=self.pairs.device)
        chosen.step = self.step
        chosen.pairs[..., :end, :] = self.pairs[..., :end, :].index_select(2, index)
        return chosen

    @staticmethod
    def join(caches: list[KVCache]) -> KVCache:
        """The sequences of several caches, in their order."""
        if len(caches) == 1:
            return caches[0]
        first = caches[0].pairs
        layers, two, _, heads, _, width = first.shape
        lengths = [length for cache in caches for length in cache.lengths]
        room = max(cache.pairs.shape[4] for cache in caches)
        joined = KVCache(first.new_zeros(layers, two, len(lengths), heads, room, width), lengths)  # as in `select`
        joined.step = caches[0].step
        row = 0
        for cache in caches:
            count, end = len(cache.lengths), cache.length
            joined.pairs[:, :, row : row + count, :, :end] = cache.pairs[..., :end, :]
            row += count
        return joined
