"""Where prepared tokens lie, and what is known of them without reading them. Free of torch.

A cache entry is a folder `tokens/KEY` with `tokens.bin`, `tokenizer.json` and `meta.json`; the key is a hash of the
text's content, the processors and the tokenizer, so an entry never goes stale. To know a text's content without
reading it again, what reading it told is kept in `corpora/SIGNATURE.json`; the signature is a hash of each file's
path, size, time of change and inode.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import unicodedata
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from craft import platform
from craft.config.corpus import Corpus, CorpusFacts, open_corpus
from craft.config.plugins import code_hash
from craft.config.schema.data import CSVData, DataConfig, HFData, JSONLinesData, TextData, TokensData
from craft.config.schema.tokenizer import (
    BPETokenizerConfig,
    ByteTokenizerConfig,
    OwnTokenizer,
    SentencePieceTokenizerConfig,
    TokenizerConfig,
)
from craft.config.token_files import characters_beside, token_files
from craft.errors import CraftError, DataError, TokenizerError

# Part of every key: raise it when the same text and tokenizer would give other tokens.
CACHE_FORMAT = 1


def cache_dir() -> Path:
    """The user's cache: $CRAFT_CACHE_DIR, else the platform's own place."""
    if own := os.environ.get("CRAFT_CACHE_DIR"):
        return Path(own)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "craft"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "craft"


# What is known of a text ------------------------------------------------------------------------------------------


def _facts_file(corpus: Corpus) -> Path:
    return cache_dir() / "corpora" / f"{corpus.signature()}.json"


def known_facts(corpus: Corpus) -> CorpusFacts | None:
    """What is known of a corpus that has not changed since it was read; None when it was not read yet."""
    try:
        return CorpusFacts(**json.loads(_facts_file(corpus).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def remember_facts(corpus: Corpus, facts: CorpusFacts) -> None:
    """Keep what reading the corpus told. It stands under how the files looked before they were read, so that one
    which changed meanwhile is read again. Where the cache cannot be written, that costs time only."""
    file = _facts_file(corpus)
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        platform.write_file_atomic(file, json.dumps(asdict(facts)).encode())


# What is known of its tokens --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TokenMeta:
    """What is known of prepared tokens."""

    key: str
    num_tokens: int
    num_bytes: int
    """Bytes of UTF-8 that the tokens stand for."""
    num_documents: int
    num_left_out: int
    """Files that were not read, because they hold more than ASCII."""
    vocab_size: int
    corpus_hash: str
    dtype: str
    source: str
    """In words: where the text comes from."""
    tokens_hash: str
    """A sha256 of the tokens themselves. Unlike the key it is the same for every version of Craft."""

    @property
    def path(self) -> Path:
        """The folder of the cache entry."""
        return entry_folder(self.key)

    def as_json(self) -> bytes:
        """The text of `meta.json`."""
        return json.dumps(asdict(self), indent=1).encode()


def entry_folder(key: str) -> Path:
    """Where the tokens of a key lie."""
    return cache_dir() / "tokens" / key


def token_key(data: TextData, tokenizer: TokenizerConfig, content: str, source_dir: Path | None) -> str:
    """The key of a text's tokens: its content, the processors and the tokenizer.

    A person's own processor counts by its source code, "normalise" and "lowercase" by the version of Unicode's tables.
    Raises TokenizerError when the file that a tokenizer is read from cannot be.
    """
    processors = [
        [name, code_hash(name.partition(":")[0], source_dir) if ":" in name else unicodedata.unidata_version]
        for name in data.processors
    ]
    parts: list[object] = [CACHE_FORMAT, content, processors, _tokenizer_key(tokenizer, source_dir)]
    if isinstance(data, JSONLinesData | CSVData | HFData):  # what of the files is text
        parts.append(data.model_dump(include={"type", "text_field", "delimiter", "split"}))
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _tokenizer_key(tokenizer: TokenizerConfig, source_dir: Path | None) -> dict[str, object]:
    """What decides a tokenizer besides the text: its settings, a file by what it holds, one's own class by its code."""
    settings: dict[str, object] = tokenizer.model_dump()
    if file := tokenizer_file(tokenizer):
        try:
            settings["path"] = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError as error:
            raise TokenizerError(f"tokenizer.path: {file}: cannot be read: {error.strerror}") from error
    elif isinstance(tokenizer, OwnTokenizer):
        settings["code"] = code_hash(tokenizer.type.partition(":")[0], source_dir)
    return settings


def tokenizer_file(tokenizer: TokenizerConfig) -> Path | None:
    """The file that a tokenizer is read from; None when it is not read from one."""
    path = Path(getattr(tokenizer, "path", ""))
    if path == Path():
        return None
    return path / "tokenizer.json" if path.is_dir() else path


def require_tokenizer(tokenizer: TokenizerConfig) -> None:
    """Look whether the file that a tokenizer is read from is there. Raises TokenizerError."""
    file = tokenizer_file(tokenizer)
    if file is not None and not file.is_file():
        raise TokenizerError(f"tokenizer.path: {file}: no such file; set tokenizer.path")


def read_meta(key: str) -> tuple[TokenMeta | None, str]:
    """The metadata of a cache entry whose sizes hold; else None, and what is wrong with it ("": it is not there)."""
    folder = entry_folder(key)
    if not folder.is_dir():
        return None, ""
    try:
        meta = TokenMeta(**json.loads((folder / "meta.json").read_bytes()))
        width = {"uint8": 1, "uint16": 2, "int32": 4}[meta.dtype]
        size = (folder / "tokens.bin").stat().st_size
        if size != meta.num_tokens * width:
            return None, f"tokens.bin has {size:,} bytes instead of {meta.num_tokens * width:,}"
        (folder / "tokenizer.json").stat()
    except OSError as error:
        return None, f"{Path(error.filename or folder).name}: {error.strerror}"
    except (ValueError, TypeError, KeyError):
        return None, "meta.json cannot be read"
    return (meta, "") if meta.key == key else (None, "meta.json belongs to another entry")


def find_tokens(data: DataConfig, tokenizer: TokenizerConfig, source_dir: Path | None = None) -> TokenMeta | None:
    """What is known of a definition's tokens; None while they are not prepared, or the text cannot be found.

    Reads no text. `source_dir` is the experiments file's folder, where processors of one's own lie.
    """
    if not isinstance(data, TextData):
        return _find_token_files(data, tokenizer) if isinstance(data, TokensData) else None
    try:
        corpus = open_corpus(data)
        facts = known_facts(corpus)
        if facts is None:
            return None
        meta, _ = read_meta(token_key(data, tokenizer, facts.content, source_dir))
    except (CraftError, OSError):
        return None
    # The same content may have been prepared under another name.
    return meta and replace(meta, source=corpus.source)


def _find_token_files(data: TokensData, tokenizer: TokenizerConfig) -> TokenMeta | None:
    """What the files of tokens say of themselves; None where they do not say whose ids they hold."""
    try:
        files, characters = token_files(data), characters_beside(data)
    except DataError:
        return None
    low, high = (len(characters),) * 2 if characters else expected_vocab_range(tokenizer)
    if low != high:
        return None
    total = sum(found.num_tokens for found in files.values())
    dtypes = {found.dtype for found in files.values()}
    return TokenMeta("", total, 0, len(files), 0, low, "", min(dtypes), data.path, "")


def expected_tokens_range(data: DataConfig) -> tuple[int, int] | None:
    """Fewest and most tokens to expect of a text that was not prepared yet; None where nobody can know.

    A char or byte token stands for one to four bytes. Reads no text.
    """
    if isinstance(data, TokensData):
        try:
            total = sum(found.num_tokens for found in token_files(data).values())
        except DataError:
            return None
        return total, total
    if not isinstance(data, TextData):
        return None
    try:
        corpus = open_corpus(data)
    except (CraftError, OSError):
        return None
    if not corpus.files:
        return None
    total = corpus.num_bytes
    if not corpus.ascii_only:
        return total // 4, total + 2 * len(corpus.files)  # with what stands between two files
    # Pure ASCII: a token is a byte. About one file in thirty of the standard library holds more and is left out; the
    # last file may reach past the limit.
    low, high = total * 9 // 10, total
    if corpus.max_bytes:
        low, high = min(low, corpus.max_bytes), min(high, corpus.max_bytes + max(file.size for file in corpus.files))
    return low, high


def expected_vocab_range(tokenizer: TokenizerConfig) -> tuple[int, int]:
    """Smallest and largest vocabulary to expect of a tokenizer whose text was not read yet."""
    if isinstance(tokenizer, ByteTokenizerConfig):
        return (256, 256)
    if file := tokenizer_file(tokenizer):
        size = _size_of_file(file)
        return (size, size) if size else (256, 262_144)  # from a byte's tokens to the largest that are published
    if isinstance(tokenizer, SentencePieceTokenizerConfig | BPETokenizerConfig):
        return (tokenizer.size, tokenizer.size)
    return (64, 256)  # letters, digits and signs of one language, up to several


def _size_of_file(file: Path) -> int:
    """Tokens that a file's tokenizer has; 0 when it cannot be told. That it is no tokenizer is said when it is used."""
    try:
        content = file.read_bytes()
        if file.suffix == ".json":
            found = json.loads(content)
            found = found.get("tokenizer", found)
            vocabulary, added = found["model"]["vocab"], found.get("added_tokens") or []
            numbers = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))
            return 1 + max([int(number) for number in numbers] + [int(token["id"]) for token in added])
        import sentencepiece  # of what is imported here, this alone takes time

        processor = sentencepiece.SentencePieceProcessor()
        processor.LoadFromSerializedProto(content)
        return int(processor.GetPieceSize())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, RecursionError):
        return 0
