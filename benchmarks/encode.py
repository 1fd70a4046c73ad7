"""How fast text becomes tokens, against nanoGPT's way, and against the libraries called as they are.

    python -m benchmarks.encode [--nanogpt PATH] [--text FILE] [--megabytes 20]

The text is the Python sources of this installation, each once, unless --text names another. All read the same text in
one process, in turn, `ROUNDS` times; figures are medians, ratios are of those. With --nanogpt its character-level
`prepare.py` and `craft data prepare` are run as commands on it too, process start included. tiktoken is compared where
it is installed, with the very pairs that Craft has learnt: the ids must be equal.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from craft.config.schema.tokenizer import BPETokenizerConfig, SentencePieceTokenizerConfig
from craft.data.tokenizers import BPETokenizer, ByteTokenizer, CharTokenizer, SentencePieceTokenizer, Tokenizer
from craft.data.tokenizers.blocks import blocks
from craft.data.tokenizers.bpe import PATTERN

ROUNDS = 3
VOCAB = 8192


def sources(megabytes: float) -> str:
    """Python files, each content once, up to a size."""
    files = [path for key in ("stdlib", "purelib") for path in sorted(Path(sysconfig.get_path(key)).rglob("*.py"))]
    parts: dict[str, None] = {}
    size = 0
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if text not in parts:
            parts[text] = None
            size += len(text)
        if size >= megabytes * 1e6:
            break
    return "\n\n".join(parts)


def compared(ours: Any, theirs: Any) -> str:
    """Whether two ways gave the same ids."""
    if ours is None:
        return "commands"
    if np.array_equal(ours, theirs):
        return "the same ids"
    return f"{len(ours):,} ids, theirs {len(theirs):,}"


def encoded(tokenizer: Tokenizer, text: str) -> Any:
    """The ids of a text in the way in which Craft prepares one."""
    return np.concatenate(list(tokenizer.encode_parts([text])))


def race(what: str, text: str, ways: dict[str, Callable[[], Any]]) -> None:
    """The first of some ways against the others."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    results = {}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            started = time.perf_counter()
            results[name] = way()
            seconds[name].append(time.perf_counter() - started)
    size = len(text.encode()) / 1e6
    ours, *others = ways
    mine = statistics.median(seconds[ours])
    print(f"{what}: {ours} {size / mine:.1f} MB/s")
    for other in others:
        theirs = statistics.median(seconds[other])
        note = compared(results[ours], results[other])
        print(f"    {other}: {size / theirs:.1f} MB/s, {theirs / mine:.2f} times as long ({note})")


def characters(text: str) -> None:
    """One token a character, with its vocabulary; one a byte."""

    def listed() -> Any:
        characters = sorted(set(text))
        numbers = {character: number for number, character in enumerate(characters)}
        return np.array([numbers[character] for character in text], dtype=np.uint16)

    race(
        "char, vocabulary and all",
        text,
        {"Craft": lambda: encoded(CharTokenizer.train(blocks([text])), text), "a Python list, as nanoGPT": listed},
    )
    race("byte", text, {"Craft": lambda: encoded(ByteTokenizer(), text)})


def pairs(text: str) -> None:
    """Byte-level pairs."""
    started = time.perf_counter()
    ours = BPETokenizer.train(text, BPETokenizerConfig(vocab_size=VOCAB))
    print(f"bpe, {VOCAB:,} tokens learnt in {time.perf_counter() - started:.1f} s")
    content = ours.state_dict()
    library = ours._tokenizer

    def in_batches() -> Any:
        parts = list(blocks([text], 1 << 15))
        return np.concatenate([one.ids for one in library.encode_batch(parts, add_special_tokens=False)])

    def anew() -> Any:
        return encoded(BPETokenizer.from_state(content), text)  # with no word known yet

    ways = {"Craft": anew, "tokenizers, in batches over all cores": in_batches}
    ways["tokenizers, the whole text"] = lambda: library.encode(text, add_special_tokens=False).ids
    if importlib.util.find_spec("tiktoken"):
        import tiktoken

        ranks = {piece: token for token, piece in enumerate(ours.pieces)}
        theirs = tiktoken.Encoding("same", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
        ways["tiktoken, the whole text, as nanoGPT"] = lambda: theirs.encode_ordinary(text)
    race("bpe", text, ways)


def pieces(text: str) -> None:
    """SentencePiece, both of its algorithms."""
    for algorithm in ("unigram", "bpe"):
        started = time.perf_counter()
        config = SentencePieceTokenizerConfig(vocab_size=VOCAB, algorithm=algorithm)
        ours = SentencePieceTokenizer.train(text, config)
        print(f"sentencepiece {algorithm}, {VOCAB:,} tokens learnt in {time.perf_counter() - started:.1f} s")
        library = ours._processor
        race(
            f"sentencepiece {algorithm}",
            text,
            {
                "Craft": lambda ours=ours: encoded(ours, text),
                "the library, the whole text": lambda library=library: library.EncodeAsIds(text),
            },
        )


def commands(text: str, nanogpt: Path) -> None:
    """Whole commands: nanoGPT's prepare.py, and `craft data prepare`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(nanogpt / "data" / "shakespeare_char" / "prepare.py", folder)
        (folder / "input.txt").write_text(text, encoding="utf-8")
        (folder / "experiments.toml").write_text(
            'craft = 1\n[experiment.x]\nmodel.type = "transformer"\ndata = { type = "text", path = "input.txt" }\n'
        )
        environment = {**os.environ, "CRAFT_CACHE_DIR": str(folder / "cache")}
        craft = [sys.executable, "-c", "from craft.cli import main; main()", "data", "prepare", "experiments.toml"]

        def theirs() -> None:
            subprocess.run([sys.executable, "prepare.py"], cwd=folder, check=True, stdout=subprocess.DEVNULL)

        def mine() -> None:
            shutil.rmtree(folder / "cache", ignore_errors=True)
            subprocess.run(craft, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=environment)

        race("whole commands, char", text, {"craft data prepare": mine, "nanoGPT's prepare.py": theirs})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nanogpt", type=Path, help="a copy of nanoGPT's repository")
    parser.add_argument("--text", type=Path, help="a text instead of Python's sources")
    parser.add_argument("--megabytes", type=float, default=20.0)
    arguments = parser.parse_args()
    if arguments.text:
        text = arguments.text.read_text(encoding="utf-8")[: int(arguments.megabytes * 1e6)]
    else:
        text = sources(arguments.megabytes)
    print(json.dumps({"bytes": len(text.encode()), "cores": os.cpu_count(), "characters": len(set(text))}))
    characters(text)
    pairs(text)
    pieces(text)
    if arguments.nanogpt:
        commands(text, arguments.nanogpt)


if __name__ == "__main__":
    main()
