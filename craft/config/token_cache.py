"""Where prepared tokens lie, and what is known of them without reading them. Free of torch.

A cache entry is a folder `tokens/KEY` with `tokens.bin`, `tokenizer.json` and `meta.json`; the key is a hash of the
text's content, the processors and the tokenizer, so an entry never goes stale.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from craft import platform
from craft.config.schema.data import DataConfig, PythonDataset, TextData
from craft.config.schema.tokenizer import ByteTokenizerConfig, TokenizerConfig
from craft.errors import CraftError

# Part of every key: raise it when the same text and tokenizer would give other tokens.
CACHE_FORMAT = 1


def cache_dir() -> Path:
    """The user's cache: $CRAFT_CACHE_DIR, else the platform's own place."""
    if own := os.environ.get("CRAFT_CACHE_DIR"):
        return Path(own)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "craft"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "craft"


def write_cache_file(path: Path, content: bytes) -> None:
    """Keep something that could be made again; a cache that cannot be written costs time only."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        platform.write_file_atomic(path, content)


@dataclass(frozen=True)
class TokenMeta:
    """What is known of prepared tokens."""

    key: str
    num_tokens: int
    num_bytes: int
    """Bytes of UTF-8 that the tokens stand for."""
    num_documents: int
    num_left_out: int
    vocab_size: int
    corpus_hash: str
    dtype: str
    source: str

    @property
    def folder(self) -> Path:
        """The cache entry."""
        return entry_folder(self.key)

    def as_json(self) -> bytes:
        """The text of `meta.json`."""
        return json.dumps(asdict(self), indent=1).encode()


def entry_folder(key: str) -> Path:
    """Where the tokens of a key lie."""
    return cache_dir() / "tokens" / key


def token_key(data: TextData, tokenizer: TokenizerConfig, content: str) -> str:
    """The key of a text's tokens: content, processors (their source, where they are a person's own), tokenizer."""
    processors = [f"{name} {_source_hash(name)}" if ":" in name else name for name in data.processors]
    parts = [CACHE_FORMAT, content, processors, tokenizer.model_dump()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _source_hash(reference: str) -> str:
    module = reference.partition(":")[0]
    with contextlib.suppress(ImportError, ValueError, OSError):
        found = importlib.util.find_spec(module)
        if found and found.origin:
            return hashlib.sha256(Path(found.origin).read_bytes()).hexdigest()
    return "unknown"


def read_meta(key: str) -> TokenMeta | None:
    """The metadata of a cache entry whose sizes hold; None when there is none or it is damaged."""
    folder = entry_folder(key)
    try:
        meta = TokenMeta(**json.loads((folder / "meta.json").read_bytes()))
        width = {"uint8": 1, "uint16": 2, "int32": 4}[meta.dtype]
        whole = (folder / "tokens.bin").stat().st_size == meta.num_tokens * width
        whole = whole and (folder / "tokenizer.json").stat().st_size > 0
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return meta if whole and meta.key == key else None


def find_tokens(data: DataConfig, tokenizer: TokenizerConfig) -> TokenMeta | None:
    """What is known of a definition's tokens; None while they are not prepared, or the text cannot be found."""
    if isinstance(data, PythonDataset):
        return None
    from craft.config.corpus import known_facts, open_corpus

    try:
        facts = known_facts(open_corpus(data))
    except (CraftError, OSError):
        return None
    return read_meta(token_key(data, tokenizer, facts.content)) if facts else None


def expected_vocab_range(tokenizer: TokenizerConfig) -> tuple[int, int]:
    """Smallest and largest vocabulary to expect of a tokenizer whose text was not read yet."""
    if isinstance(tokenizer, ByteTokenizerConfig):
        return (256, 256)
    return (64, 256)  # letters, digits and signs of one language, up to several
