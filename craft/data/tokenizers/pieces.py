"""What tokenizers share whose tokens stand for pieces of bytes."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from craft.data.tokenizers.base import StreamDecoder, Tokenizer


class _PieceStream(StreamDecoder):
    """Holds back the bytes of a character until the last has come; what is no UTF-8 becomes U+FFFD."""

    def __init__(self, tokenizer: PieceTokenizer) -> None:
        super().__init__(tokenizer)
        self._pieces = tokenizer.pieces
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        return self._decoder.decode(self._pieces[int(self.tokenizer._as_ids([token])[0])])

    def flush(self) -> str:
        return self._decoder.decode(b"", final=True)


class PieceTokenizer(Tokenizer):
    """Each token stands for the same bytes wherever it stands, so text is its tokens' bytes side by side.

    `pieces` has them by id; a token that is a sign to the model and no text, such as an end of text, has none.
    """

    def __init__(self, pieces: Sequence[bytes], names: dict[int, str] | None = None, lossy: str = "") -> None:
        self.pieces, self.vocab_size, self.lossy = list(pieces), len(pieces), lossy
        self._names = names or {}

    def decode(self, ids: Iterable[int]) -> str:
        """See the base class; bytes that are no UTF-8 become U+FFFD."""
        return b"".join(map(self.pieces.__getitem__, self._as_ids(ids).tolist())).decode("utf-8", "replace")

    def stream(self) -> StreamDecoder:
        """See the base class."""
        return _PieceStream(self)

    def piece(self, token: int) -> str:
        """Its text; bytes that are no whole characters in hexadecimal, and its name where it is no text."""
        if token in self._names:
            return self._names[token]
        piece = self.pieces[token]
        try:
            return piece.decode()
        except UnicodeDecodeError:
            return "".join(f"\\x{byte:02x}" for byte in piece)

    def token_bytes(self) -> NDArray[np.int64]:
        """See the base class."""
        return np.array([len(piece) for piece in self.pieces], dtype=np.int64)
