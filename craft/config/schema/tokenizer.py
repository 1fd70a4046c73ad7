"""`[tokenizer]`: how text becomes numbers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Tag

from craft.config.schema.base import OwnCode, Section, type_tag


class CharTokenizerConfig(Section):
    """One token a character; the vocabulary is every character of the whole text, sorted by code point."""

    type: Literal["char"] = "char"


class ByteTokenizerConfig(Section):
    """One token a byte of UTF-8: 256 tokens, reads any text."""

    type: Literal["byte"] = "byte"


class OwnTokenizer(OwnCode):
    """A tokenizer of one's own: `module:Class`, a `Tokenizer`, made by its class method `train(texts, **arguments)`."""


TokenizerConfig = Annotated[
    Annotated[CharTokenizerConfig, Tag("char")]
    | Annotated[ByteTokenizerConfig, Tag("byte")]
    | Annotated[OwnTokenizer, Tag("module:Class")],
    Discriminator(type_tag),
]
