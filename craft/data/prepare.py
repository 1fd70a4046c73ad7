"""From text to tokens, once: read, process, tokenize, keep; every later start finds the tokens in the cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from craft import platform
from craft.config.corpus import Corpus, CorpusFacts, SourceFile, open_corpus
from craft.config.reading import read_documents, take_facts
from craft.config.schema import ExperimentConfig
from craft.config.schema.data import HFData, PickledData, PythonDataset, SplitData, TextData, TokensData
from craft.config.schema.tokenizer import TokenizerConfig
from craft.config.token_cache import (
    TokenMeta,
    cache_dir,
    entry_folder,
    known_facts,
    read_meta,
    remember_facts,
    token_key,
)
from craft.data.datasets import TextDataset, Windows, count_tokens
from craft.data.own_dataset import prepare_own_dataset
from craft.data.processors import process
from craft.data.token_files import prepare_pickle, prepare_token_files
from craft.data.tokenizers import Tokenizer, load_tokenizer, train_tokenizer
from craft.data.tokenizers.base import dtype_for
from craft.errors import DataError, TokenizerError

Say = Callable[[str], None]

# What stands between two documents of a corpus. A file mostly ends its last line, so this leaves two lines empty,
# as Python's own style sets apart what stands at the top of a file.
SEPARATOR = "\n\n"
# Tokens of fewer bytes are read into memory: that takes milliseconds, and no page has to be faulted in later.
IN_MEMORY = 64 << 20

# How often a text is begun anew that changes while it is read.
_TRIES = 3

Tokens = NDArray[np.integer[Any]]
Found = tuple[Tokens, Tokenizer, TokenMeta]


@dataclass(frozen=True)
class PreparedData:
    """A corpus as training sees it."""

    tokenizer: Tokenizer
    splits: dict[str, Windows]
    """"train" always; "val" and "test" where the definition holds some out."""
    corpus_hash: str
    """A sha256 of the text; of a dataset of one's own, of its code and arguments."""
    meta: TokenMeta | None
    """What is known of the tokens; None for a dataset of one's own."""
    made: bool = True
    """Whether that was done now; otherwise it was found in the cache."""
    kept: bool = False
    """Whether the tokens lie in the cache."""


class _Gate:
    """Lets progress through once preparing has taken a second, and then four times a second at most."""

    def __init__(self, progress: Say | None) -> None:
        self.progress, self.next = progress, time.monotonic() + 1.0

    def say(self, line: str) -> None:
        if self.progress and time.monotonic() >= self.next:
            self.progress(line)
            self.next = time.monotonic() + 0.25


def prepare(
    config: ExperimentConfig,
    *,
    progress: Say | None = None,
    warn: Say | None = None,
    search: Path | None = None,
) -> PreparedData:
    """The tokenizer and the splits of a definition; made once per text and tokenizer, also when two start together.

    progress: takes a line about what is being done, at most four times a second, and none within the first second.
    warn: takes what a person should know, such as a cache that cannot be written; `progress` where it is not given.
    search: the folder where modules of one's own are looked for first. Raises DataError or TokenizerError.
    """
    data, gate = config.data, _Gate(progress)
    match data:
        case PythonDataset():
            tokenizer, splits, identity = prepare_own_dataset(data, config.tokenizer, search)
        case PickledData():
            tokenizer, splits, identity = prepare_pickle(data, config.tokenizer, search)
        case TokensData():

            def split(tokens: Tokens, tokenizer: Tokenizer, identity: str) -> dict[str, Windows]:
                return split_tokens(tokens, data, tokenizer, identity)

            tokenizer, splits, identity = prepare_token_files(data, config.tokenizer, gate.say, search, split)
        case _:
            preparation = _Preparation(data, config.tokenizer, search, gate, warn or progress or (lambda _: None))
            (tokens, tokenizer, meta), made, kept = preparation.run()
            splits = split_tokens(tokens, data, tokenizer, meta.tokens_hash)
            return PreparedData(tokenizer, splits, meta.corpus_hash, meta, made, kept)
    return PreparedData(tokenizer, splits, identity, None)


def create_dataset_from_config(
    config: ExperimentConfig, split: str = "train", *, search: Path | None = None
) -> Windows:
    """One split of a definition's data: "train", "val" or "test". Raises DataError when nothing is held out for it."""
    splits = prepare(config, search=search).splits
    if split not in splits:
        fractions = isinstance(config.data, SplitData)
        mend = f"set data.{split}_fraction above 0" if fractions else f"{config.data.type} has none"
        raise DataError(f"there is no {split} split; {mend}")
    return splits[split]


class _ChangedError(Exception):
    """A file changed between two passes over the text."""


class _Preparation:
    """One way from a definition to its tokens: the cache, or else the text."""

    def __init__(self, data: TextData, tokenizer: TokenizerConfig, search: Path | None, gate: _Gate, warn: Say) -> None:
        self.data, self.tokenizer_config, self.search, self.gate, self.warn = data, tokenizer, search, gate, warn
        self.corpus: Corpus = open_corpus(data)
        self.damaged: set[str] = set()
        self.num_documents = 0

    def run(self) -> tuple[Found, bool, bool]:
        """Tokens, tokenizer and metadata; whether they were made now, and whether they are kept."""
        if found := self.find():
            return found, False, True
        with self.alone():
            for _ in range(_TRIES):
                if found := self.find():
                    return found, False, True
                try:
                    return self.make()
                except _ChangedError:
                    self.corpus = open_corpus(self.data)
            raise DataError(f"{self.corpus.source}: it changes all the time while it is read; wait until it is whole")

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock under which this corpus is prepared. 256 of them, so that they do not grow in number."""
        lock = platform.FileLock(cache_dir() / "locks" / f"{self.corpus.signature()[:2]}.lock")
        try:
            # A cache that cannot be written has no lock either; then each process prepares for itself.
            with contextlib.suppress(OSError):
                while not lock.acquire(timeout=0.5):
                    self.gate.say("waiting for another process that prepares this text")
            yield
        finally:
            lock.release()

    def find(self) -> Found | None:
        """What the cache holds, if this corpus was read before and has not changed."""
        facts = known_facts(self.corpus)
        return self.load(self.key(facts)) if facts else None

    def key(self, facts: CorpusFacts) -> str:
        return token_key(self.data, self.tokenizer_config, facts.content, self.search)

    def load(self, key: str) -> Found | None:
        """A cache entry; None when there is none, or it is damaged, which is said once."""
        meta, damage = read_meta(key)
        if meta is not None:
            try:
                tokenizer = load_tokenizer(meta.path, search=self.search)
                tokens = read_tokens(meta)
            except (OSError, TokenizerError) as error:
                damage = str(error)
            else:
                in_memory = not isinstance(tokens, np.memmap)
                if tokenizer.vocab_size != meta.vocab_size or (in_memory and int(tokens.max()) >= meta.vocab_size):
                    damage = "its tokens do not fit its tokenizer"
                else:
                    return tokens, tokenizer, replace(meta, source=self.corpus.source)
        if damage and key not in self.damaged:
            self.damaged.add(key)
            self.warn(f"the kept tokens in {entry_folder(key)} are damaged and made again: {damage}")
        return None

    def make(self) -> tuple[Found, bool, bool]:
        """Read the text, and tokenize it unless the same content was tokenized before under another name.

        The text passes two or three times, in parts, and is never held as a whole.
        """
        facts = take_facts(self.corpus, self.progress("reading").advance)
        key = self.key(facts)
        if found := self.load(key):
            remember_facts(self.corpus, facts)
            return found, False, True
        tokenizer = train_tokenizer(self.tokenizer_config, self.text("collecting the vocabulary"), search=self.search)
        if tokenizer.lossy:
            self.warn(f"text does not come back from this tokenizer as it was: {tokenizer.lossy}")
        try:
            found = self.into_cache(key, facts, tokenizer)
        except OSError as error:
            self.warn(
                f"the tokens are not kept for the next start: {error.strerror}: {cache_dir()}; "
                "CRAFT_CACHE_DIR names another place"
            )
            parts: list[Tokens] = []
            meta = self.tokenize(key, facts, tokenizer, parts.append)
            return (np.concatenate(parts), tokenizer, meta), True, False
        remember_facts(self.corpus, facts)
        return found, True, True

    def into_cache(self, key: str, facts: CorpusFacts, tokenizer: Tokenizer) -> Found:
        """Tokenize into a cache entry, beside its place, and rename it there; nothing half made is left.

        Raises OSError when the cache cannot be written.
        """
        folder = entry_folder(key)
        for stale in folder.parent.glob(f".{key}.*"):  # of a process that was killed; the lock is ours
            shutil.rmtree(stale, ignore_errors=True)
        partial = folder.with_name(f".{key}.{os.getpid()}")
        try:
            partial.mkdir(parents=True)
            with (partial / "tokens.bin").open("wb") as file:
                meta = self.tokenize(key, facts, tokenizer, lambda tokens: file.write(tokens.data))
            tokenizer.save(partial)
            (partial / "meta.json").write_bytes(meta.as_json())
            for path in partial.iterdir():
                platform.fsync_file(path)
            platform.fsync_dir(partial)
            if folder.exists():
                shutil.rmtree(folder)  # damaged, or it would have been used
            platform.rename(partial, folder)
            platform.fsync_dir(folder.parent)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return read_tokens(meta), tokenizer, meta

    def tokenize(
        self, key: str, facts: CorpusFacts, tokenizer: Tokenizer, take: Callable[[Tokens], object]
    ) -> TokenMeta:
        """Give the tokens on, part by part, and tell what they amount to. Raises DataError when there are none."""
        dtype, digest = dtype_for(tokenizer.vocab_size), hashlib.sha256()
        counts = np.zeros(tokenizer.vocab_size, dtype=np.int64)
        for part in tokenizer.encode_parts(self.text("tokenizing")):
            tokens = np.ascontiguousarray(part, dtype=dtype)
            digest.update(tokens.data)
            counts += count_tokens(tokens, tokenizer.vocab_size)
            take(tokens)
        if any(SourceFile.look(file.path) != file for file in self.corpus.files):
            raise _ChangedError
        if not counts.any():
            why = "data.processors leave" if self.data.processors else "there is"
            raise DataError(f"{self.corpus.source}: {why} no text to train on")
        return TokenMeta(
            key=key,
            num_tokens=int(counts.sum()),
            num_bytes=int(counts @ tokenizer.token_bytes()),
            num_documents=self.num_documents,
            num_left_out=facts.num_left_out,
            vocab_size=tokenizer.vocab_size,
            corpus_hash=facts.content,
            dtype=str(dtype),
            source=self.corpus.source,
            tokens_hash=digest.hexdigest(),
        )

    def text(self, what: str) -> Iterator[str]:
        """The whole text in parts: documents after their processors, with the separator between them."""
        # Rows of a dataset are packed on disk, so nobody knows how much text is to come.
        progress, self.num_documents = self.progress(what, counted=not isinstance(self.data, HFData)), 0
        documents = read_documents(self.data, self.corpus, progress.advance)
        for document in process(documents, self.data.processors, self.search):
            begun = False
            for part in document:
                if part and not begun:
                    begun = True
                    if self.num_documents:
                        yield SEPARATOR
                    self.num_documents += 1
                if part:
                    yield part

    def progress(self, what: str, *, counted: bool = True) -> _Progress:
        """A new pass over the text."""
        limit = self.corpus.max_bytes or self.corpus.num_bytes
        return _Progress(self.gate, what, min(limit, self.corpus.num_bytes) if counted else 0)


class _Progress:
    """Bytes of a pass over the text, and how fast they go by."""

    def __init__(self, gate: _Gate, what: str, total: int) -> None:
        self.gate, self.what, self.total = gate, what, total
        self.done, self.started = 0, time.monotonic()

    def advance(self, num_bytes: int) -> None:
        """So many more."""
        self.done += num_bytes
        rate = self.done / 1e6 / max(time.monotonic() - self.started, 1e-9)
        of = f" of {self.total / 1e6:,.1f}" if self.total else ""
        self.gate.say(f"{self.what}: {self.done / 1e6:,.1f}{of} MB, {rate:,.0f} MB/s")


def read_tokens(meta: TokenMeta) -> Tokens:
    """The kept tokens: in memory when they are few, else mapped from disk, read as they are needed."""
    file = meta.path / "tokens.bin"
    if meta.num_tokens * np.dtype(meta.dtype).itemsize <= IN_MEMORY:
        return np.fromfile(file, dtype=meta.dtype)
    return np.memmap(file, dtype=meta.dtype, mode="r")


def split_tokens(tokens: Tokens, data: SplitData, tokenizer: Tokenizer, identity: str) -> dict[str, Windows]:
    """Train, validation and test parts in the order of the text. Raises DataError for one shorter than a window.

    The training part is `floor(n * (1 - val_fraction - test_fraction))` of n tokens, in exact arithmetic.
    """
    total, length = len(tokens), data.context_length
    val, test = (Fraction(str(fraction)) for fraction in (data.val_fraction, data.test_fraction))
    val_start, test_start = int(total * (1 - val - test)), int(total * (1 - test))
    bounds = {"train": (0, val_start), "val": (val_start, test_start), "test": (test_start, total)}
    shares = {"train": 1 - val - test, "val": val, "test": test}
    token_bytes = tokenizer.token_bytes()
    splits: dict[str, Windows] = {}
    for name, (start, stop) in bounds.items():
        if not shares[name]:
            continue
        if stop - start <= length:
            raise DataError(_too_short(name, stop - start, total, length, float(shares[name])))
        splits[name] = TextDataset(
            tokens[start:stop], length, token_bytes=token_bytes, identity=f"{identity} from {start}"
        )
    return splits


def _too_short(name: str, found: int, total: int, length: int, share: float) -> str:
    words = {"train": "training", "val": "validation", "test": "test"}[name]
    mends = [f"set data.context_length to {found - 1} or less"] if found >= 2 else []
    needed = (length + 1) / total
    if name != "train" and needed < 0.5:
        mends.append(f"data.{name}_fraction to {_round_up(needed)} or more")
    mends.append("use a longer text")
    return (
        f"the {words} split is too short: {found:,} of the text's {total:,} tokens ({share:.3g} of it), and one window "
        f"takes data.context_length + 1 = {length + 1}; {', or '.join(mends)}"
    )


def _round_up(fraction: float) -> float:
    """The next number with two significant digits."""
    digits = 2 - int(np.floor(np.log10(fraction))) - 1
    return float(np.ceil(fraction * 10**digits + 1e-9) / 10**digits)
