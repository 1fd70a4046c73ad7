"""Whether an edited definition reads the text that a checkpoint was trained on, and tokens that its weights know.

Free of torch: a text is known by a hash of its content, and characters are counted where they are the tokens. What
cannot be told so, the worker tells when it has prepared the text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from craft.config.corpus import open_corpus
from craft.config.reading import read_documents, take_facts
from craft.config.schema import ExperimentConfig
from craft.config.schema.data import HFData, TextData
from craft.config.schema.tokenizer import BPETokenizerConfig, CharTokenizerConfig, SentencePieceTokenizerConfig
from craft.config.token_cache import known_facts, remember_facts

# Settings that say where a text lies, and those of its order and its split. The others say what of it is read.
_WHERE = {"path", "pattern"}
_ORDER = {"shuffle", "context_length", "val_fraction", "test_fraction"}


@dataclass(frozen=True)
class Text:
    """What is known of an edited definition's text."""

    same: bool | None = None
    """Whether it is the very text; None: only the worker can tell."""
    why_not: str = ""
    """Why its tokens are others than the weights know."""


UNKNOWN = Text()


def compare_text(before: ExperimentConfig, after: ExperimentConfig, content: str | None, checkpoint: Path) -> Text:
    """Compare the text of two definitions; `content` is the hash of the first one's, as its run has it.

    Reads the second, unless it is known from before. Raises DataError when it cannot be read.
    """
    old, new = before.data, after.data
    if not content or not isinstance(new, TextData) or isinstance(new, HFData) or old.type != new.type:
        return UNKNOWN
    if old.model_dump(exclude=_WHERE | _ORDER) != new.model_dump(exclude=_WHERE | _ORDER):
        return UNKNOWN
    corpus = open_corpus(new)
    facts = known_facts(corpus)
    if facts is None:
        facts = take_facts(corpus, lambda _: None)
        remember_facts(corpus, facts)
    if facts.content == content:
        return Text(same=True)
    return Text(same=False, why_not=_other_tokens(after, new, facts.num_documents, checkpoint))


def _other_tokens(config: ExperimentConfig, data: TextData, num_documents: int, checkpoint: Path) -> str:
    tokenizer = config.tokenizer
    if isinstance(tokenizer, SentencePieceTokenizerConfig | BPETokenizerConfig) and not tokenizer.path:
        keeps = f"; tokenizer.path={checkpoint / 'tokenizer.json'} keeps them" if tokenizer.type == "bpe" else ""
        return f"another text, and the tokens are pieces that are learnt from it{keeps}"
    if not isinstance(tokenizer, CharTokenizerConfig) or data.processors:
        return ""
    try:
        known = set(json.loads((checkpoint / "tokenizer.json").read_text(encoding="utf-8"))["characters"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    found = {"\n"} if num_documents > 1 else set[str]()  # what stands between two documents
    for document in read_documents(data, open_corpus(data), lambda _: None):
        for part in document:
            found |= set(part)
    if found == known:
        return ""
    differing = [
        f"{words} {_shown(some)}" for words, some in (("it has", found - known), ("it lacks", known - found)) if some
    ]
    return f"another text of other characters, which are the tokens: {'; '.join(differing)}"


def _shown(characters: set[str]) -> str:
    return ", ".join(map(repr, sorted(characters)[:6])) + (" ..." if len(characters) > 6 else "")
