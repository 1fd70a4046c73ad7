"""A dataset class of one's own, named by `data.type = "module:Class"`.

The class is called once a split, with `split` ("train" or "val"), `tokenizer`, `context_length` and what stands under
`data.arguments`. What it gives has `__len__` and `__getitem__`; a length of 0 says that there is no such split. Items
are as `craft.data.datasets.ItemDataset` says, and an item must be the same each time it is asked for: on that rests
that a resumed run ends in the same bits.

Which tokenizer it is given: with `tokenizer.type = "byte"` that one, which needs nothing. A char vocabulary is taken
from text, and Craft has none here, so the class offers it: a static method `texts`, called with `data.arguments`,
that yields str. Ids that stand for no text at all need a vocabulary too: below 256, "byte" serves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from craft.config.own_code import import_named
from craft.config.plugins import code_hash
from craft.config.schema.data import PythonDataset
from craft.config.schema.tokenizer import ByteTokenizerConfig, TokenizerConfig
from craft.data.datasets import ItemDataset, Windows
from craft.data.tokenizers import Tokenizer, train_tokenizer
from craft.errors import DataError


def prepare_own_dataset(
    data: PythonDataset, tokenizer_config: TokenizerConfig, search: Path | None
) -> tuple[Tokenizer, dict[str, Windows], str]:
    """The tokenizer, the splits that are not empty, and a hash of code, arguments and tokenizer. Raises DataError."""
    made_by = import_named(data.type, "data.type", search)
    if not callable(made_by):
        raise DataError(f'data.type = "{data.type}" is {type(made_by).__name__}, not a class')
    texts = () if isinstance(tokenizer_config, ByteTokenizerConfig) else _texts(data, made_by)
    tokenizer = train_tokenizer(tokenizer_config, texts, search=search)
    if not tokenizer.vocab_size:
        raise DataError(f"{data.type}: texts() yields no character, so there is no vocabulary")
    code = code_hash(data.type.partition(":")[0], search)
    parts = [data.type, code, data.arguments, tokenizer.type, tokenizer.state_dict()]
    identity = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    splits: dict[str, Windows] = {}
    for name in ("train", "val"):
        split = _make(data, made_by, name, tokenizer, identity)
        if len(split):
            splits[name] = split
    if "train" not in splits:
        raise DataError(f"{data.type}: its train split is empty: its length is 0")
    return tokenizer, splits, identity


def _make(data: PythonDataset, made_by: Any, name: str, tokenizer: Tokenizer, identity: str) -> ItemDataset:
    try:
        items = made_by(split=name, tokenizer=tokenizer, context_length=data.context_length, **data.arguments)
    except Exception as error:  # a person's own class may raise anything
        raise DataError(f"{data.type}: making the {name} split raised {type(error).__name__}: {error}") from error
    return ItemDataset(
        items, data.context_length, tokenizer.vocab_size, name=f"{data.type}, {name} split", identity=identity
    )


def _texts(data: PythonDataset, made_by: Any) -> Iterator[str]:
    """What the class offers as text."""
    offer = getattr(made_by, "texts", None)
    if offer is None:
        raise DataError(
            f"{data.type}: a char vocabulary is taken from text, and the class offers none; give it a static method "
            '`texts(**arguments)` that yields str, or set tokenizer.type = "byte"'
        )
    try:
        for text in offer(**data.arguments):
            if not isinstance(text, str):
                raise DataError(f"{data.type}: texts() yields {type(text).__name__}; it has to yield str")
            yield text
    except DataError:
        raise
    except Exception as error:  # a person's own code may raise anything
        raise DataError(f"{data.type}: texts() raised {type(error).__name__}: {error}") from error
