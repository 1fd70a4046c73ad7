"""Tokenizers: `base.py` says what one is, and each other file holds one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from craft.config.schema.tokenizer import ByteTokenizerConfig, CharTokenizerConfig, OwnTokenizer, TokenizerConfig
from craft.data.tokenizers.base import FILE, StreamDecoder, Tokenizer
from craft.data.tokenizers.byte import ByteTokenizer
from craft.data.tokenizers.char import CharTokenizer
from craft.errors import TokenizerError

__all__ = ["ByteTokenizer", "CharTokenizer", "StreamDecoder", "Tokenizer", "load_tokenizer", "train_tokenizer"]

_TYPES: dict[str, type[Tokenizer]] = {"byte": ByteTokenizer, "char": CharTokenizer}


def train_tokenizer(config: TokenizerConfig, texts: str | Iterable[str], *, search: Path | None = None) -> Tokenizer:
    """The tokenizer that a `[tokenizer]` table describes, its vocabulary taken from a text or several.

    search: the folder where a tokenizer of one's own is looked for first. Raises OwnCodeError for such a one.
    """
    match config:
        case ByteTokenizerConfig():
            return ByteTokenizer()
        case CharTokenizerConfig():
            return CharTokenizer.train(texts)
        case OwnTokenizer():
            raise NotImplementedError


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read the `tokenizer.json` of a cache entry or a checkpoint. Raises TokenizerError when it is damaged."""
    file = folder / FILE
    try:
        state = json.loads(file.read_bytes())
        kind = state["type"]
        if kind in _TYPES:
            return _TYPES[kind].from_state(state)
    except OSError as error:
        raise TokenizerError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TokenizerError(f"{file}: damaged: {error!r}") from error
    raise TokenizerError(f"{file}: a tokenizer of type {kind!r}, which this version of Craft does not know")
