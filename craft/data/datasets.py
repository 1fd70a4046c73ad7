"""Map-style datasets: a length, and an item for each index.

Letters: B batch, T time (the context length).
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from craft.config.schema import ExperimentConfig
from craft.config.schema.data import PythonDataset
from craft.config.schema.tokenizer import ByteTokenizerConfig, TokenizerConfig
from craft.data.tokenizers import Tokenizer
from craft.errors import DataError
from craft.models.base import IGNORED

Pair = tuple[Tensor, Tensor]
"""inputs and targets."""


class MapDataset(Protocol):
    """What batches are made from."""

    def __len__(self) -> int: ...

    def num_windows(self) -> int:
        """Training windows of one epoch."""

    def gather(self, windows: Tensor, epoch_phase: float) -> Pair:
        """Inputs and targets (B, T) int64 of some windows (B,) of one epoch."""

    def evaluation_batches(self, rows: int) -> Sequence[slice]:
        """How the whole split is cut for measuring it: slices of windows."""

    def evaluation_batch(self, part: slice) -> Pair:
        """Inputs and targets (B, T) of such a slice; padding has the target IGNORED."""

    @property
    def num_target_tokens(self) -> int:
        """Targets of the whole split."""

    @property
    def num_target_bytes(self) -> int:
        """Bytes that the targets stand for; 0 where nobody knows."""

    def fingerprint(self) -> str:
        """Changes with what the windows hold."""


class BaseDataset(Dataset[Pair], ABC):
    """A dataset of `(inputs, targets)` pairs, (T,) int64 each. Derive from it, or offer the same two methods."""

    @abstractmethod
    def __len__(self) -> int:
        """Items."""

    @abstractmethod
    def __getitem__(self, index: int) -> Pair:
        """Item `index`, from 0."""


class TextDataset(BaseDataset):
    """Windows of `context_length` over one long row of tokens; each target is the token after its input."""

    def __init__(self, tokens: Tensor, context_length: int, token_bytes: Tensor | None = None) -> None:
        self.tokens, self.context_length, self.token_bytes = tokens, context_length, token_bytes
        self._offsets = torch.arange(context_length + 1)

    def __len__(self) -> int:
        return max(0, (len(self.tokens) - 1) // self.context_length)

    def __getitem__(self, index: int) -> Pair:
        if not 0 <= index < len(self):
            raise IndexError(index)
        inputs, targets = self.gather(torch.tensor([index]), 0.0)
        return inputs[0], targets[0]

    def num_windows(self) -> int:
        """One less than fit where there are many, so that each epoch can begin elsewhere."""
        return len(self) - 1 if len(self) >= 8 else len(self)

    def gather(self, windows: Tensor, epoch_phase: float) -> Pair:
        """Windows start at multiples of T, shifted by `epoch_phase` (0 up to 1) of what is left over."""
        spare = len(self.tokens) - 1 - self.num_windows() * self.context_length
        starts = windows * self.context_length + int(epoch_phase * min(spare + 1, self.context_length))
        rows = self.tokens[starts[:, None] + self._offsets].long()  # (B, T + 1)
        return rows[:, :-1], rows[:, 1:]

    def evaluation_batches(self, rows: int) -> Sequence[slice]:
        """Windows side by side; the last one may be short, and makes a batch of its own."""
        whole = len(self)
        parts = [slice(start, min(start + rows, whole)) for start in range(0, whole, rows)]
        if (len(self.tokens) - 1) % self.context_length:
            parts.append(slice(whole, whole + 1))
        return parts

    def evaluation_batch(self, part: slice) -> Pair:
        """A view of the tokens, or the short last window, padded."""
        length = self.context_length
        if part.start < len(self):
            start, stop = part.start * length, part.stop * length
            inputs, targets = self.tokens[start:stop], self.tokens[start + 1 : stop + 1]
            return inputs.view(-1, length).long(), targets.view(-1, length).long()
        tail = self.tokens[part.start * length :].long()
        inputs, targets = torch.zeros(1, length, dtype=torch.long), torch.full((1, length), IGNORED)
        inputs[0, : len(tail) - 1], targets[0, : len(tail) - 1] = tail[:-1], tail[1:]
        return inputs, targets

    @property
    def num_target_tokens(self) -> int:
        """All but the first."""
        return len(self.tokens) - 1

    @property
    def num_target_bytes(self) -> int:
        """Bytes of the text after the first token."""
        if self.token_bytes is None:
            return 0
        counts = torch.bincount(self.tokens[1:].int(), minlength=len(self.token_bytes))
        return int((counts * self.token_bytes).sum())

    def fingerprint(self) -> str:
        """Length and window."""
        return f"{len(self.tokens)} tokens in windows of {self.context_length}"


class ItemDataset:
    """Batches from any dataset with `__len__` and `__getitem__`: an item is token ids, or inputs and targets."""

    def __init__(self, items: Any, context_length: int, name: str) -> None:
        self.items, self.context_length, self.name = items, context_length, name

    def __len__(self) -> int:
        return len(self.items)

    def num_windows(self) -> int:
        """An item is a window."""
        return len(self)

    def gather(self, windows: Tensor, epoch_phase: float) -> Pair:
        """Items side by side."""
        pairs = [self._item(int(index)) for index in windows]
        return torch.stack([inputs for inputs, _ in pairs]), torch.stack([targets for _, targets in pairs])

    def _item(self, index: int) -> Pair:
        item, length = self.items[index], self.context_length
        if isinstance(item, tuple) and len(item) == 2:
            inputs, targets = torch.as_tensor(item[0]).long(), torch.as_tensor(item[1]).long()
        else:
            ids = torch.as_tensor(item).long()
            inputs, targets = ids[:-1], ids[1:]
        if inputs.shape != (length,) or targets.shape != (length,):
            raise DataError(
                f"{self.name}: item {index} has {tuple(inputs.shape)} inputs and {tuple(targets.shape)} targets; "
                f"data.context_length = {length} needs {length} each, or {length + 1} token ids"
            )
        return inputs, targets

    def evaluation_batches(self, rows: int) -> Sequence[slice]:
        """Items in their order."""
        return [slice(start, min(start + rows, len(self))) for start in range(0, len(self), rows)]

    def evaluation_batch(self, part: slice) -> Pair:
        """Some items in their order."""
        return self.gather(torch.arange(part.start, part.stop), 0.0)

    @property
    def num_target_tokens(self) -> int:
        """Targets that count."""
        return sum(int((self._item(index)[1] != IGNORED).sum()) for index in range(len(self)))

    @property
    def num_target_bytes(self) -> int:
        """Nobody knows."""
        return 0

    def fingerprint(self) -> str:
        """Name and length."""
        return f"{len(self)} items of {self.name}"


class _PythonDatasetMaker:
    """A person's dataset class, and how it is called."""

    def __init__(self, data: PythonDataset, made_by: Any) -> None:
        self.data, self.made_by = data, made_by

    def vocabulary_text(self, tokenizer: TokenizerConfig) -> str:
        """Text for a vocabulary: what the class's `texts(**arguments)` yields. Bytes need none."""
        if isinstance(tokenizer, ByteTokenizerConfig):
            return ""
        texts = getattr(self.made_by, "texts", None)
        if texts is None:
            raise DataError(
                f"{self.data.type}: a char vocabulary is taken from text, and the class has no static method "
                f'`texts(**arguments)` that yields any; add one, or set tokenizer.type = "byte"'
            )
        return "".join(texts(**self.data.arguments))

    def split(self, name: str, tokenizer: Tokenizer) -> ItemDataset:
        """The class called for one split."""
        try:
            items = self.made_by(
                split=name, tokenizer=tokenizer, context_length=self.data.context_length, **self.data.arguments
            )
            len(items)
        except Exception as error:  # a person's own class may raise anything
            raise DataError(
                f"{self.data.type}: making the {name} split raised {type(error).__name__}: {error}"
            ) from error
        return ItemDataset(items, self.data.context_length, self.data.type)


def open_python_dataset(data: PythonDataset) -> _PythonDatasetMaker:
    """Import the class that `type = "module:Class"` names. Raises DataError."""
    module_name, _, class_name = data.type.partition(":")
    try:
        made_by = getattr(importlib.import_module(module_name), class_name)
    except Exception as error:  # importing a person's module may raise anything
        raise DataError(f'data.type = "{data.type}" cannot be imported: {type(error).__name__}: {error}') from error
    return _PythonDatasetMaker(data, made_by)


def create_dataset_from_config(config: ExperimentConfig, split: str) -> MapDataset:
    """One split of a definition's data: "train", "val" or "test"."""
    from craft.data.prepare import prepare

    splits = prepare(config).splits
    if split not in splits:
        raise DataError(f"the definition holds out no {split} split; set data.{split}_fraction above 0")
    return splits[split]
