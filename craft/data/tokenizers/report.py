"""What a tokenizer makes of a text, in figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from craft.data.tokenizers.base import Tokenizer
from craft.errors import TokenizerError


@dataclass(frozen=True)
class TextFigures:
    """A text, token by token and in sum."""

    ids: list[int]
    num_bytes: int
    """Of the text as it is given, in UTF-8."""
    num_words: int
    """Runs of what is not blank."""
    num_used: int
    """Different tokens."""
    unknown: list[str]
    """Characters that do not come back, in the order in which they appear; those that cannot be read are left out."""

    @property
    def bytes_per_token(self) -> float | None:
        """None for a text without tokens."""
        return self.num_bytes / len(self.ids) if self.ids else None

    @property
    def tokens_per_word(self) -> float | None:
        """None for a text without words."""
        return len(self.ids) / self.num_words if self.num_words else None


def text_figures(tokenizer: Tokenizer, text: str) -> TextFigures:
    """Read a text with a tokenizer, also one that cannot read all of it."""
    unknown, refused = [], []
    for character in dict.fromkeys(text):
        try:
            if tokenizer.decode(tokenizer.encode(character)) != character:
                unknown.append(character)
        except TokenizerError:
            unknown.append(character)
            refused.append(character)
    ids = tokenizer.encode(text.translate(dict.fromkeys(map(ord, refused))))
    return TextFigures(ids, len(text.encode("utf-8", "replace")), len(text.split()), len(set(ids)), unknown)


def longest_tokens(tokenizer: Tokenizer, count: int) -> list[int]:
    """The tokens that stand for the most bytes, the longest first."""
    order = np.argsort(-tokenizer.token_bytes(), kind="stable")
    return [int(token) for token in order[:count]]
