"""Tokenizers: `base.py` says what one is, and each other file holds one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from craft.config.schema.tokenizer import (
    BPETokenizerConfig,
    ByteTokenizerConfig,
    CharTokenizerConfig,
    HFTokenizerConfig,
    IdsTokenizerConfig,
    OwnTokenizer,
    SentencePieceTokenizerConfig,
    TokenizerConfig,
)
from craft.data.tokenizers.base import FILE, StreamDecoder, Tokenizer
from craft.data.tokenizers.bpe import BPETokenizer
from craft.data.tokenizers.byte import ByteTokenizer
from craft.data.tokenizers.char import CharTokenizer
from craft.data.tokenizers.hf import HFTokenizer
from craft.data.tokenizers.ids import IdsTokenizer
from craft.data.tokenizers.own import load_own, train_own
from craft.data.tokenizers.sentencepiece import SentencePieceTokenizer
from craft.errors import TokenizerError

__all__ = [
    "BPETokenizer",
    "ByteTokenizer",
    "CharTokenizer",
    "HFTokenizer",
    "IdsTokenizer",
    "SentencePieceTokenizer",
    "StreamDecoder",
    "Tokenizer",
    "load_tokenizer",
    "train_tokenizer",
]

_TYPES: dict[str, type[Tokenizer]] = {
    cls.type: cls
    for cls in (ByteTokenizer, CharTokenizer, SentencePieceTokenizer, BPETokenizer, HFTokenizer, IdsTokenizer)
}


def train_tokenizer(config: TokenizerConfig, texts: str | Iterable[str], *, search: Path | None = None) -> Tokenizer:
    """The tokenizer that a `[tokenizer]` table describes, its vocabulary taken from a text or several.

    Texts are read once, and only where something is learnt from them. search: the folder where a tokenizer of one's
    own is looked for first. Raises TokenizerError, or OwnCodeError for such a one.
    """
    match config:
        case ByteTokenizerConfig():
            return ByteTokenizer()
        case CharTokenizerConfig():
            return CharTokenizer.train(texts)
        case SentencePieceTokenizerConfig():
            return (
                _of_size(SentencePieceTokenizer.read(Path(config.path)), config)
                if config.path
                else (SentencePieceTokenizer.train(texts, config))
            )
        case BPETokenizerConfig():
            return (
                _of_size(BPETokenizer.read(Path(config.path)), config)
                if config.path
                else (BPETokenizer.train(texts, config))
            )
        case HFTokenizerConfig():
            return HFTokenizer.read(Path(config.path))
        case IdsTokenizerConfig():
            raise TokenizerError(
                'tokenizer.type = "ids" is for tokens that were made elsewhere (data.type = "tokens" or "pickled"); '
                'a text needs another, such as "char" or "byte"'
            )
        case OwnTokenizer():
            return train_own(config, [texts] if isinstance(texts, str) else texts, search)


def _of_size(tokenizer: Tokenizer, config: SentencePieceTokenizerConfig | BPETokenizerConfig) -> Tokenizer:
    """The tokenizer, if it has the size that the definition names."""
    if config.vocab_size not in (0, tokenizer.vocab_size):
        raise TokenizerError(
            f"tokenizer.path: {config.path} has {tokenizer.vocab_size:,} pieces, and tokenizer.vocab_size says "
            f"{config.vocab_size:,}; leave vocab_size out, or leave path out to learn that many"
        )
    return tokenizer


def load_tokenizer(folder: Path, *, search: Path | None = None) -> Tokenizer:
    """Read the `tokenizer.json` of a cache entry or a checkpoint. Raises TokenizerError when it is damaged.

    search: the folder where a tokenizer of one's own is looked for first. Raises OwnCodeError for such a one.
    """
    file = folder / FILE
    try:
        state = json.loads(file.read_bytes())
        kind = state["type"]
        if ":" in kind:
            return load_own(kind, state, search)
        if kind in _TYPES:
            return _TYPES[kind].from_state(state)
    except OSError as error:
        raise TokenizerError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TokenizerError(f"{file}: damaged: {error!r}") from error
    raise TokenizerError(f"{file}: a tokenizer of type {kind!r}, which this version of Craft does not know")
