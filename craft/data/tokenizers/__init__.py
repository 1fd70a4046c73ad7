"""Tokenizers: `base.py` says what one is, and each other file holds one."""

from __future__ import annotations

import json
from pathlib import Path

from craft.config.schema.tokenizer import ByteTokenizerConfig, TokenizerConfig
from craft.data.tokenizers.base import FILE, Tokenizer
from craft.data.tokenizers.byte import ByteTokenizer
from craft.data.tokenizers.char import CharTokenizer
from craft.errors import TokenizerError

__all__ = ["ByteTokenizer", "CharTokenizer", "Tokenizer", "load_tokenizer", "train_tokenizer"]


def train_tokenizer(config: TokenizerConfig, text: str) -> Tokenizer:
    """The tokenizer that a `[tokenizer]` table describes, its vocabulary taken from `text`."""
    if isinstance(config, ByteTokenizerConfig):
        return ByteTokenizer()
    return CharTokenizer.train(text)


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read the `tokenizer.json` of a cache entry or a checkpoint. Raises TokenizerError when it is damaged."""
    file = folder / FILE
    try:
        state = json.loads(file.read_text(encoding="utf-8"))
        kind = state["type"]
        if kind == "char":
            return CharTokenizer(state["characters"])
        if kind == "byte":
            return ByteTokenizer()
    except OSError as error:
        raise TokenizerError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise TokenizerError(f"{file}: damaged: {error!r}") from error
    raise TokenizerError(f"{file}: a tokenizer of type {kind!r}, which this Craft does not know")
