"""Ids as they are, for tokens whose vocabulary is not at hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from craft.data.tokenizers.base import StreamDecoder, Tokenizer, dtype_for
from craft.errors import TokenizerError


class _IdsStream(StreamDecoder):
    """Ids one by one, with blanks between them."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__(tokenizer)
        self._begun = False

    def push(self, token: int) -> str:
        text = self.tokenizer.decode([token])
        text, self._begun = (f" {text}" if self._begun else text), True
        return text


class IdsTokenizer(Tokenizer):
    """Text is numbers with blanks between them: `17 4 256`."""

    type = "ids"

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size

    def encode_array(self, text: str) -> NDArray[np.integer[Any]]:
        """See the base class."""
        words = text.split()
        for place, word in enumerate(words, 1):
            if not (word.isascii() and word.isdigit() and int(word) < self.vocab_size):
                raise TokenizerError(
                    f"word {place} of the text is {word!r}; this tokenizer knows no text, only ids from 0 to "
                    f"{self.vocab_size - 1} with blanks between them"
                )
        return np.array([int(word) for word in words], dtype=dtype_for(self.vocab_size))

    def decode(self, ids: Iterable[int]) -> str:
        """See the base class."""
        return " ".join(map(str, self._as_ids(ids).tolist()))

    def stream(self) -> StreamDecoder:
        """See the base class."""
        return _IdsStream(self)

    def token_bytes(self) -> NDArray[np.int64]:
        """Nobody knows what an id stands for, so no bits per byte are told."""
        return np.zeros(self.vocab_size, dtype=np.int64)

    def state_dict(self) -> dict[str, Any]:
        """How many there are."""
        return {"vocab_size": self.vocab_size}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> IdsTokenizer:
        """See the base class."""
        if not isinstance(state["vocab_size"], int) or state["vocab_size"] < 1:
            raise ValueError("vocab_size is no count")
        return cls(state["vocab_size"])
