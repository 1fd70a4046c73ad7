"""One token a character."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from craft.data.tokenizers.base import Tokenizer, dtype_for
from craft.errors import TokenizerError

_CODE_POINTS = 0x110000


def _codes(text: str) -> NDArray[np.uint8] | NDArray[np.uint32]:
    """Code points of a text; no Python loop. Pure ASCII takes a byte each: a quarter of the memory to go through."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), dtype=np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


class CharTokenizer(Tokenizer):
    """The vocabulary is every character of a text, sorted by code point."""

    type = "char"

    def __init__(self, characters: str) -> None:
        assert len(set(characters)) == len(characters), "a character stands twice in the vocabulary"
        self.characters = characters
        self.vocab_size = len(characters)
        self._characters = _codes(characters).astype("<u4")
        # From code point to id. The last entry is never a character of the vocabulary: it stands for all that are
        # beyond the table, and `vocab_size` for "not there".
        table_size = int(self._characters.max()) + 2 if characters else 1
        self._table = np.full(table_size, self.vocab_size, dtype=dtype_for(self.vocab_size + 1))
        self._table[self._characters] = np.arange(self.vocab_size)

    @classmethod
    def train(cls, texts: str | Iterable[str]) -> CharTokenizer:
        """The characters of a text, or of several."""
        seen = np.zeros(_CODE_POINTS, dtype=bool)
        for text in [texts] if isinstance(texts, str) else texts:
            seen[_codes(text)] = True
        return cls("".join(map(chr, np.flatnonzero(seen).tolist())))

    def encode_array(self, text: str) -> NDArray[np.integer[Any]]:
        """See the base class."""
        ids = self._table.take(_codes(text), mode="clip")
        if ids.size and int(ids.max()) == self.vocab_size:
            raise TokenizerError(self._describe_unknown(text, np.flatnonzero(ids == self.vocab_size)))
        return ids.astype(dtype_for(self.vocab_size), copy=False)

    def _describe_unknown(self, text: str, places: NDArray[np.int64]) -> str:
        """Which characters of a text are unknown, where the first stands, and what to do."""
        unknown = list(dict.fromkeys(text[place] for place in places.tolist()))
        first = int(places[0])
        line = text.count("\n", 0, first) + 1
        where = f"character {first + 1:,}" + (f", on line {line:,}," if "\n" in text else "")
        name = unicodedata.name(unknown[0], "a character without a name")
        others = f" (so are {', '.join(map(repr, unknown[1:6]))})" if unknown[1:] else ""
        return (
            f"{where} of the text is {unknown[0]!r}, U+{ord(unknown[0]):04X} {name}, which is not among "
            f"the {self.vocab_size} characters of the text that this tokenizer was made from{others}; leave it out, or "
            'train with tokenizer.type = "byte", which reads any text'
        )

    def decode(self, ids: Iterable[int]) -> str:
        """See the base class."""
        return self._characters[self._as_ids(ids)].tobytes().decode("utf-32-le", "surrogatepass")

    def token_bytes(self) -> NDArray[np.int64]:
        """See the base class."""
        return np.array([len(c.encode("utf-8", "surrogatepass")) for c in self.characters], dtype=np.int64)

    def state_dict(self) -> dict[str, Any]:
        """The characters, in the order of their ids."""
        return {"characters": self.characters}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> CharTokenizer:
        """See the base class."""
        characters = state["characters"]
        if not isinstance(characters, str) or not characters or len(set(characters)) < len(characters):
            raise ValueError("the vocabulary is no row of different characters")
        return cls(characters)
