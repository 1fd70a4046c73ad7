"""Datasets: a length, and an item for each index. What batches and evaluation windows are cut from.

Letters: B batch, T time (the context length), W windows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import Dataset

from craft.errors import DataError

Pair = tuple[Tensor, Tensor]
"""inputs and targets, int64 of one shape: (T,) an item, (B, T) a batch."""

IGNORED = -100
"""A target that counts for nothing; what `torch.nn.functional.cross_entropy` leaves out unless told otherwise."""

# From this many windows on, an epoch may do without one of them.
_MANY_WINDOWS = 8
# Tokens counted at once: `bincount` takes eight bytes for each.
_COUNTED_AT_ONCE = 1 << 24


class Windows(Protocol):
    """What batches are made from: a split that can be cut into windows of `context_length`."""

    context_length: int

    @property
    def identity(self) -> str:
        """Changes with what the windows hold."""

    def num_windows(self, *, shuffled: bool) -> int:
        """Training windows of one epoch."""

    def gather(self, windows: NDArray[np.int64], draw: int) -> Pair:
        """Inputs and targets (B, T) of training windows (B,). `draw` is a large random number of the epoch, or 0."""

    @property
    def num_eval_windows(self) -> int:
        """Windows that hold the whole split."""

    def eval_batch(self, start: int, stop: int) -> Pair:
        """Inputs and targets (stop - start, T) of evaluation windows; padding has the target IGNORED."""

    @property
    def num_target_tokens(self) -> int | None:
        """Targets of the whole split; None where only looking at every item would tell."""

    @property
    def num_target_bytes(self) -> int:
        """Bytes of text that these targets stand for; 0 where nobody knows."""


class BaseDataset(Dataset[Pair], ABC):
    """A dataset of `(inputs, targets)` pairs, (T,) int64 each. Derive from it, or offer the same two methods."""

    @abstractmethod
    def __len__(self) -> int:
        """Items."""

    @abstractmethod
    def __getitem__(self, index: int) -> Pair:
        """Item `index`, from 0; the same one each time."""


class TextDataset(BaseDataset):
    """Windows of `context_length` side by side over one long row of tokens; a target is the token after its input.

    tokens: 1-D, of any integer dtype, in memory or mapped from disk; they are only read. token_bytes: (V,) bytes of
    text that a token stands for, where that is known. identity: what tells this row of tokens from another.
    """

    def __init__(
        self,
        tokens: NDArray[np.integer[Any]] | Tensor,
        context_length: int,
        *,
        token_bytes: ArrayLike | None = None,
        identity: str = "",
    ) -> None:
        self.tokens = np.asarray(tokens)
        assert self.tokens.ndim == 1, f"tokens are one row, not of shape {self.tokens.shape}"
        self.context_length = context_length
        self.token_bytes = None if token_bytes is None else np.asarray(token_bytes)
        self._identity = identity
        # Every window that there can be, (len - T, T + 1), as a view: a batch is one gather of its rows.
        self._all_windows = (
            np.lib.stride_tricks.sliding_window_view(self.tokens, context_length + 1)
            if len(self.tokens) > context_length
            else np.empty((0, context_length + 1), dtype=self.tokens.dtype)
        )

    def __len__(self) -> int:
        return max(0, len(self.tokens) - 1) // self.context_length

    def __getitem__(self, index: int) -> Pair:
        if not 0 <= index < len(self):
            raise IndexError(index)
        inputs, targets = self.gather(np.array([index]), 0)
        return inputs[0], targets[0]

    @property
    def identity(self) -> str:
        """See `Windows`."""
        return f"{len(self.tokens)} tokens of {self._identity}"

    def num_windows(self, *, shuffled: bool) -> int:
        """All that fit side by side. Shuffled, one less where there are many: then the first can begin anywhere in
        the first T tokens, and each epoch cuts the text elsewhere."""
        return len(self) - 1 if shuffled and len(self) >= _MANY_WINDOWS else len(self)

    def gather(self, windows: NDArray[np.int64], draw: int) -> Pair:
        """See `Windows`. `draw` decides where the first window begins."""
        starts = windows * self.context_length
        if draw:
            spare = len(self.tokens) - 1 - self.num_windows(shuffled=True) * self.context_length
            starts += draw % min(spare + 1, self.context_length)
        rows = torch.from_numpy(self._all_windows[starts].astype(np.int64))  # (B, T + 1)
        return rows[:, :-1], rows[:, 1:]

    @property
    def num_eval_windows(self) -> int:
        """Side by side; the last may be short, and is padded."""
        return -(-self.num_target_tokens // self.context_length)

    def eval_batch(self, start: int, stop: int) -> Pair:
        """See `Windows`."""
        length = self.context_length
        row = self.tokens[start * length : stop * length + 1].astype(np.int64)
        inputs = np.zeros((stop - start) * length, dtype=np.int64)
        targets = np.full_like(inputs, IGNORED)
        inputs[: len(row) - 1], targets[: len(row) - 1] = row[:-1], row[1:]
        return torch.from_numpy(inputs).view(-1, length), torch.from_numpy(targets).view(-1, length)

    @property
    def num_target_tokens(self) -> int:
        """All but the first."""
        return max(0, len(self.tokens) - 1)

    @cached_property
    def num_target_bytes(self) -> int:
        """Bytes of the text after the first token."""
        if self.token_bytes is None:
            return 0
        return int(count_tokens(self.tokens[1:], len(self.token_bytes)) @ self.token_bytes)


def count_tokens(tokens: NDArray[np.integer[Any]], vocab_size: int) -> NDArray[np.int64]:
    """How often each token occurs, (vocab_size,)."""
    counts = np.zeros(vocab_size, dtype=np.int64)
    for start in range(0, len(tokens), _COUNTED_AT_ONCE):
        counts += np.bincount(tokens[start : start + _COUNTED_AT_ONCE], minlength=vocab_size)
    return counts


class ItemDataset:
    """Windows from any dataset with `__len__` and `__getitem__`: an item is a window.

    An item is `context_length + 1` token ids, or a tuple `(inputs, targets)` of `context_length` each; targets may
    hold IGNORED. name: how messages call it. Raises DataError for an item that is something else.
    """

    def __init__(self, items: Any, context_length: int, vocab_size: int, *, name: str, identity: str = "") -> None:
        self.items, self.context_length, self.vocab_size = items, context_length, vocab_size
        self.name, self._identity = name, identity
        try:
            self._count = len(items)
        except TypeError as error:
            raise DataError(f"{name}: a dataset needs `__len__` and `__getitem__`: {error}") from error
        if not hasattr(items, "__getitem__"):
            raise DataError(f"{name}: a dataset needs `__len__` and `__getitem__`: the second is missing")

    def __len__(self) -> int:
        return self._count

    @property
    def identity(self) -> str:
        """See `Windows`."""
        return f"{self._count} items of {self.name} {self._identity}"

    def num_windows(self, *, shuffled: bool) -> int:
        """See `Windows`."""
        return self._count

    def gather(self, windows: NDArray[np.int64], draw: int) -> Pair:
        """See `Windows`; nothing is drawn."""
        pairs = [self._item(index) for index in windows.tolist()]
        if not pairs:
            empty = torch.zeros(0, self.context_length, dtype=torch.int64)
            return empty, empty.clone()
        return torch.stack([inputs for inputs, _ in pairs]), torch.stack([targets for _, targets in pairs])

    @property
    def num_eval_windows(self) -> int:
        """See `Windows`."""
        return self._count

    def eval_batch(self, start: int, stop: int) -> Pair:
        """See `Windows`."""
        return self.gather(np.arange(start, stop), 0)

    @property
    def num_target_tokens(self) -> None:
        """See `Windows`; an item may leave targets out."""
        return None

    @property
    def num_target_bytes(self) -> int:
        """Nobody knows."""
        return 0

    def _item(self, index: int) -> Pair:
        try:
            item = self.items[index]
        except Exception as error:  # a person's own class may raise anything
            raise DataError(
                f"{self.name}: item {index} of {self._count} raised {type(error).__name__}: {error}"
            ) from error
        length = self.context_length
        if isinstance(item, tuple) and len(item) == 2:
            inputs, targets = self._ids(index, item[0]), self._ids(index, item[1])
        else:
            ids = self._ids(index, item)
            inputs, targets = ids[:-1], ids[1:]
        if inputs.shape != (length,) or targets.shape != (length,):
            raise DataError(
                f"{self.name}: item {index} gives {_shape(inputs)} inputs and {_shape(targets)} targets; "
                f"data.context_length = {length} needs {length} of each, or {length + 1} token ids"
            )
        self._check_range(index, inputs, "input")
        self._check_range(index, targets[targets != IGNORED], "target")
        return inputs, targets

    def _ids(self, index: int, given: Any) -> Tensor:
        try:
            ids = torch.as_tensor(given)
        except Exception as error:  # whatever torch says to a string, None, or a ragged list
            raise DataError(f"{self.name}: item {index} is no row of token ids: {error}") from error
        if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool or ids.ndim != 1:
            raise DataError(
                f"{self.name}: item {index} holds {_shape(ids)} {str(ids.dtype).removeprefix('torch.')}; "
                "an item is a row of whole numbers, the token ids, or a tuple (inputs, targets) of two such rows"
            )
        return ids.to(torch.int64)

    def _check_range(self, index: int, ids: Tensor, what: str) -> None:
        wrong = ids[(ids < 0) | (ids >= self.vocab_size)]
        if len(wrong):
            raise DataError(
                f"{self.name}: item {index} has the {what} {int(wrong[0])}, outside the tokenizer's {self.vocab_size} "
                "tokens; ids run from 0, and a target that is to be left out is -100"
            )


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) if tensor.ndim else "one single"
