"""What a tokenizer is: text to numbers and back, without loss."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from craft.data.tokenizers.blocks import blocks
from craft.errors import TokenizerError

FILE = "tokenizer.json"


class StreamDecoder:
    """Turns tokens into text one at a time. What is no whole character yet is held back."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    def push(self, token: int) -> str:
        """The text that this token completes; may be empty. Raises TokenizerError outside the vocabulary."""
        return self.tokenizer.decode([token])

    def flush(self) -> str:
        """What is left at the end."""
        return ""


class Tokenizer(ABC):
    """Encodes text into ids 0 to `vocab_size` - 1."""

    type: str
    vocab_size: int
    reference: str = ""
    """"module:Class" of one's own, by which a checkpoint finds it again; set by Craft."""
    lossy: str = ""
    """What of a text does not come back, in words; empty where all does. Bytes are counted as they come back."""

    @abstractmethod
    def encode_array(self, text: str) -> NDArray[np.integer[Any]]:
        """The ids of a text, 1-D, in the dtype of `dtype_for(vocab_size)`. Raises TokenizerError."""

    def encode(self, text: str) -> list[int]:
        """The ids of a text. Raises TokenizerError naming the first character that has none."""
        ids: list[int] = self.encode_array(text).tolist()
        return ids

    def encode_parts(self, parts: Iterable[str]) -> Iterator[NDArray[np.integer[Any]]]:
        """The ids of a text that comes in parts, in turn; little more than one part is held. Raises TokenizerError.

        What they are depends on the text alone, not on how it was parted: it is read in blocks that end with a line.
        """
        for block in blocks(parts):
            yield self.encode_array(block)

    @abstractmethod
    def decode(self, ids: Iterable[int]) -> str:
        """The text of some ids, a tensor's too. Raises TokenizerError for an id outside the vocabulary."""

    def stream(self) -> StreamDecoder:
        """A decoder for tokens that come one by one."""
        return StreamDecoder(self)

    def piece(self, token: int) -> str:
        """What a token stands for, as it is shown to a person; not cleaned for a terminal."""
        return self.decode([token])

    @abstractmethod
    def token_bytes(self) -> NDArray[np.int64]:
        """Bytes of UTF-8 that each token stands for, (vocab_size,)."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Plain JSON values, from which `from_state` makes the same tokenizer."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: dict[str, Any]) -> Tokenizer:
        """The tokenizer that gave `state_dict`. Raises KeyError, TypeError or ValueError when that is damaged."""

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json`; what forces it to disk is whoever owns the folder."""
        content = json.dumps({"type": self.reference or self.type, **self.state_dict()}, ensure_ascii=False)
        (folder / FILE).write_text(content, encoding="utf-8")

    def export(self, folder: Path) -> Path | None:
        """Write the file that a definition's `tokenizer.path` can name, and others can read; None: there is none."""
        return None

    def _as_ids(self, ids: Iterable[int]) -> NDArray[np.int64]:
        """Ids as an array, all of them inside the vocabulary. Raises TokenizerError."""
        array = np.asarray(ids if isinstance(ids, Sequence | np.ndarray) else [int(token) for token in ids])
        if array.size == 0:
            return np.zeros(0, dtype=np.int64)
        assert array.ndim == 1, f"ids are a row, not of shape {array.shape}"
        assert array.dtype.kind in "iu", f"ids are whole numbers, not {array.dtype}"
        outside = np.flatnonzero((array < 0) | (array >= self.vocab_size))
        if len(outside):
            place = int(outside[0])
            raise TokenizerError(
                f"token {array[place]} at place {place} is outside the vocabulary, which has ids 0 to "
                f"{self.vocab_size - 1}: these ids come from another tokenizer"
            )
        return array.astype(np.int64)


def utf8(text: str) -> bytes:
    """The bytes of a text. Raises TokenizerError for half a surrogate pair, which is no text."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise TokenizerError(
            f"character {error.start + 1} of the text is {text[error.start]!r}, half of a character or a byte that "
            "is not UTF-8; leave it out"
        ) from error


def dtype_for(vocab_size: int) -> np.dtype[Any]:
    """The smallest dtype that holds every id."""
    if vocab_size <= 1 << 8:
        return np.dtype(np.uint8)
    return np.dtype(np.uint16) if vocab_size <= 1 << 16 else np.dtype(np.int32)
