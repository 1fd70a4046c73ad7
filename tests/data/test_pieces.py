"""Tokenizers whose pieces are learnt: every text comes back, sizes hold, and the same text gives the same pieces."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from craft.config.schema.tokenizer import BPETokenizerConfig, SentencePieceTokenizerConfig, TokenizerConfig
from craft.data.tokenizers import BPETokenizer, SentencePieceTokenizer, Tokenizer, load_tokenizer, train_tokenizer
from craft.data.tokenizers import bpe as bpe_module
from craft.data.tokenizers.blocks import blocks, spread
from craft.errors import TokenizerError

SOURCE = Path(random.__file__).read_text(encoding="utf-8")
# What tokenizers are known to lose or to confuse with signs of their own.
HARD = [
    "",
    " ",
    "\n",
    "  two  blanks  ",
    "\tdef f(x):\n\t\treturn x\r\n\r\n",
    "\u2581 is a blank to others \u2581\u2581",
    "\u2585 \u2047 \ufffd",
    "<unk> <s> </s> <0x0A> <pad> \\n",
    "\x00\x01\x1b[31m\x7f\x85\u2028\u2029",
    "\ufeffbyte order mark",
    "e\u0301 \u00e9 \ufb01 \u2460 \uff21\u3000\u00a0",
    "\U0001f642\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea",
    "\u6771\u4eac\u3002\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u05e2\u05d1\u05e8\u05d9\u05ea",
    "it's 'tis ''s don't '",
    "1234567 3.14 0x1F",
    "x" * 5000,
    " " * 300 + "x" + "\n" * 300,
    "\U0010ffff\ue000",
]
KINDS = ("unigram", "sentencepiece bpe", "bpe")
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text(
    st.sampled_from(" \t\n\r'\u2581\u2585<>0xA_sdé\u6771\u3002\U0001f642\x00"), max_size=60
)


def config(kind: str, vocab_size: int, **more: object) -> TokenizerConfig:
    if kind == "bpe":
        return BPETokenizerConfig(vocab_size=vocab_size, **more)  # type: ignore[arg-type]
    algorithm = "unigram" if kind == "unigram" else "bpe"
    return SentencePieceTokenizerConfig(vocab_size=vocab_size, algorithm=algorithm, **more)  # type: ignore[arg-type]


@cache
def trained(kind: str) -> Tokenizer:
    return train_tokenizer(config(kind, 600), SOURCE)


def check_round_trip(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    stream = tokenizer.stream()
    assert "".join(map(stream.push, ids)) + stream.flush() == text
    assert sum(tokenizer.token_bytes()[ids]) == len(text.encode())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", HARD)
def test_hard_text_comes_back(kind: str, text: str) -> None:
    check_round_trip(trained(kind), text)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None)
@given(TEXTS)
@example("\u2581")
def test_any_text_comes_back(kind: str, text: str) -> None:
    check_round_trip(trained(kind), text)


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_are_learnt_and_used(kind: str) -> None:
    tokenizer = trained(kind)
    assert tokenizer.vocab_size == 600
    assert tokenizer.lossy == ""
    ids = tokenizer.encode_array(SOURCE)
    assert ids.dtype == np.uint16
    assert len(ids) < len(SOURCE) / 2
    assert any(tokenizer.piece(token) in (" return", " self", " the") for token in ids), "a word with its blank"
    assert not any("\n" in tokenizer.piece(token).strip("\n") for token in range(600)), (
        "no piece goes over a line's end"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_loaded_it_is_the_same(kind: str, tmp_path: Path) -> None:
    tokenizer = trained(kind)
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert type(loaded) is type(tokenizer)
    assert loaded.encode(SOURCE) == tokenizer.encode(SOURCE)
    assert loaded.state_dict() == tokenizer.state_dict()


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_character_is_refused(kind: str) -> None:
    with pytest.raises(TokenizerError, match="character 3 of the text"):
        trained(kind).encode("ab\ud800")


@pytest.mark.parametrize("kind", KINDS)
def test_ids_do_not_depend_on_how_the_text_comes(kind: str) -> None:
    tokenizer, rng = trained(kind), random.Random(3)
    text = "".join(rng.choice(HARD[:-2]) + rng.choice(["", "\n", "\n\n", "word "]) for _ in range(800))
    assert len(text) > 1 << 16, "more than is read at once"
    whole = tokenizer.encode(text)
    cuts = [0, *sorted(rng.sample(range(len(text)), 50)), len(text)]
    parts = [text[start:stop] for start, stop in pairwise(cuts)]
    assert np.concatenate(list(tokenizer.encode_parts(parts))).tolist() == whole
    assert tokenizer.decode(whole) == text


TRAIN = """
import sys
from pathlib import Path
from tests.data.test_pieces import SOURCE, config
from craft.data.tokenizers import train_tokenizer
parts = [SOURCE[i : i + 997] for i in range(0, len(SOURCE), 997)]
train_tokenizer(config(sys.argv[1], 600), parts).save(Path(sys.argv[2]))
"""


@pytest.mark.parametrize("kind", KINDS)
def test_another_process_with_other_threads_learns_the_same(kind: str, tmp_path: Path) -> None:
    environment = {**os.environ, "RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", TRAIN, kind, str(tmp_path)]
    if sys.platform == "linux":
        command = ["taskset", "-c", str(min(os.sched_getaffinity(0))), *command]
    subprocess.run(command, check=True, env=environment)
    assert load_tokenizer(tmp_path).state_dict() == trained(kind).state_dict()


# Sizes that a text does not allow ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_too_large_a_vocabulary_names_the_largest(kind: str) -> None:
    with pytest.raises(TokenizerError, match=r"tokenizer\.vocab_size = 90,000 is more than this text allows") as raised:
        train_tokenizer(config(kind, 90_000), SOURCE)
    largest = int(str(raised.value).partition("set tokenizer.vocab_size to ")[2].split()[0])
    assert train_tokenizer(config(kind, largest), SOURCE).vocab_size == largest
    with pytest.raises(TokenizerError, match="more than this text allows"):
        train_tokenizer(config(kind, largest + 1), SOURCE)


def test_too_small_a_vocabulary_names_the_smallest() -> None:
    with pytest.raises(TokenizerError, match=r"256 bytes and its characters need \d+") as raised:
        train_tokenizer(config("unigram", 260), SOURCE)
    smallest = int(str(raised.value).partition("set tokenizer.vocab_size to ")[2].split()[0])
    tokenizer = train_tokenizer(config("unigram", smallest), SOURCE)
    assert tokenizer.vocab_size == smallest
    check_round_trip(tokenizer, SOURCE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["", "\n\n\n", "a", "\x00"])
def test_hardly_any_text_is_refused_in_words(kind: str, text: str) -> None:
    with pytest.raises(TokenizerError, match=r"no text to learn|tokenizer\.vocab_size = 600"):
        train_tokenizer(config(kind, 600), text)


def test_without_bytes_what_is_unknown_is_lost_and_said() -> None:
    tokenizer = train_tokenizer(config("unigram", 200, byte_fallback=False, character_coverage=1.0), SOURCE)
    assert "U+FFFD" in tokenizer.lossy
    check_round_trip(tokenizer, SOURCE)
    assert tokenizer.decode(tokenizer.encode("a\u6771b")) == "a\ufffdb"
    assert tokenizer.decode(tokenizer.encode("a\u2581\u2581b")) == "a\ufffd\ufffdb"


# What a long text costs -------------------------------------------------------------------------------------------


@given(st.lists(st.text(st.sampled_from("ab\n\r "))), st.integers(1, 20))
def test_blocks_end_with_lines_and_depend_on_the_text_alone(parts: list[str], size: int) -> None:
    text = "".join(parts)
    found = list(blocks(parts, size))
    assert "".join(found) == text
    assert found == list(blocks([text], size)) == list(blocks(iter(text), size))
    for block, following in pairwise(found):
        assert 0 < len(block) <= size
        at_line = block.endswith("\n") and following[0] not in "\r\n"
        line_ends = [i for i in range(1, len(block)) if block[i - 1] == "\n" and block[i] not in "\r\n"]
        assert at_line or not line_ends, "cut within a line, though there was an end of one"
    if found:
        assert 0 < len(found[-1]) <= size


def test_of_a_long_text_evenly_spread_parts_are_learnt_from() -> None:
    lines = (f"line {number}\n" for number in range(100_000))
    kept = spread(lines, 50_000, size=1000)
    assert 20_000 < sum(map(len, kept)) <= 51_000
    firsts = [int(block.split()[1]) for block in kept]
    gaps = np.diff(firsts)
    assert firsts[0] == 0
    assert firsts[-1] > 90_000
    assert gaps.max() < 1.5 * gaps.min()
    assert spread(["ab\n", "cd"], 50) == ["ab\ncd"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_is_enough(kind: str) -> None:
    tokenizer = train_tokenizer(config(kind, 400, train_chars=10_000), (SOURCE for _ in range(5)))
    assert tokenizer.vocab_size == 400
    check_round_trip(tokenizer, SOURCE)


# The word store of byte-level pairs -------------------------------------------------------------------------------


@settings(deadline=None)
@given(TEXTS)
def test_looking_words_up_gives_what_the_library_gives(text: str) -> None:
    tokenizer = trained("bpe")
    assert isinstance(tokenizer, BPETokenizer)
    assert tokenizer.encode(text) == tokenizer._tokenizer.encode(text, add_special_tokens=False).ids


def test_a_full_store_of_words_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = BPETokenizer.train(SOURCE, BPETokenizerConfig(vocab_size=600))
    monkeypatch.setattr(bpe_module, "_MOST_WORDS", 50)
    for start in range(0, len(SOURCE), 4001):
        part = SOURCE[start : start + 4001]
        assert tokenizer.decode(tokenizer.encode(part)) == part
    assert len(tokenizer._known.numbers) < 2000


def test_sentencepiece_gives_what_its_library_gives() -> None:
    tokenizer = trained("unigram")
    assert isinstance(tokenizer, SentencePieceTokenizer)
    assert tokenizer.encode(SOURCE) == tokenizer._processor.EncodeAsIds(SOURCE)
