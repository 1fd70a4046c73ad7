"""From text to tokens, once: read, process, tokenize, keep; every later start maps the tokens from disk."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from craft import platform
from craft.config.corpus import Corpus, CorpusFacts, known_facts, open_corpus, remember_facts
from craft.config.schema import ExperimentConfig
from craft.config.schema.data import PythonDataset, TextData
from craft.config.token_cache import TokenMeta, cache_dir, entry_folder, read_meta, token_key
from craft.data.datasets import MapDataset, TextDataset, open_python_dataset
from craft.data.processors import process
from craft.data.tokenizers import Tokenizer, load_tokenizer, train_tokenizer
from craft.errors import DataError

Progress = Callable[[str], None]
"""Takes a line about what is being done; called at most a few times a second, and not at all when all is quick."""

# Documents of one corpus are set apart like paragraphs.
SEPARATOR = "\n\n"


@dataclass(frozen=True)
class PreparedData:
    """A corpus as training sees it."""

    tokenizer: Tokenizer
    splits: dict[str, MapDataset]
    """"train" always; "val" and "test" where the definition holds some out."""
    meta: TokenMeta | None
    """What is known of the tokens; None for a dataset of one's own."""

    @property
    def corpus_hash(self) -> str:
        """The sha256 of the text; of a dataset of one's own, "none"."""
        return self.meta.corpus_hash if self.meta else "none"


class _Gate:
    """Lets progress through once preparing has taken a second, and then four times a second at most."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress, self.next = progress, time.monotonic() + 1.0

    def say(self, line: str) -> None:
        if self.progress and time.monotonic() >= self.next:
            self.progress(line)
            self.next = time.monotonic() + 0.25


def prepare(config: ExperimentConfig, *, progress: Progress | None = None, search: Path | None = None) -> PreparedData:
    """The tokenizer and the splits of a definition; made once per text and tokenizer, also when two start together.

    `search` is the folder in which modules of one's own are looked for first. Raises DataError or TokenizerError.
    """
    data = config.data
    if isinstance(data, PythonDataset):
        return _prepare_python_dataset(config, data, search)
    with platform.import_path(search):
        tokens, tokenizer, meta = _tokens(config, data, _Gate(progress))
    return PreparedData(tokenizer, split_tokens(tokens, data, tokenizer), meta)


def _tokens(config: ExperimentConfig, data: TextData, gate: _Gate) -> tuple[Tensor, Tokenizer, TokenMeta]:
    corpus = open_corpus(data)  # type: ignore[arg-type]
    facts = known_facts(corpus)
    if facts:
        key = token_key(data, config.tokenizer, facts.content)
        if meta := read_meta(key):
            return _map(meta), load_tokenizer(meta.folder), meta
    lock = platform.FileLock(cache_dir() / "prepare.lock")
    try:
        lock.acquire(None)
    except OSError:
        pass  # a cache that cannot be written is no cache, and needs no lock
    try:
        facts = known_facts(corpus)  # another run may have made it while this one waited
        if facts and (meta := read_meta(token_key(data, config.tokenizer, facts.content))):
            return _map(meta), load_tokenizer(meta.folder), meta
        return _make(config, data, corpus, gate)
    finally:
        lock.release()


def _make(config: ExperimentConfig, data: TextData, corpus: Corpus, gate: _Gate) -> tuple[Tensor, Tokenizer, TokenMeta]:
    digest = hashlib.sha256()
    raw: list[str] = []
    num_bytes = 0
    for document in corpus.documents():
        content = document.encode()
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
        num_bytes += len(content)
        raw.append(document)
        gate.say(f"reading {corpus.source}: {num_bytes / 1e6:.1f} MB")
    facts = CorpusFacts(digest.hexdigest(), len(raw), num_bytes, len(corpus.files) - len(raw))
    documents = []
    for document in process(raw, data.processors):
        documents.append(document)
        gate.say(f"processing document {len(documents)} of {len(raw)}")
    text = SEPARATOR.join(documents)
    if not text:
        raise DataError(f"{corpus.source}: empty: there is no text to train on")
    gate.say(f"tokenizing {len(text) / 1e6:.1f} million characters")
    tokenizer = train_tokenizer(config.tokenizer, text)
    ids = tokenizer.encode_array(text)
    counts = np.bincount(ids, minlength=tokenizer.vocab_size)
    meta = TokenMeta(
        key=token_key(data, config.tokenizer, facts.content),
        num_tokens=len(ids),
        num_bytes=int(counts @ tokenizer.token_bytes()),
        num_documents=facts.num_documents,
        num_left_out=facts.num_left_out,
        vocab_size=tokenizer.vocab_size,
        corpus_hash=facts.content,
        dtype=str(ids.dtype),
        source=corpus.source,
    )
    try:
        _keep(meta, ids, tokenizer)
        remember_facts(corpus, facts)
    except OSError as error:
        if gate.progress:
            gate.progress(f"the tokens are not kept for the next start: {error.strerror}: {cache_dir()}")
    return torch.from_numpy(ids.copy() if not ids.flags.writeable else ids), tokenizer, meta


def _keep(meta: TokenMeta, ids: NDArray[np.integer[Any]], tokenizer: Tokenizer) -> None:
    """Write a cache entry beside its place and rename it there. Raises OSError with nothing half made left."""
    folder = entry_folder(meta.key)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        ids.tofile(partial / "tokens.bin")
        tokenizer.save(partial)
        (partial / "meta.json").write_bytes(meta.as_json())
        for name in ("tokens.bin", "tokenizer.json", "meta.json"):
            platform.fsync_file(partial / name)
        shutil.rmtree(folder, ignore_errors=True)  # damaged, or it would have been used
        platform.rename(partial, folder)
        platform.fsync_dir(folder.parent)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _map(meta: TokenMeta) -> Tensor:
    """The kept tokens, mapped from disk privately: pages come as they are needed, and writing is nobody's business."""
    mapped = np.memmap(meta.folder / "tokens.bin", dtype=meta.dtype, mode="c", shape=(meta.num_tokens,))
    return torch.from_numpy(mapped)


def split_tokens(tokens: Tensor, data: TextData, tokenizer: Tokenizer) -> dict[str, MapDataset]:
    """Train, validation and test parts in the order of the text. Raises DataError for one too short for a window."""
    total, length = len(tokens), data.context_length
    val_start = int(total * (1 - data.val_fraction - data.test_fraction))
    test_start = int(total * (1 - data.test_fraction)) if data.test_fraction else total
    bounds = {"train": (0, val_start), "val": (val_start, test_start), "test": (test_start, total)}
    token_bytes = torch.from_numpy(tokenizer.token_bytes())
    splits: dict[str, MapDataset] = {}
    for name, (start, stop) in bounds.items():
        fraction = {"train": 1.0, "val": data.val_fraction, "test": data.test_fraction}[name]
        if not fraction:
            continue
        if stop - start < 2 or (name == "train" and stop - start < length + 1):
            needed = f"data.{name}_fraction" if name != "train" else "data.context_length"
            raise DataError(
                f"the text has {total:,} tokens, which leaves {stop - start:,} for the {name} split, "
                f"and one window needs {length + 1 if name == 'train' else 2}; use a longer text, or change {needed}"
            )
        splits[name] = TextDataset(tokens[start:stop], length, token_bytes)
    return splits


def _prepare_python_dataset(config: ExperimentConfig, data: PythonDataset, search: Path | None) -> PreparedData:
    with platform.import_path(search):
        make = open_python_dataset(data)
        tokenizer = train_tokenizer(config.tokenizer, make.vocabulary_text(config.tokenizer))
        splits = {name: make.split(name, tokenizer) for name in ("train", "val")}
    return PreparedData(tokenizer, {name: split for name, split in splits.items() if len(split)}, None)
