"""Tokens that were made elsewhere, mapped from disk or unpickled, and the tokenizer whose ids they are.

Letters: B batch, T context length, W windows.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from craft import platform
from craft.config.safe_pickle import names_in
from craft.config.schema.data import PickledData, TokensData
from craft.config.schema.tokenizer import (
    BPETokenizerConfig,
    CharTokenizerConfig,
    IdsTokenizerConfig,
    SentencePieceTokenizerConfig,
    TokenizerConfig,
)
from craft.config.token_cache import cache_dir
from craft.config.token_files import TokenFile, characters_beside, token_files
from craft.data.datasets import IGNORED, BaseDataset, Pair, TextDataset, Windows
from craft.data.tokenizers import CharTokenizer, IdsTokenizer, Tokenizer, train_tokenizer
from craft.errors import DataError, TokenizerError

Say = Callable[[str], None]
Tokens = NDArray[np.integer[Any]]
Rows = Sequence[Any] | Tokens
"""Rows of ids, or pairs of such; or an array (rows, columns)."""
Split = Callable[[Tokens, Tokenizer, str], dict[str, Windows]]
"""Cuts a row of tokens into splits by the definition's fractions; told what identifies it."""

# Tokens looked at together.
_BLOCK = 1 << 24


@dataclass(frozen=True)
class _Looked:
    """What going through a file told."""

    content: str
    """A sha256 of its bytes."""
    largest: int
    smallest: int
    place: int
    """Where the largest stands first."""


def prepare_token_files(
    data: TokensData, config: TokenizerConfig, say: Say, search: Path | None, split: Split
) -> tuple[Tokenizer, dict[str, Windows], str]:
    """The tokenizer, the splits, and a hash of the tokens. Raises DataError or TokenizerError.

    Every token is held against the vocabulary, once: what was found is kept while a file does not change.
    """
    files = token_files(data)
    looked = {name: _look(file, say) for name, file in files.items()}
    largest = max(found.largest for found in looked.values())
    tokenizer = _tokenizer(config, data.path, largest, search, characters_beside(data))
    for name, file in files.items():
        _check(file.file.path, looked[name], tokenizer)
    arrays = {
        name: np.memmap(file.file.path, dtype=file.dtype, mode="r", offset=file.offset, shape=file.shape)
        for name, file in files.items()
    }
    identity = hashlib.sha256(json.dumps([found.content for found in looked.values()]).encode()).hexdigest()
    length = data.context_length
    if any(array.ndim > 1 for array in arrays.values()):
        if "all" in arrays:
            return tokenizer, split_rows(arrays["all"], data, identity), identity
        rows = {
            name: PickledDataset(np.atleast_2d(array), length, identity=looked[name].content)
            for name, array in arrays.items()
        }
        return tokenizer, _with_windows(rows, data), identity
    if "all" in arrays:
        return tokenizer, split(arrays["all"], tokenizer, identity), identity
    splits: dict[str, Windows] = {}
    for name, array in arrays.items():
        if len(array) <= length:
            raise DataError(
                f"{files[name].file.path}: {len(array):,} tokens are too few for one window, which takes "
                f"data.context_length + 1 = {length + 1}; set data.context_length to {len(array) - 1} or less"
            )
        known = tokenizer.token_bytes()
        splits[name] = TextDataset(
            array, length, token_bytes=known if known.any() else None, identity=looked[name].content
        )
    return tokenizer, splits, identity


def _tokenizer(
    config: TokenizerConfig, place: str, largest: int, search: Path | None, characters: str | None = None
) -> Tokenizer:
    """Whose ids they are: those of the characters beside the files, else those that the definition names."""
    if isinstance(config, IdsTokenizerConfig):
        return IdsTokenizer(config.vocab_size or 1 + largest)
    if isinstance(config, CharTokenizerConfig) and characters is not None:
        return CharTokenizer(characters)
    if isinstance(config, CharTokenizerConfig) or (
        isinstance(config, BPETokenizerConfig | SentencePieceTokenizerConfig) and not config.path
    ):
        lacking = "no characters (nanoGPT's meta.pkl)" if config.type == "char" else "no text to learn pieces from"
        raise TokenizerError(
            f"{place}: {lacking} beside these tokens; name the tokenizer that made them, such as "
            'tokenizer = { type = "hf", path = "tokenizer.json" } or "byte", or train on the bare numbers with '
            'tokenizer.type = "ids"'
        )
    return train_tokenizer(config, (), search=search)


def _check(path: Path, found: _Looked, tokenizer: Tokenizer) -> None:
    if found.smallest < 0:
        raise DataError(f"{path}: it holds {found.smallest}, and ids begin at 0; set data.dtype if it is not this one")
    if found.largest >= tokenizer.vocab_size:
        raise DataError(
            f"{path}: token {found.place:,} is {found.largest:,}, outside the vocabulary of the {tokenizer.type} "
            f"tokenizer, whose ids run from 0 to {tokenizer.vocab_size - 1:,}; name the tokenizer that made these "
            "tokens, or set data.dtype if they are of another one"
        )


def _look(found: TokenFile, say: Say) -> _Looked:
    """Go through a file, unless that was done before and it has not changed since."""
    file = found.file
    key = f"{file.path}\0{file.size}\0{file.changed_ns}\0{file.inode}\0{found.dtype}"
    kept = cache_dir() / "token-files" / f"{hashlib.sha256(key.encode(errors='replace')).hexdigest()[:32]}.json"
    try:
        return _Looked(**json.loads(kept.read_bytes()))
    except (OSError, ValueError, TypeError):
        pass  # not gone through yet
    array = np.memmap(file.path, dtype=found.dtype, mode="r", offset=found.offset, shape=(found.num_tokens,))
    digest, largest, smallest, place = hashlib.sha256(), -1, 0, 0
    for start in range(0, len(array), _BLOCK):
        block = np.ascontiguousarray(array[start : start + _BLOCK])
        digest.update(block.data)
        if int(block.max()) > largest:
            place = start + int(block.argmax())
            largest = int(block.max())
        smallest = min(smallest, int(block.min()))
        say(f"looking through {file.path.name}: {(start + len(block)) / 1e6:,.0f} of {len(array) / 1e6:,.0f}M tokens")
    looked = _Looked(digest.hexdigest(), largest, smallest, place)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        platform.write_file_atomic(kept, json.dumps(looked.__dict__).encode())
    except OSError:
        pass  # a cache that cannot be written costs the time at each start
    return looked


# Rows -------------------------------------------------------------------------------------------------------------


class PickledDataset(BaseDataset):
    """Windows over rows of tokens that have nothing to do with each other.

    A row longer than T + 1 gives several windows, side by side; what is left of it, and a shorter row, is padded: its
    targets are IGNORED. A row may also be a pair of inputs and targets of one length.
    """

    def __init__(self, rows: Rows, context_length: int, *, identity: str = "") -> None:
        self.rows, self.context_length, self._identity = rows, context_length, identity
        lengths = (
            np.full(len(rows), rows.shape[1] - 1)  # not looked at: there may be millions on disk
            if isinstance(rows, np.ndarray)
            else np.array([len(_inputs(row)) for row in rows], dtype=np.int64)
        )
        # Windows before each row: a row of n inputs has n / T of them, rounded up.
        self._starts = np.concatenate([[0], np.cumsum(-(-lengths // context_length))])
        self._targets = int(lengths.sum())

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> Pair:
        if not 0 <= index < len(self):
            raise IndexError(index)
        inputs, targets = self.gather(np.array([index]), 0)
        return inputs[0], targets[0]

    @property
    def identity(self) -> str:
        """See `Windows`."""
        return f"{len(self.rows)} rows of {self._identity}"

    def num_windows(self, *, shuffled: bool) -> int:
        """See `Windows`."""
        return len(self)

    def gather(self, windows: NDArray[np.int64], draw: int) -> Pair:
        """See `Windows`; nothing is drawn."""
        length = self.context_length
        inputs = np.zeros((len(windows), length), dtype=np.int64)  # (B, T)
        targets = np.full_like(inputs, IGNORED)
        for place, window in enumerate(windows.tolist()):
            number = int(np.searchsorted(self._starts, window, side="right")) - 1
            start = (window - int(self._starts[number])) * length
            row = self.rows[number]
            given, wanted = _inputs(row)[start : start + length], _targets(row)[start : start + length]
            inputs[place, : len(given)], targets[place, : len(wanted)] = given, wanted
        return torch.from_numpy(inputs), torch.from_numpy(targets)

    @property
    def num_eval_windows(self) -> int:
        """See `Windows`."""
        return len(self)

    def eval_batch(self, start: int, stop: int) -> Pair:
        """See `Windows`."""
        return self.gather(np.arange(start, stop), 0)

    @property
    def num_target_tokens(self) -> int | None:
        """See `Windows`; pairs may leave targets out."""
        rows = () if isinstance(self.rows, np.ndarray) else self.rows
        return None if any(isinstance(row, tuple) for row in rows) else self._targets

    @property
    def num_target_bytes(self) -> int:
        """Nobody knows."""
        return 0


def _inputs(row: Any) -> Any:
    return row[0] if isinstance(row, tuple) else row[:-1]


def _targets(row: Any) -> Any:
    return row[1] if isinstance(row, tuple) else row[1:]


def split_rows(rows: Rows, data: PickledData | TokensData, identity: str) -> dict[str, Windows]:
    """Rows by the definition's fractions, in their order. Raises DataError when none is left to train on."""
    total = len(rows)
    val, test = (Fraction(str(fraction)) for fraction in (data.val_fraction, data.test_fraction))
    val_start, test_start = int(total * (1 - val - test)), int(total * (1 - test))
    bounds = {"train": (0, val_start), "val": (val_start, test_start), "test": (test_start, total)}
    splits = {
        name: PickledDataset(rows[start:stop], data.context_length, identity=f"{identity} from {start}")
        for name, (start, stop) in bounds.items()
    }
    return _with_windows(splits, data)


def _with_windows(splits: dict[str, PickledDataset], data: PickledData | TokensData) -> dict[str, Windows]:
    """The splits that are not empty. Raises DataError when none is left to train on."""
    if not len(splits["train"]):
        total = sum(len(split.rows) for split in splits.values())
        raise DataError(f"{data.path}: {total:,} rows of tokens leave nothing to train on")
    return {name: split for name, split in splits.items() if len(split)}


def prepare_pickle(
    data: PickledData, config: TokenizerConfig, search: Path | None
) -> tuple[Tokenizer, dict[str, Windows], str]:
    """The tokenizer, the splits, and a hash of the file. Raises DataError or TokenizerError.

    Nothing of the pickle is run unless the definition allows it.
    """
    path = Path(data.path).expanduser()
    if not data.allow_pickle:
        named = names_in(path)
        runs = f"this one names {', '.join(named[:4])}" if named else "this one names none, but the next may"
        raise DataError(
            f"{path}: a pickle is a program, and loading it runs the code that it names ({runs}); if you trust who "
            "made it, set data.allow_pickle = true. `craft data prepare` makes files of tokens that need no trust"
        )
    try:
        content = path.read_bytes()
        found = pickle.loads(content)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except Exception as error:  # loading runs somebody's code, which may raise anything
        raise DataError(f"{path}: not loaded: {type(error).__name__}: {error}") from error
    rows = _rows_of(found, path)
    inside = [ids[ids != IGNORED] for row in rows for ids in (row if isinstance(row, tuple) else (row,))]
    largest, smallest = max(int(ids.max(initial=0)) for ids in inside), min(int(ids.min(initial=0)) for ids in inside)
    looked = _Looked("", largest, smallest, 0)
    tokenizer = _tokenizer(config, str(path), largest, search)
    _check(path, looked, tokenizer)
    identity = hashlib.sha256(content).hexdigest()
    return tokenizer, split_rows(rows, data, identity), identity


def _rows_of(found: Any, path: Path) -> list[Any]:
    """Rows of ids as arrays, or pairs of such. Raises DataError naming the one that is something else."""
    if isinstance(found, np.ndarray | torch.Tensor):
        found = list(found)
    if not isinstance(found, list | tuple) or not len(found):
        raise DataError(f"{path}: it holds {type(found).__name__}; a list of rows of token ids is expected")
    rows: list[Any] = []
    for number, row in enumerate(found):
        parts = row if isinstance(row, tuple) and len(row) == 2 and np.ndim(row[0]) == 1 else (row,)
        ids = [_ids(part, f"{path}: row {number:,}") for part in parts]
        if len(ids) == 2 and len(ids[0]) != len(ids[1]):
            raise DataError(f"{path}: row {number:,} has {len(ids[0])} inputs and {len(ids[1])} targets")
        rows.append((ids[0], ids[1]) if len(ids) == 2 else ids[0])
    return rows


def _ids(part: Any, where: str) -> NDArray[np.int64]:
    try:
        ids = np.asarray(part)
    except Exception as error:  # whatever somebody's object does when it is looked at
        raise DataError(f"{where} is no row of token ids: {error}") from error
    if ids.ndim != 1 or ids.dtype.kind not in "iu" or ids.size < 2:
        raise DataError(f"{where} is {type(part).__name__}; a row is two or more whole numbers, the token ids")
    return ids.astype(np.int64)
