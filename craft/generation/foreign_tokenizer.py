"""The tokenizer of a model that another program wrote, as its files have it, made to fit the model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from craft.config.token_files import read_characters
from craft.data.tokenizers import (
    CharTokenizer,
    HFTokenizer,
    IdsTokenizer,
    SentencePieceTokenizer,
    StreamDecoder,
    Tokenizer,
    load_tokenizer,
)
from craft.data.tokenizers.base import dtype_for
from craft.data.tokenizers.json_file import library
from craft.errors import CraftError, DataError, TokenizerError
from craft.models.foreign import read_json

_UP = 3  # folders above a file in which nanoGPT's data folder is looked for
_GPT2_SIZES = (50257, 50304)  # GPT-2's own, and nanoGPT's, which is filled up to a multiple of 64
_GPT2_ON_THE_HUB = ("openai-community/gpt2", "gpt2")

Encode = Callable[[str], list[int]]


class FittedTokenizer(Tokenizer):
    """Another tokenizer, with as many ids as the model has, and prompts as the model was trained on them.

    A model's vocabulary is often filled up beyond its tokenizer's: the ids in between stand for nothing.
    """

    type = "fitted"

    def __init__(self, inner: Tokenizer, vocab_size: int, encode_prompt: Encode | None = None) -> None:
        """encode_prompt: how a prompt becomes ids, with the sign for a text's beginning, where that is another way."""
        self.inner, self.vocab_size, self.lossy = inner, vocab_size, inner.lossy
        self._encode_prompt = encode_prompt or inner.encode

    def encode(self, text: str) -> list[int]:
        """The ids of a prompt. Raises TokenizerError for one that the model does not know."""
        ids = self._encode_prompt(text)
        self._known(np.asarray(ids, dtype=np.int64))
        return ids

    def encode_array(self, text: str) -> NDArray[np.integer[Any]]:
        """See the base class; nothing is put before the text."""
        return self._known(self.inner.encode_array(text)).astype(dtype_for(self.vocab_size))

    def _known(self, ids: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        if ids.size and int(ids.max()) >= self.vocab_size:
            token = int(ids.max())
            raise TokenizerError(
                f"the text holds {self.inner.piece(token)!r}, which is token {token:,}, and the model has "
                f"{self.vocab_size:,}; leave it out"
            )
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """See the base class; what stands for nothing is nothing."""
        return self.inner.decode([int(token) for token in self._as_ids(ids) if token < self.inner.vocab_size])

    def stream(self) -> StreamDecoder:
        """See the base class."""
        return _FittedStream(self)

    def piece(self, token: int) -> str:
        """See the base class."""
        return self.inner.piece(token) if token < self.inner.vocab_size else f"<{token}>"

    def token_bytes(self) -> NDArray[np.int64]:
        """See the base class."""
        sizes = np.zeros(self.vocab_size, dtype=np.int64)
        inner = self.inner.token_bytes()[: self.vocab_size]
        sizes[: len(inner)] = inner
        return sizes

    def state_dict(self) -> dict[str, Any]:
        """Not kept: it is made anew from the other program's files."""
        raise NotImplementedError("a tokenizer that was fitted to a model is not saved")

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> FittedTokenizer:
        """See `state_dict`."""
        raise NotImplementedError("a tokenizer that was fitted to a model is not saved")


class _FittedStream(StreamDecoder):
    def __init__(self, tokenizer: FittedTokenizer) -> None:
        super().__init__(tokenizer)
        self._inner = tokenizer.inner.stream()
        self._size = tokenizer.inner.vocab_size

    def push(self, token: int) -> str:
        self.tokenizer._as_ids([token])
        return self._inner.push(token) if token < self._size else ""

    def flush(self) -> str:
        return self._inner.flush()


# Hugging Face ------------------------------------------------------------------------------------------------------


def beside(folder: Path, vocab_size: int) -> Tokenizer | None:
    """The tokenizer whose files lie in a folder, for a model of `vocab_size`; None where there is none.

    Raises TokenizerError for one that does not load, or that is of another model.
    """
    content = read_json(folder / "tokenizer.json")
    if isinstance(content.get("type"), str):  # Craft's own
        return _fitted(load_tokenizer(folder), vocab_size, folder)
    if (folder / "tokenizer.json").exists():
        return _fitted(tokenizer := HFTokenizer.read(folder), vocab_size, folder, _as_the_library(folder, tokenizer))
    if (folder / "tokenizer.model").exists():
        pieces = SentencePieceTokenizer.read(folder / "tokenizer.model")
        return _fitted(pieces, vocab_size, folder, _as_the_pieces_are(folder, pieces))
    if (folder / "vocab.json").exists() and (folder / "merges.txt").exists():
        return _fitted(_of_gpt2s_files(folder), vocab_size, folder)
    return None


def _fitted(tokenizer: Tokenizer, vocab_size: int, where: Path, encode_prompt: Encode | None = None) -> Tokenizer:
    """The tokenizer with the model's number of ids."""
    texts = tokenizer.vocab_size
    if isinstance(tokenizer, HFTokenizer):  # signs that were added may lie beyond a model that never learnt them
        texts = library().Tokenizer.from_str(json.dumps(tokenizer.content)).get_vocab_size(with_added_tokens=False)
    if texts > vocab_size:
        raise TokenizerError(
            f"{where}: its tokenizer has {texts:,} tokens and its model {vocab_size:,}: they do not belong together"
        )
    if encode_prompt is None and tokenizer.vocab_size == vocab_size:
        return tokenizer
    return FittedTokenizer(tokenizer, vocab_size, encode_prompt)


def _as_the_library(folder: Path, tokenizer: HFTokenizer) -> Encode | None:
    """How the library encodes a prompt: with the signs that it puts before a text, but none after it; None where that
    is the same."""
    content = read_json(folder / "tokenizer.json")
    content = content.get("tokenizer", content)
    whole = library().Tokenizer.from_str(json.dumps({**content, "truncation": None, "padding": None}))
    empty = whole.encode("", add_special_tokens=True).ids
    if not empty and all(content.get(part) == tokenizer.content.get(part) for part in ("normalizer", "pre_tokenizer")):
        return None

    def encode(text: str) -> list[int]:
        tokenizer.encode_array(text)  # half a surrogate pair is refused there
        bare: list[int] = whole.encode(text, add_special_tokens=False).ids
        full: list[int] = whole.encode(text, add_special_tokens=True).ids
        before = next((i for i in range(len(full) - len(bare) + 1) if full[i : i + len(bare)] == bare), 0)
        return [*full[:before], *bare] if bare else empty[:1]

    return encode


def _as_the_pieces_are(folder: Path, tokenizer: SentencePieceTokenizer) -> Encode:
    """How the transformers library encodes a prompt by a `.model`: as that says, after a sign for the beginning."""
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor()
    processor.LoadFromSerializedProto(tokenizer.model)
    adds = read_json(folder / "tokenizer_config.json").get("add_bos_token", True)
    begin = [processor.bos_id()] if adds and processor.bos_id() >= 0 else []
    return lambda text: [*begin, *processor.EncodeAsIds(text)]


def _of_gpt2s_files(folder: Path) -> HFTokenizer:
    """GPT-2's BPE as its first files have it."""
    tokenizers = library()
    try:
        model = tokenizers.models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    except Exception as error:  # the library raises nothing narrower
        raise TokenizerError(f"{folder}: vocab.json and merges.txt do not load: {error}") from error
    whole = tokenizers.Tokenizer(model)
    whole.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    whole.decoder = tokenizers.decoders.ByteLevel()
    whole.add_special_tokens(["<|endoftext|>"])
    return HFTokenizer(json.loads(whole.to_str()))


# nanoGPT -----------------------------------------------------------------------------------------------------------


def of_nanogpt(file: Path, dataset: object, vocab_size: int) -> tuple[Tokenizer, str]:
    """The tokenizer of nanoGPT's checkpoint, and what a person should know of it, empty where all is well.

    dataset: what its config calls its data. Raises TokenizerError for a table of characters that does not load.
    """
    others = []
    for place in _tables(file, dataset):
        if not place.is_file():
            continue
        try:
            characters = read_characters(place)
        except DataError as error:
            raise TokenizerError(str(error)) from error
        if len(characters) == vocab_size:
            return CharTokenizer(characters), ""
        others.append(f"{place} has {len(characters):,} characters")
    why = f"the model has {vocab_size:,} tokens" + (f", and {', '.join(others)}" if others else "")
    if (near := beside(file.parent, vocab_size)) is not None:
        return near, ""
    if vocab_size in _GPT2_SIZES:
        if (found := _gpt2_on_this_machine()) is not None:
            return FittedTokenizer(found, vocab_size), ""
        return IdsTokenizer(vocab_size), (
            f"no tokenizer: {why}, which are GPT-2's; put GPT-2's tokenizer.json beside {file.name}. Until then a "
            "prompt is token ids with blanks between them, and so is what it writes"
        )
    name = f"data/{dataset}" if isinstance(dataset, str) and dataset else "its data's folder"
    return IdsTokenizer(vocab_size), (
        f"no tokenizer: {why}; put the meta.pkl of {name} beside {file.name}. Until then a prompt is token ids with "
        "blanks between them, and so is what it writes"
    )


def _tables(file: Path, dataset: object) -> list[Path]:
    """Where meta.pkl may lie: beside the file, or in nanoGPT's data folder near by."""
    places = [file.parent / "meta.pkl"]
    if isinstance(dataset, str) and dataset and Path(dataset).name == dataset:
        near = [*file.resolve().parents[: _UP + 1], Path.cwd()]
        places += [folder / "data" / dataset / "meta.pkl" for folder in near]
    return places


def _gpt2_on_this_machine() -> HFTokenizer | None:
    """GPT-2's tokenizer from the hub's cache, without asking the hub."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    for name in _GPT2_ON_THE_HUB:
        found = try_to_load_from_cache(name, "tokenizer.json")
        if isinstance(found, str):
            try:
                return HFTokenizer.read(Path(found))
            except CraftError:  # as good as none
                continue
    return None
