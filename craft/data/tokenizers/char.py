"""One token a character."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from craft.data.tokenizers.base import Tokenizer, dtype_for
from craft.errors import TokenizerError


def _codes(text: str) -> NDArray[np.uint32]:
    """Code points of a text; no Python loop."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


class CharTokenizer(Tokenizer):
    """The vocabulary is a sorted string of characters."""

    type = "char"

    def __init__(self, characters: str) -> None:
        self.characters = characters
        self.vocab_size = len(characters)
        codes = _codes(characters)
        # A table from code point to id; vocab_size stands for "never seen".
        self._table = np.full(int(codes.max()) + 2 if len(codes) else 1, self.vocab_size, dtype=np.int32)
        self._table[codes] = np.arange(self.vocab_size)

    @classmethod
    def train(cls, text: str) -> CharTokenizer:
        """Every character of a text, sorted by code point."""
        present = np.flatnonzero(np.bincount(_codes(text)))
        return cls("".join(map(chr, present.tolist())))

    def encode_array(self, text: str) -> NDArray[np.integer[Any]]:
        """See the base class."""
        codes = _codes(text)
        ids = self._table[np.minimum(codes, len(self._table) - 1)]
        unknown = np.flatnonzero(ids == self.vocab_size)
        if len(unknown):
            place = int(unknown[0])
            character = text[place]
            name = unicodedata.name(character, "unnamed")
            raise TokenizerError(
                f"the character {character!r} (U+{ord(character):04X} {name}) at position {place} was not in the "
                f"training text, so this model has no token for it; leave it out, or train with "
                f'tokenizer.type = "byte", which reads any text'
            )
        return ids.astype(dtype_for(self.vocab_size))

    def decode(self, ids: Iterable[int]) -> str:
        """See the base class."""
        listed = list(ids)
        self._check_ids(listed)
        return "".join(self.characters[token] for token in listed)

    def token_bytes(self) -> NDArray[np.int64]:
        """See the base class."""
        return np.array([len(c.encode("utf-8", "surrogatepass")) for c in self.characters], dtype=np.int64)

    def state_dict(self) -> dict[str, Any]:
        """The characters, in the order of their ids."""
        return {"characters": self.characters}
