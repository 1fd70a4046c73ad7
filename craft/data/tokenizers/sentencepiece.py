"""Pieces of words by the SentencePiece library, without what it loses.

By itself the library drops blanks, puts one in front, normalises, and uses U+2581 for a blank, which then cannot be
told from that character. Here models are trained and run without any of it, U+2581 in the text goes past the model,
and text is put together again from the bytes of each piece, not by the library.
"""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
from numpy.typing import NDArray

from craft.config.schema.tokenizer import SentencePieceTokenizerConfig
from craft.data.tokenizers.base import dtype_for, utf8
from craft.data.tokenizers.blocks import blocks, spread
from craft.data.tokenizers.pieces import PieceTokenizer
from craft.errors import TokenizerError

_BLANK = "\N{LOWER ONE EIGHTH BLOCK}"  # U+2581, what pieces have for a blank
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
# The trainer passes over lines with its own signs in them, and over long ones.
_CUT = re.compile("[\n\u2581\u2585]")
_LONGEST = 1000  # characters; the trainer's limit is 4,192 bytes
# In a model's file the normaliser is field 3; what is appended wins: add_dummy_prefix (3) and
# remove_extra_whitespaces (4) are off. Text is read in blocks, so a blank before each would be one too many.
_AS_IT_IS = bytes([3 << 3 | 2, 4, 3 << 3, 0, 4 << 3, 0])
# Sums over threads are rounded in their order: a number of threads that no machine changes gives all the same pieces.
_TRAINING_THREADS = 8
# Characters given to the library at once: many such are shared out over threads, and few keep its sums exact, which
# decide between ways to split that are as likely as each other.
_AT_ONCE = 1 << 12


class SentencePieceTokenizer(PieceTokenizer):
    """A SentencePiece model, learnt from text or read from a `.model`."""

    type = "sentencepiece"

    def __init__(self, model: bytes) -> None:
        """model: the content of a `.model`. Raises TokenizerError when it is none."""
        processor = sentencepiece.SentencePieceProcessor()
        try:
            processor.LoadFromSerializedProto(model + _AS_IT_IS)
        except RuntimeError as error:
            raise TokenizerError("not a SentencePiece model") from error
        self.model, self._processor = model, processor
        self._marks_blanks = processor.Normalize(" ") == _BLANK
        size = processor.GetPieceSize()
        in_bytes = {processor.IdToPiece(token): token for token in range(size) if processor.IsByte(token)}
        super().__init__(
            [self._bytes_of(token) for token in range(size)],
            {token: processor.IdToPiece(token) for token in range(size) if self._is_sign(token)},
            self._losses(bool(in_bytes)),
        )
        spelled = [in_bytes.get(f"<0x{byte:02X}>", processor.unk_id()) for byte in _BLANK.encode()]
        self._blank_sign = np.array(spelled if in_bytes else spelled[:1], dtype=np.int32)

    @classmethod
    def train(
        cls, texts: str | Iterable[str], config: SentencePieceTokenizerConfig | None = None
    ) -> SentencePieceTokenizer:
        """Learn pieces from a text. Raises TokenizerError naming the sizes of vocabulary that it allows."""
        config = config or SentencePieceTokenizerConfig()
        sample = spread([texts] if isinstance(texts, str) else texts, config.train_chars)
        if not any(map(str.strip, sample)):
            raise TokenizerError("there is no text to learn pieces from")
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.Train(
                sentence_iterator=_sentences(sample),
                model_writer=model,
                model_type=config.algorithm,
                vocab_size=config.size,
                character_coverage=config.character_coverage,
                byte_fallback=config.byte_fallback,
                # Lines come without their ends. With bytes a line's end is one of them.
                required_chars="" if config.byte_fallback else "\n",
                normalization_rule_name="identity",
                add_dummy_prefix=False,
                remove_extra_whitespaces=False,
                allow_whitespace_only_pieces=True,  # indentation
                bos_id=-1,
                eos_id=-1,
                pad_id=-1,
                num_threads=_TRAINING_THREADS,
                minloglevel=3,
            )
        except RuntimeError as error:
            raise TokenizerError(_why_not(str(error), config)) from error
        return cls(model.getvalue())

    @classmethod
    def read(cls, path: Path) -> SentencePieceTokenizer:
        """A `.model`. Raises TokenizerError for one that is none, or lossy with a reason in `lossy`."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise TokenizerError(f"tokenizer.path: {path}: cannot be read: {error.strerror}") from error
        try:
            return cls(content)
        except TokenizerError as error:
            raise TokenizerError(
                f'tokenizer.path: {path}: {error}; a tokenizer.json is read with tokenizer.type = "hf"'
            ) from error

    def encode_array(self, text: str) -> NDArray[np.integer[Any]]:
        """See the base class; the whole of a long text is shared out over threads."""
        utf8(text)
        if _BLANK in text and self._marks_blanks:
            first, *others = (self._encode(part) for part in text.split(_BLANK))
            rows = [first, *(row for other in others for row in (self._blank_sign, other))]
            ids = np.concatenate(rows)
        else:
            ids = self._encode(text)
        return ids.astype(dtype_for(self.vocab_size))

    def _encode(self, text: str) -> NDArray[np.int32]:
        if len(text) <= _AT_ONCE:
            found: NDArray[np.int32] = self._processor.EncodeAsNumpy(text)
            return found
        parts = list(blocks([text], _AT_ONCE))
        return np.concatenate(self._processor.EncodeAsNumpy(parts, num_threads=os.cpu_count() or 1))

    def state_dict(self) -> dict[str, Any]:
        """The model's file in base64."""
        return {"model": base64.b64encode(self.model).decode()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> SentencePieceTokenizer:
        """See the base class."""
        try:
            return cls(base64.b64decode(state["model"], validate=True))
        except TokenizerError as error:
            raise ValueError(str(error)) from error

    def export(self, folder: Path) -> Path:
        """Write `tokenizer.model`."""
        file = folder / "tokenizer.model"
        file.write_bytes(self.model)
        return file

    def _is_sign(self, token: int) -> bool:
        return bool(self._processor.IsControl(token) or self._processor.IsUnknown(token))

    def _bytes_of(self, token: int) -> bytes:
        """What a piece stands for."""
        piece: str = self._processor.IdToPiece(token)
        if self._processor.IsByte(token):
            return bytes([int(piece[1:-1], 16)])
        if self._processor.IsUnknown(token):
            return _UNKNOWN.encode()
        if self._processor.IsControl(token):
            return b""
        return (piece.replace(_BLANK, " ") if self._marks_blanks else piece).encode()

    def _losses(self, has_bytes: bool) -> str:
        """Looks at what the model does to text that others are known to change."""
        probe = "a\u0300 \ufb01 \u2460 \uff21\t\u3000"  # composed by NFC; written otherwise by NFKC
        losses = []
        if self._processor.Normalize(probe) != (probe.replace(" ", _BLANK) if self._marks_blanks else probe):
            losses.append("it normalises text")
        if not has_bytes:
            losses.append("a character without a piece becomes U+FFFD")
        return " and ".join(losses)


def _sentences(texts: Iterable[str]) -> Iterator[str]:
    """Lines, or what the trainer takes of them."""
    for text in texts:
        for line in _CUT.split(text):
            for start in range(0, len(line), _LONGEST):
                yield line[start : start + _LONGEST]


def _why_not(error: str, config: SentencePieceTokenizerConfig) -> str:
    """The library's complaint in terms of the settings."""
    asked = f"tokenizer.vocab_size = {config.size:,}"
    if found := re.search(r"too high \(\d+\)\. Please set it to a value <= (\d+)", error):
        largest = int(found[1])
        return (
            f"{asked} is more than this text allows: at most {largest:,} pieces can be learnt from it; "
            f"set tokenizer.vocab_size to {largest} or less, or take a longer text"
        )
    if found := re.search(r"smaller than required_chars\. \d+ vs (\d+)", error):
        what = "256 bytes and its characters" if config.byte_fallback else "its characters"
        return (
            f"{asked} is too small for this text: {what} need {int(found[1]):,}; set tokenizer.vocab_size to "
            f"{found[1]} or more, or tokenizer.character_coverage lower"
        )
    reason = error.rpartition("] ")[2].strip() or "it gave no reason"
    return f"{asked}: SentencePiece cannot learn pieces from this text: {reason}"
