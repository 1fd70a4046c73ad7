"""Every component that a definition can name, each with the smallest settings that make it work.

The tests of this folder go over all of them; one that is missing here fails `test_every_type_has_an_entry`.
"""

from __future__ import annotations

import importlib.util
import json
import pickle
from collections.abc import Callable, Iterator
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np

from craft.config import fields
from craft.config.schema import ExperimentConfig
from craft.config.schema.tokenizer import BPETokenizerConfig
from tests.training.runs import write_text

Settings = dict[str, Any]
Make = Callable[[Path], Settings]
"""From a folder, in which files may be put, to a section without its type."""

SECTIONS = ("model", "tokenizer", "data", "optimizer", "scheduler", "callbacks")

WAYS: dict[str, Settings] = {
    "fp32": {},
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": "fp16"},  # with a loss scale that follows the gradients
    "averaged": {"training": {"ema_decay": 0.9}},
    "accumulated": {"training": {"micro_batch_size": 2}},
    "computed again": {"training": {"gradient_checkpointing": True}},
}
"""Ways to train whatever is chosen: what sets the arithmetic, the state, or the order of a step."""

PARTS = (*SECTIONS, "way")
"""What a choice chooses."""


def _plain(**settings: Any) -> Make:
    return lambda _: settings


def _text(folder: Path) -> Settings:
    return {"path": str(write_text(folder / "text.txt"))}


def _pieces_in_a_file(folder: Path) -> Settings:
    from craft.data.tokenizers import BPETokenizer

    made = BPETokenizer.train("abc def " * 5, BPETokenizerConfig(vocab_size=258))
    (folder / "tokenizer.json").write_text(json.dumps(made.content))
    return {"path": str(folder / "tokenizer.json")}


def _words(folder: Path) -> list[str]:
    return write_text(folder / "words.txt").read_text().split()


def _json_lines(folder: Path) -> Settings:
    file = folder / "text.jsonl"
    words = _words(folder)
    file.write_text("\n".join(json.dumps({"text": " ".join(words[i : i + 90])}) for i in range(0, len(words), 90)))
    return {"path": str(file)}


def _table(folder: Path) -> Settings:
    file = folder / "text.csv"
    words = _words(folder)
    file.write_text("text\n" + "\n".join(" ".join(words[i : i + 90]) for i in range(0, len(words), 90)))
    return {"path": str(file)}


def _dataset(folder: Path) -> Settings:
    import datasets

    words = _words(folder)
    rows = [" ".join(words[i : i + 90]) for i in range(0, len(words), 90)]
    datasets.Dataset.from_dict({"text": rows}).save_to_disk(str(folder / "saved"))
    return {"path": str(folder / "saved")}


def _tokens(folder: Path) -> Settings:
    """As nanoGPT's prepare.py leaves them; its ids are few enough to be bytes as well."""
    place = folder / "tokens"
    place.mkdir(exist_ok=True)
    text = write_text(folder / "words.txt").read_text()
    characters = sorted(set(text))
    ids = np.array([characters.index(c) for c in text], dtype=np.uint16)
    ids[: len(ids) * 9 // 10].tofile(place / "train.bin")
    ids[len(ids) * 9 // 10 :].tofile(place / "val.bin")
    (place / "meta.pkl").write_bytes(pickle.dumps({"itos": dict(enumerate(characters))}))
    return {"path": str(place)}


def _pickle(folder: Path) -> Settings:
    rows = [[(7 * row + place) % 50 for place in range(5 + row % 40)] for row in range(200)]
    (folder / "rows.pkl").write_bytes(pickle.dumps(rows))
    return {"path": str(folder / "rows.pkl"), "allow_pickle": True}


COMPONENTS: dict[str, dict[str, Make]] = {
    "model": {
        "transformer": _plain(num_layers=1, num_heads=2, hidden_size=16, dropout=0.1),
        "lstm": _plain(num_layers=2, hidden_size=16, dropout=0.1),
        "rnn": _plain(num_layers=2, hidden_size=16, dropout=0.1),
        "hf": _plain(model_type="gpt2", num_layers=1, num_heads=2, hidden_size=16, dropout=0.1),
    },
    "tokenizer": {
        "char": _plain(),
        "byte": _plain(),
        "sentencepiece": _plain(vocab_size=330, algorithm="bpe", character_coverage=0.98),
        "bpe": _plain(vocab_size=290),
        "hf": _pieces_in_a_file,
        "ids": _plain(vocab_size=60),
    },
    "data": {
        "python_stdlib": _plain(max_bytes=100_000),
        "text": _text,
        "jsonl": _json_lines,
        "csv": _table,
        "hf": _dataset,
        "tokens": _tokens,
        "pickled": _pickle,
    },
    "optimizer": {
        "adamw": _plain(),
        "adam": _plain(),
        "sgd": _plain(),
        "adafactor": _plain(),
        "lion": _plain(),
        "muon": _plain(),
    },
    "scheduler": {
        "constant": _plain(),
        "cosine": _plain(),
        "linear": _plain(),
        "one_cycle": _plain(),
        "plateau": _plain(mode="max", patience=1),  # every fall of the loss counts
        "warmup_stable_decay": _plain(),
    },
    "callbacks": {
        # It waits for a loss that grows, so it counts every evaluation.
        "early_stopping": _plain(patience=50, mode="max"),
        "sample_text": _plain(every=7, max_new_tokens=20),
        # A threshold that noise passes now and then, so that there are returns.
        "spike_guard": _plain(window=5, sigmas=0.5, ratio=1.0, max_rollbacks=2),
        "lr_finder": _plain(steps=20, then="train"),
        "norms": _plain(every=6),
        "system": _plain(every=0.1),
        "tensorboard": _plain(),
        "wandb": _plain(),
        "trackio": _plain(),
        "mlflow": _plain(),
        "webhook": _plain(url="http://localhost:9/", timeout=1.0),  # nobody listens: said, and nothing else
        "command": _plain(run="true"),
    },
}
NEEDS = {"tensorboard": "tensorboard", "wandb": "wandb", "trackio": "trackio", "mlflow": "mlflow"}
"""The library that a type needs besides what the tests install."""

LEARNT = ("char", "sentencepiece", "bpe")
"""Tokenizers that take their vocabulary from text."""


def fit_together(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two components can be in one definition: numbers have no text, and text is no numbers; and recurrent
    models keep what they computed."""
    pair = dict((one, other))
    if pair.keys() == {"model", "way"}:
        return pair["way"] != "computed again" or pair["model"] not in ("lstm", "rnn")
    if pair.keys() != {"tokenizer", "data"}:
        return True
    if pair["data"] == "tokens":
        return pair["tokenizer"] not in ("sentencepiece", "bpe")
    if pair["data"] == "pickled":
        return pair["tokenizer"] not in LEARNT
    return pair["tokenizer"] != "ids"


# What a component is tried with unless it is the pair that is tried.
USUAL = {
    "model": "transformer",
    "tokenizer": "char",
    "data": "text",
    "optimizer": "adamw",
    "scheduler": "warmup_stable_decay",
    "callbacks": "early_stopping",
    "way": "fp32",
}


def known_types(section: str) -> list[str]:
    """The types that the schema has for a section; a person's own classes are tried with docs/extending.md."""
    return [kind for kind in fields.types_of(section) if kind != fields.OWN_TYPE]


def is_here(kind: str) -> bool:
    """Whether the library that a type needs is installed."""
    return kind not in NEEDS or importlib.util.find_spec(NEEDS[kind]) is not None


def every_component() -> Iterator[tuple[str, str]]:
    """(part, name) of everything that can be tried here."""
    for section in SECTIONS:
        yield from ((section, kind) for kind in COMPONENTS[section] if is_here(kind))
    yield from (("way", kind) for kind in WAYS)


def definition(folder: Path, chosen: dict[str, str], **training: Any) -> ExperimentConfig:
    """A definition that trains in a second, of the usual components but for those that are chosen, by part."""
    folder.mkdir(exist_ok=True)
    if "tokenizer" not in chosen and chosen.get("data") == "pickled":
        chosen = {**chosen, "tokenizer": "ids"}
    if "data" not in chosen and chosen.get("tokenizer") == "ids":
        chosen = {**chosen, "data": "tokens"}
    way = WAYS[chosen.get("way", USUAL["way"])]
    steps = {"max_steps": 40, "batch_size": 4, "eval_every": 10, "log_every": 3}
    settings: dict[str, Any] = {
        "seed": 7,
        "device": "cpu",
        "precision": "fp32",
        **way,
        "training": {**steps, **way.get("training", {}), **training},
        "checkpoint": {"every": 5, "keep": 3},
    }
    for section in SECTIONS:
        kind = chosen.get(section, USUAL[section])
        table = {"type": kind, **COMPONENTS[section][kind](folder)}
        if section == "data":
            table = {"context_length": 16, "val_fraction": 0.1, **table}
        settings[section] = {"tried": table} if section == "callbacks" else table
    return ExperimentConfig.model_validate(settings)


def pairwise() -> list[dict[str, str]]:
    """Few choices of one component a part, such that every two components of different parts meet in one.

    Greedy: each choice takes the pair that is left first, and then, a part at a time, what meets most that is left.
    """
    kinds: dict[str, list[str]] = {part: [] for part in PARTS}
    for part, kind in every_component():
        kinds[part].append(kind)
    left = {
        frozenset(((one, a), (two, b)))
        for one, two in combinations(PARTS, 2)
        for a, b in product(kinds[one], kinds[two])
        if fit_together((one, a), (two, b))
    }
    choices = []
    while left:
        choice = dict(min(left, key=sorted))
        for part in PARTS:
            if part not in choice:
                met = {
                    kind: sum(frozenset(((part, kind), other)) in left for other in choice.items())
                    for kind in kinds[part]
                    if all(fit_together((part, kind), other) for other in choice.items())
                }
                choice[part] = max(met, key=lambda kind: met[kind])
        left -= {frozenset(pair) for pair in combinations(choice.items(), 2)}
        choices.append(choice)
    return choices
