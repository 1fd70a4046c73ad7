"""`[tokenizer]`: how text becomes numbers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from craft.config.schema.base import Section


class CharTokenizerConfig(Section):
    """One token a character; the vocabulary is every character of the whole text, sorted by code point."""

    type: Literal["char"] = "char"


class ByteTokenizerConfig(Section):
    """One token a byte of UTF-8: 256 tokens, reads any text."""

    type: Literal["byte"] = "byte"


TokenizerConfig = Annotated[CharTokenizerConfig | ByteTokenizerConfig, Field(discriminator="type")]
