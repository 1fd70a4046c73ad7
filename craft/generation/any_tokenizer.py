"""Tokenizers of other libraries, asked as those of Craft: transformers', tokenizers', any with encode and decode.

Only what writing asks for: text to ids, and ids to text as they come.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from craft.data.tokenizers import StreamDecoder, Tokenizer
from craft.errors import TokenizerError, UsageError
from craft.generation.foreign_tokenizer import FittedTokenizer

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"


class AnyTokenizer:
    """Another library's tokenizer."""

    def __init__(self, inner: Any, vocab_size: int | None) -> None:
        """vocab_size: the model's, where it is known: a token beyond it has no place there."""
        self.inner, self.vocab_size = inner, vocab_size
        self.begin_token: int | None = getattr(inner, "bos_token_id", None)
        is_of_transformers = hasattr(inner, "all_special_ids")  # there signs are no text, and blanks may be taken out
        as_it_is = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
        self._as_it_is = as_it_is if is_of_transformers else {}

    def encode(self, text: str) -> list[int]:
        """The ids of a text. Raises TokenizerError."""
        try:
            found = self.inner.encode(text)
            found = getattr(found, "ids", found)
            found = found.tolist() if hasattr(found, "tolist") else list(found)
            ids = [int(token) for token in (found[0] if found and isinstance(found[0], list) else found)]
        except Exception as error:  # it is someone else's code, and refuses a text in its own way
            raise TokenizerError(f"the text cannot be encoded: {type(error).__name__}: {error}") from error
        if self.vocab_size is not None and ids and not 0 <= min(ids) <= max(ids) < self.vocab_size:
            token = next(token for token in ids if not 0 <= token < self.vocab_size)
            raise TokenizerError(f"the text holds token {token:,}, and the model has {self.vocab_size:,}")
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of some ids. Raises TokenizerError."""
        row = [int(token) for token in ids]
        try:
            return str(self.inner.decode(row, **self._as_it_is))
        except Exception as error:
            raise TokenizerError(f"token {row[-1:]} cannot be decoded: {type(error).__name__}: {error}") from error

    def piece(self, token: int) -> str:
        """What a token stands for."""
        return self.decode([token])

    def stream(self) -> _Stream:
        """A decoder for tokens that come one by one."""
        return _Stream(self)


class _Stream(StreamDecoder):
    """Decodes the newest tokens with those before them: what a token's text is may depend on its neighbour."""

    def __init__(self, tokenizer: AnyTokenizer) -> None:
        super().__init__(cast(Tokenizer, tokenizer))
        self._before: list[int] = []  # shown already
        self._new: list[int] = []

    def push(self, token: int) -> str:
        """See the base class."""
        self._new.append(token)
        text = self._text()
        if text.endswith(_UNFINISHED):
            return ""
        # What brings no text, as a sign that is left out, is no neighbour by itself.
        self._before, self._new = (self._new if text else [*self._before, *self._new]), []
        return text

    def flush(self) -> str:
        """See the base class."""
        text, self._new = self._text(), []
        return text

    def _text(self) -> str:
        shown = self.tokenizer.decode(self._before) if self._before else ""
        return self.tokenizer.decode([*self._before, *self._new])[len(shown) :] if self._new else ""


def as_tokenizer(tokenizer: Any, vocab_size: int | None) -> Tokenizer:
    """A tokenizer that can be asked as Craft's, for a model of `vocab_size`. Raises UsageError for what is none."""
    if isinstance(tokenizer, Tokenizer):
        if vocab_size is None or vocab_size == tokenizer.vocab_size:
            return tokenizer
        return FittedTokenizer(tokenizer, vocab_size)
    if not (callable(getattr(tokenizer, "encode", None)) and callable(getattr(tokenizer, "decode", None))):
        raise UsageError(f"a tokenizer has encode() and decode(), and this {type(tokenizer).__name__} has not")
    return cast(Tokenizer, AnyTokenizer(tokenizer, vocab_size))
