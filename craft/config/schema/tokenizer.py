"""`[tokenizer]`: how text becomes numbers."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from craft.config.schema.base import Count, CountOrOff, OwnCode, Section, type_tag

# Of a tokenizer that is trained, where the definition names no size: small enough for a small model's embedding.
_TRAINED_SIZE = 2048

# The system's calls take no name with a zero byte.
FileNameOrNone = Annotated[str, Field(pattern=r"^[^\x00]*$")]


class CharTokenizerConfig(Section):
    """One token a character; the vocabulary is every character of the whole text, sorted by code point."""

    type: Literal["char"] = "char"


class ByteTokenizerConfig(Section):
    """One token a byte of UTF-8: 256 tokens, reads any text."""

    type: Literal["byte"] = "byte"


class _Trained(Section):
    """What tokenizers share whose pieces are learnt from the text, or read from a file."""

    vocab_size: CountOrOff = 0
    """Pieces; 0 is 2048 when they are learnt, and what the file at `path` has when they are read."""
    path: FileNameOrNone = ""
    """A file to read the pieces from instead of learning them; relative to the experiments file."""
    train_chars: Count = 10_000_000
    """Characters that the pieces are learnt from: of a longer text, parts spread evenly over it."""

    @property
    def size(self) -> int:
        """Pieces of a vocabulary that is learnt."""
        return self.vocab_size or _TRAINED_SIZE


class SentencePieceTokenizerConfig(_Trained):
    """Pieces of words that SentencePiece learns from the text, or reads from a `.model`."""

    type: Literal["sentencepiece"] = "sentencepiece"
    algorithm: Literal["unigram", "bpe"] = "unigram"
    """Learnt from likelihoods, taking pieces away; or by merging the commonest pairs."""
    character_coverage: Annotated[float, Field(ge=0.98, le=1.0)] = 0.9995
    """Share of the text whose characters become pieces of their own; the rest is written in bytes."""
    byte_fallback: bool = True
    """Write what has no piece in bytes, so that every text comes back; it takes 256 pieces. `false`: as unknown."""


class BPETokenizerConfig(_Trained):
    """Byte-level pairs, merged by the `tokenizers` library: reads any text; or a `tokenizer.json` made so."""

    type: Literal["bpe"] = "bpe"

    @model_validator(mode="after")
    def _hold_every_byte(self) -> Self:
        if 0 < self.vocab_size < 256:
            raise ValueError(f"vocab_size = {self.vocab_size} is too small: there are 256 bytes; use 256 or more")
        return self


class HFTokenizerConfig(Section):
    """A `tokenizer.json` of the `tokenizers` library, as models on Hugging Face's hub have."""

    type: Literal["hf"] = "hf"
    path: Annotated[str, Field(pattern=r"^[^\x00]+$")]
    """The file, or the folder that holds it; relative to the experiments file."""


class IdsTokenizerConfig(Section):
    """Numbers whose meaning nobody has written down: text is ids with blanks between them."""

    type: Literal["ids"] = "ids"
    vocab_size: CountOrOff = 0
    """How many ids there are; 0 is one more than the largest in the data."""


class OwnTokenizer(OwnCode):
    """A tokenizer of one's own: `module:Class`, a `Tokenizer`, made by its class method `train(texts, **arguments)`."""


TokenizerConfig = Annotated[
    Annotated[CharTokenizerConfig, Tag("char")]
    | Annotated[ByteTokenizerConfig, Tag("byte")]
    | Annotated[SentencePieceTokenizerConfig, Tag("sentencepiece")]
    | Annotated[BPETokenizerConfig, Tag("bpe")]
    | Annotated[HFTokenizerConfig, Tag("hf")]
    | Annotated[IdsTokenizerConfig, Tag("ids")]
    | Annotated[OwnTokenizer, Tag("module:Class")],
    Discriminator(type_tag),
]
