"""One token a byte of UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from craft.data.tokenizers.base import StreamDecoder, Tokenizer, utf8


class _ByteStream(StreamDecoder):
    """Holds back the bytes of a character until the last has come; what is no UTF-8 becomes U+FFFD."""

    def __init__(self, tokenizer: ByteTokenizer) -> None:
        super().__init__(tokenizer)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        return self._decoder.decode(self.tokenizer._as_ids([token]).astype(np.uint8).tobytes())

    def flush(self) -> str:
        return self._decoder.decode(b"", final=True)


class ByteTokenizer(Tokenizer):
    """256 tokens; reads any text."""

    type = "byte"
    vocab_size = 256

    def encode_array(self, text: str) -> NDArray[np.uint8]:
        """See the base class. Only half a surrogate pair, which is no text, cannot be encoded."""
        return np.frombuffer(utf8(text), dtype=np.uint8)

    def decode(self, ids: Iterable[int]) -> str:
        """See the base class; bytes that are no UTF-8 become U+FFFD."""
        return self._as_ids(ids).astype(np.uint8).tobytes().decode("utf-8", "replace")

    def stream(self) -> StreamDecoder:
        """See the base class."""
        return _ByteStream(self)

    def piece(self, token: int) -> str:
        """ASCII as it is, any other byte in hexadecimal."""
        return chr(token) if token < 0x80 else f"\\x{token:02x}"

    def token_bytes(self) -> NDArray[np.int64]:
        """One each."""
        return np.ones(256, dtype=np.int64)

    def state_dict(self) -> dict[str, Any]:
        """Nothing: all byte tokenizers are the same."""
        return {}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> ByteTokenizer:
        """See the base class."""
        return cls()
