"""A `tokenizer.json` of the `tokenizers` library: what each of its tokens stands for, in bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from craft.errors import CraftError, TokenizerError

_BLANK = "\N{LOWER ONE EIGHTH BLOCK}"  # U+2581, what pieces of SentencePiece's kind have for a blank


def library() -> ModuleType:
    """The `tokenizers` library. Raises CraftError naming the extra that brings it."""
    try:
        import tokenizers
    except ImportError as error:
        raise CraftError(
            "tokenizers of the types bpe and hf need the library 'tokenizers', which is not installed: "
            "pip install 'craft-workbench[hf]'"
        ) from error
    return tokenizers


def byte_letters() -> dict[str, int]:
    """The byte that each letter of a byte-level piece stands for.

    Printable bytes of Latin-1 are themselves; the others, in order, are the characters from U+0100.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


def read_json(path: Path) -> dict[str, Any]:
    """The content of a `tokenizer.json`, or of the one in a folder. Raises TokenizerError."""
    if path.is_dir():
        path = path / "tokenizer.json"
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise TokenizerError(f"tokenizer.path: {path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        hint = '; a .model is read with tokenizer.type = "sentencepiece"' if path.suffix == ".model" else ""
        raise TokenizerError(f"tokenizer.path: {path}: no tokenizer.json: it is not JSON{hint}") from error
    if isinstance(content, dict) and isinstance(content.get("tokenizer"), dict):
        content = content["tokenizer"]  # a checkpoint's
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        raise TokenizerError(f"tokenizer.path: {path}: no tokenizer.json of the tokenizers library: it has no model")
    return content


def _steps(part: Any) -> Iterator[dict[str, Any]]:
    """A normalizer, pre-tokenizer or decoder, or those in a sequence of them."""
    if isinstance(part, dict):
        inside = next((part[key] for key in ("normalizers", "pretokenizers", "decoders") if key in part), None)
        if inside is None:
            yield part
        for step in inside or ():
            yield from _steps(step)


def without_prefix(content: dict[str, Any]) -> dict[str, Any]:
    """The same, but that puts no blank before a text: text is read in blocks, where each would have one too many.

    Nor does it cut text short or fill it up, as is stored for a model's own use.
    """

    def changed(part: Any) -> Any:
        if isinstance(part, list):
            return [changed(step) for step in part if not (isinstance(step, dict) and step.get("type") == "Prepend")]
        if not isinstance(part, dict):
            return part
        part = {key: changed(value) for key, value in part.items()}
        if "add_prefix_space" in part:
            part["add_prefix_space"] = False
        if "prepend_scheme" in part:
            part["prepend_scheme"] = "never"
        return part

    normalizer = changed(content.get("normalizer"))
    if isinstance(normalizer, dict) and normalizer.get("type") == "Prepend":
        normalizer = None
    pre_tokenizer = changed(content.get("pre_tokenizer"))
    own = {"normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "truncation": None, "padding": None}
    return content | own


class Meaning:
    """What the tokens of a `tokenizer.json` stand for, and what of a text it loses."""

    def __init__(self, content: dict[str, Any]) -> None:
        model, decoders = content["model"], list(_steps(content.get("decoder")))
        kinds = {step.get("type") for step in (*decoders, *_steps(content.get("pre_tokenizer")))}
        self._letters = byte_letters() if "ByteLevel" in kinds else {}
        self._marks_blanks = not self._letters and bool(
            "Metaspace" in kinds
            or any(step.get("content") == " " for step in decoders if step.get("type") == "Replace")
        )
        self._in_bytes = bool(model.get("byte_fallback")) and "ByteFallback" in kinds
        self._joins = str(model.get("continuing_subword_prefix") or "##") if model.get("type") == "WordPiece" else None
        self._unknown = model.get("unk_token")
        if isinstance(model.get("unk_id"), int):
            self._unknown = model["vocab"][model["unk_id"]][0]
        self.lossy = self._losses(content, kinds)

    def _losses(self, content: dict[str, Any], kinds: set[Any]) -> str:
        normalizers = [
            step
            for step in _steps(content.get("normalizer"))
            if not (step.get("type") == "Replace" and step.get("content") == _BLANK)
        ]
        losses = (
            [f"it normalises text ({', '.join(str(step.get('type')) for step in normalizers)})"] if normalizers else []
        )
        if self._marks_blanks:
            losses.append("U+2581 becomes a blank")
        elif not self._letters:
            losses.append("it does not keep blanks")
        if not (self._letters or self._in_bytes):
            losses.append("a character without a piece becomes U+FFFD")
        return " and ".join(losses)

    def bytes_of(self, piece: str, *, is_added: bool = False) -> bytes:
        """What a piece of the vocabulary stands for; an added one stands for itself, and is matched as a whole."""
        if piece == self._unknown and not self._letters:
            return "\N{REPLACEMENT CHARACTER}".encode()
        if is_added:
            return piece.encode()
        if self._letters:
            # A piece with other letters cannot come from a text.
            return bytes(self._letters[letter] for letter in piece if letter in self._letters)
        if self._in_bytes and re.fullmatch("<0x[0-9A-Fa-f]{2}>", piece):
            return bytes([int(piece[3:5], 16)])
        if self._joins is not None:
            return (piece.removeprefix(self._joins) if piece.startswith(self._joins) else f" {piece}").encode()
        return (piece.replace(_BLANK, " ") if self._marks_blanks else piece).encode()
