"""Byte-level pair encoding, learnt with the `tokenizers` library; what it writes, the library reads.

Text is split into words first, and pairs are merged inside of each. The pattern names every range of characters, so
that Python's `re` splits as the library does. Then a word has to be merged once only: a text has few different ones,
and looking the others up is several times as fast as merging them all.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from craft.config.schema.tokenizer import BPETokenizerConfig
from craft.data.tokenizers.base import dtype_for, utf8
from craft.data.tokenizers.blocks import blocks, spread
from craft.data.tokenizers.hf import HFTokenizer
from craft.data.tokenizers.json_file import library, read_json
from craft.errors import TokenizerError

# Letters of all scripts, roughly; digits; blanks; line ends. All else is a sign.
_LETTERS = (
    "A-Za-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u1fff\u2c00-\u2dff\u3005-\u3007\u3040-\u31ff"
    "\u3400-\ud7ff\uf900-\ufdff\ufe70-\ufefc\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uffdc"
    "\U00010000-\U0001efff\U00020000-\U0003ffff"
)
# A word takes the blank before it along. A run of line ends is a word: no token goes on from one line to the next.
PATTERN = (
    "'(?:[sdmt]|ll|ve|re)"
    f"| ?[{_LETTERS}]{{1,64}}"
    "| ?[0-9]{1,3}"
    f"| ?[^{_LETTERS}0-9 \t\r\n]{{1,64}}"
    "|[\r\n]{1,64}"
    "|[ \t]{1,64}(?![^ \t\r\n])"
    "|[ \t]{1,64}"
)
_MOST_WORDS = 1 << 20  # different ones that are kept


class BPETokenizer(HFTokenizer):
    """Pairs of bytes that were merged most often; reads any text."""

    type = "bpe"

    def __init__(self, content: dict[str, Any]) -> None:
        """content: what stands in a `tokenizer.json` that this class has made. Raises TokenizerError for any other."""
        super().__init__(content)
        pattern = (content.get("pre_tokenizer") or {}).get("pretokenizers", [{}])[0].get("pattern")
        if pattern != {"Regex": PATTERN} or content["model"].get("type") != "BPE":
            raise TokenizerError('it was not made by tokenizer.type = "bpe"; read it with tokenizer.type = "hf"')
        self._split, self._lock = re.compile(PATTERN), threading.Lock()
        self._known = _Words(dtype_for(self.vocab_size))

    @classmethod
    def train(cls, texts: str | Iterable[str], config: BPETokenizerConfig | None = None) -> BPETokenizer:
        """Learn pairs from a text. Raises TokenizerError naming the largest vocabulary that it allows."""
        config = config or BPETokenizerConfig()
        tokenizers = library()
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
        by_bytes = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        words = tokenizers.pre_tokenizers.Split(tokenizers.Regex(PATTERN), "isolated")
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([words, by_bytes])
        tokenizer.decoder = tokenizers.decoders.ByteLevel()
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=config.size,
            min_frequency=2,  # a pair seen once is the text itself
            show_progress=False,
            initial_alphabet=by_bytes.alphabet(),
        )
        sample = spread([texts] if isinstance(texts, str) else texts, config.train_chars)
        for part in sample:
            utf8(part)
        tokenizer.train_from_iterator(sample, trainer)
        found = tokenizer.get_vocab_size()
        if found < config.size:
            raise TokenizerError(
                f"tokenizer.vocab_size = {config.size:,} is more than this text allows: {found - 256:,} pairs stand in "
                f"it twice, which makes {found:,} with the 256 bytes; set tokenizer.vocab_size to {found} or less, or "
                "take a longer text"
            )
        return cls(json.loads(tokenizer.to_str()))

    @classmethod
    def read(cls, path: Path) -> BPETokenizer:
        """A `tokenizer.json` that this class has made. Raises TokenizerError."""
        try:
            return cls(read_json(path))
        except TokenizerError as error:
            raise TokenizerError(f"tokenizer.path: {path}: {error}") from error

    def encode_array(self, text: str) -> NDArray[np.integer[Any]]:
        """See the base class."""
        utf8(text)
        rows = [self._encode(block) for block in blocks([text])]
        return np.concatenate([np.zeros(0, dtype_for(self.vocab_size)), *rows])

    def _encode(self, text: str) -> NDArray[np.integer[Any]]:
        words = self._split.findall(text)
        with self._lock:
            self._learn(set(words))
            known = self._known
            numbers = np.fromiter(map(known.numbers.__getitem__, words), np.int64, len(words))
            starts, lengths, ids = known.starts[numbers], known.lengths[numbers], known.ids
        ends = lengths.cumsum()
        # The place of each word's ids in the store, and from there one by one.
        places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + lengths, lengths)
        found: NDArray[np.integer[Any]] = ids[places]
        return found

    def _learn(self, words: set[str]) -> None:
        """Let the library merge those words that did not come before."""
        new = sorted(words.difference(self._known.numbers))
        if not new:
            return
        if len(self._known.numbers) + len(new) > _MOST_WORDS:
            self._known = _Words(dtype_for(self.vocab_size))
            new = sorted(words)
        encodings = self._tokenizer.encode_batch_fast(new, add_special_tokens=False)
        self._known.add(new, [one.ids for one in encodings])


class _Words:
    """The ids of words, side by side: of word number n those from `starts[n]` on, `lengths[n]` of them."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.numbers: dict[str, int] = {}
        self.starts: NDArray[np.int64] = np.zeros(0, np.int64)
        self.lengths: NDArray[np.int64] = np.zeros(0, np.int64)
        self.ids: NDArray[np.integer[Any]] = np.zeros(0, dtype)

    def add(self, words: list[str], ids: list[list[int]]) -> None:
        """Take in words that are not there yet."""
        first = len(self.numbers)
        self.numbers.update(zip(words, range(first, first + len(words)), strict=True))
        lengths = np.array(list(map(len, ids)), np.int64)
        self.starts = np.concatenate([self.starts, len(self.ids) + lengths.cumsum() - lengths])
        self.lengths = np.concatenate([self.lengths, lengths])
        flat = np.fromiter(itertools.chain.from_iterable(ids), self.ids.dtype, int(lengths.sum()))
        self.ids = np.concatenate([self.ids, flat])
