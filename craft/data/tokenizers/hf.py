"""A tokenizer of the `tokenizers` library, from its `tokenizer.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from craft.data.tokenizers.base import dtype_for, utf8
from craft.data.tokenizers.blocks import blocks
from craft.data.tokenizers.json_file import Meaning, library, read_json, without_prefix
from craft.data.tokenizers.pieces import PieceTokenizer
from craft.errors import TokenizerError

# Characters given to the library at once; it shares a list of them out over threads.
_AT_ONCE = 1 << 14


class HFTokenizer(PieceTokenizer):
    """Any tokenizer of the library. Signs that it would put around a text are left out, and no blank is put before it.

    Text is put together from the bytes of each token, so that they can be counted; where that is not all of the text,
    `lossy` says why.
    """

    type = "hf"

    def __init__(self, content: dict[str, Any]) -> None:
        """content: what stands in a `tokenizer.json`. Raises TokenizerError when the library cannot use it."""
        self.content = without_prefix(content)
        try:
            self._tokenizer = library().Tokenizer.from_str(json.dumps(self.content))
        except Exception as error:  # the library raises nothing narrower
            raise TokenizerError(f"no tokenizer.json that the tokenizers library takes: {error}") from error
        meaning = Meaning(self.content)
        vocabulary: dict[str, int] = self._tokenizer.get_vocab(with_added_tokens=True)
        pieces = [b""] * (max(vocabulary.values(), default=-1) + 1)  # some leave numbers out
        for piece, token in vocabulary.items():
            pieces[token] = meaning.bytes_of(piece)
        for token, added in self._tokenizer.get_added_tokens_decoder().items():
            pieces[token] = meaning.bytes_of(added.content, is_added=True)
        super().__init__(pieces, lossy=meaning.lossy)

    @classmethod
    def read(cls, path: Path) -> HFTokenizer:
        """A `tokenizer.json`, or the one in a folder. Raises TokenizerError."""
        content = read_json(path)
        try:
            return cls(content)
        except TokenizerError as error:
            raise TokenizerError(f"tokenizer.path: {path}: {error}") from error

    def encode_array(self, text: str) -> NDArray[np.integer[Any]]:
        """See the base class; the whole of a long text is shared out over threads."""
        utf8(text)
        return self._encode_all(blocks([text], _AT_ONCE)).astype(dtype_for(self.vocab_size))

    def _encode_all(self, texts: Iterable[str]) -> NDArray[np.int64]:
        """The ids of several texts side by side."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return np.concatenate([np.zeros(0, np.int64), *(np.array(one.ids, np.int64) for one in encodings)])

    def export(self, folder: Path) -> Path:
        """Write `tokenizer.json`."""
        file = folder / "tokenizer.json"
        file.write_text(json.dumps(self.content, ensure_ascii=False), encoding="utf-8")
        return file

    def state_dict(self) -> dict[str, Any]:
        """What stands in its `tokenizer.json`."""
        return {"tokenizer": self.content}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> HFTokenizer:
        """See the base class."""
        try:
            return cls(state["tokenizer"])
        except TokenizerError as error:
            raise ValueError(str(error)) from error
