"""Prepared tokens as files of their own, which `data.type = "tokens"` and nanoGPT read."""

from __future__ import annotations

import os
import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from craft import platform
from craft.data.datasets import TextDataset, Windows
from craft.data.tokenizers import CharTokenizer, Tokenizer
from craft.errors import DataError, UsageError

# Tokens written at once.
_BLOCK = 1 << 22


@dataclass(frozen=True)
class WrittenTokens:
    """What was written."""

    folder: Path
    tokens: dict[str, tuple[str, int]]
    """By split: the file's name, and its tokens."""
    vocabulary: str
    """The name of the file with the vocabulary; empty where it needs none."""
    dtype: str
    num_bytes: int
    """Of all files."""


def write_tokens(splits: dict[str, Windows], tokenizer: Tokenizer, folder: Path) -> WrittenTokens:
    """Write each split, and the vocabulary, into a new folder; it appears when it is whole.

    Tokens are uint16 in `train.bin`, as nanoGPT writes them, or uint32 in `train.npy` where the vocabulary is larger.
    Characters stand in nanoGPT's `meta.pkl`, learnt pieces in the file of their library. Raises UsageError when
    something is there already, and DataError for what is no row of tokens, or when it cannot be written.
    """
    rows = {name: split.tokens for name, split in splits.items() if isinstance(split, TextDataset)}
    if len(rows) < len(splits):
        raise DataError("only tokens of a text can be written: these are sequences by themselves")
    if tokenizer.reference:
        raise UsageError(
            f"a definition can name no file for {tokenizer.reference}, so nobody could read these tokens; name a "
            "tokenizer of another type"
        )
    require_new(folder)
    folder = folder.absolute()
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    dtype = "uint16" if tokenizer.vocab_size <= 1 << 16 else "uint32"
    try:
        partial.mkdir(parents=True)
        written = {name: (_write(partial, name, tokens, dtype), len(tokens)) for name, tokens in rows.items()}
        vocabulary = _write_vocabulary(partial, tokenizer)
        size = 0
        for path in partial.iterdir():
            platform.fsync_file(path)
            size += path.stat().st_size
        platform.fsync_dir(partial)
        platform.rename(partial, folder)
        platform.fsync_dir(folder.parent)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return WrittenTokens(folder, written, vocabulary, dtype, size)


def require_new(folder: Path) -> None:
    """Raises UsageError when something stands where tokens are to be written."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already; take it away, or name another folder")


def _write(folder: Path, split: str, tokens: NDArray[np.integer[Any]], dtype: str) -> str:
    """Write one split, block by block; gives the file's name."""
    name = f"{split}.{'bin' if dtype == 'uint16' else 'npy'}"
    kind = np.dtype(dtype).newbyteorder("<")
    with (folder / name).open("wb") as file:
        if dtype != "uint16":
            header = {"descr": kind.str, "fortran_order": False, "shape": (len(tokens),)}
            np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(tokens), _BLOCK):
            file.write(tokens[start : start + _BLOCK].astype(kind).data)
    return name


def _write_vocabulary(folder: Path, tokenizer: Tokenizer) -> str:
    if isinstance(tokenizer, CharTokenizer):
        # A pickle, since nanoGPT reads no other; plain values only, which Craft reads without running anything.
        itos = dict(enumerate(tokenizer.characters))
        meta = {"vocab_size": tokenizer.vocab_size, "itos": itos, "stoi": {c: number for number, c in itos.items()}}
        (folder / "meta.pkl").write_bytes(pickle.dumps(meta))
        return "meta.pkl"
    file = tokenizer.export(folder)
    return file.name if file else ""
