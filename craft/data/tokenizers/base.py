"""What a tokenizer is: text to numbers and back, without loss."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from craft.errors import TokenizerError

FILE = "tokenizer.json"


class StreamDecoder:
    """Turns tokens into text one at a time. What is no whole character yet is held back."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    def push(self, token: int) -> str:
        """The text that this token completes; may be empty."""
        return self.tokenizer.decode([token])

    def flush(self) -> str:
        """What is left at the end."""
        return ""


class Tokenizer(ABC):
    """Encodes text into ids 0 to `vocab_size` - 1."""

    type: str
    vocab_size: int

    @abstractmethod
    def encode_array(self, text: str) -> NDArray[np.integer[Any]]:
        """The ids of a text, 1-D, in the smallest dtype that holds the vocabulary. Raises TokenizerError."""

    def encode(self, text: str) -> list[int]:
        """The ids of a text. Raises TokenizerError naming the first character that has none."""
        ids: list[int] = self.encode_array(text).tolist()
        return ids

    @abstractmethod
    def decode(self, ids: Iterable[int]) -> str:
        """The text of some ids. Raises TokenizerError for an id outside the vocabulary."""

    def stream(self) -> StreamDecoder:
        """A decoder for tokens that come one by one."""
        return StreamDecoder(self)

    @abstractmethod
    def token_bytes(self) -> NDArray[np.int64]:
        """Bytes of UTF-8 that each token stands for, (vocab_size,)."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Plain JSON values, from which `load_tokenizer` makes the same tokenizer."""

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json`."""
        content = json.dumps({"type": self.type, **self.state_dict()}, ensure_ascii=False)
        (folder / FILE).write_text(content, encoding="utf-8")

    def _check_ids(self, ids: list[int]) -> None:
        for token in ids:
            if not 0 <= token < self.vocab_size:
                raise TokenizerError(f"token {token} is outside the vocabulary of {self.vocab_size}")


def dtype_for(vocab_size: int) -> np.dtype[Any]:
    """The smallest dtype that holds every id."""
    if vocab_size <= 256:
        return np.dtype(np.uint8)
    return np.dtype(np.uint16) if vocab_size <= 65536 else np.dtype(np.int32)
