"""Scoring a text: in one window what the model's own loss is, in several each token once, with enough before it."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import pytest
import torch

from craft.data.tokenizers import ByteTokenizer, CharTokenizer
from craft.errors import CheckpointError, TokenizerError, UsageError
from craft.generation import score_text
from craft.generation.sampling import thoughts
from craft.models import LanguageModel
from craft.models.packed import Precision, pack
from tests.children import child
from tests.generation.models import KINDS, LETTERS, VOCAB, make

TEXT = "abcdefabcklmab"


def logits_of(model: LanguageModel, tokens: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = model(torch.tensor([tokens])).logits
    return logits[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [2, 5, 13])
def test_within_a_window_it_is_the_models_own_loss(kind: str, length: int) -> None:
    model, text = make(kind), TEXT[:length]
    tokens = torch.tensor([LETTERS.encode(text)])
    with torch.inference_mode():
        loss = model(tokens[:, :-1], tokens[:, 1:]).loss
    assert loss is not None
    score = score_text(model, LETTERS, text)
    assert (len(score), score.judged, score.num_windows) == (length, length - 1, 1)
    assert score.loss == pytest.approx(loss.item(), abs=1e-5)
    assert score.nats == pytest.approx(sum(one.loss for one in score if one.loss is not None), abs=1e-9)
    assert score.perplexity == pytest.approx(math.exp(loss.item()), rel=1e-4)
    assert score.bits_per_byte == pytest.approx(loss.item() / math.log(2), rel=1e-4)  # a letter is a byte


@pytest.mark.parametrize("kind", KINDS)
def test_each_token_has_what_was_expected_there(kind: str) -> None:
    model, text = make(kind), TEXT[:10]
    tokens = LETTERS.encode(text)
    logits = logits_of(model, tokens[:-1])
    score = score_text(model, LETTERS, text, alternatives=3)
    first = score[0]
    assert (first.token, first.piece, first.loss, first.rank, first.alternatives) == (tokens[0], "a", None, None, ())
    for one, thought, row in zip(score[1:], thoughts(logits, torch.tensor(tokens[1:]), 3), logits, strict=True):
        assert one.token == thought.token
        assert one.probability == pytest.approx(thought.probability, abs=1e-6)
        assert one.loss == pytest.approx(-math.log(thought.probability), abs=1e-5)
        assert one.entropy == pytest.approx(thought.entropy, abs=1e-5)
        assert one.rank == 1 + int((row > row[one.token]).sum())
        for (token, piece, share), (wanted, wanted_share) in zip(one.alternatives, thought.alternatives, strict=True):
            assert (token, piece) == (wanted, LETTERS.piece(token))
            assert share == pytest.approx(wanted_share, abs=1e-6)


@pytest.mark.parametrize("text", ["a", TEXT])
def test_columns_hold_what_the_tokens_hold(text: str) -> None:
    score = score_text(make("rotary"), LETTERS, text, alternatives=2)
    for begin, end in [(0, 1), (0, 99), (1, 4), (3, 99)]:
        columns, some = score.columns(begin, end), score[begin:end]
        pieces = score.pieces(begin, end)
        assert columns["tokens"] == [one.token for one in some]
        assert columns["losses"] == [one.loss for one in some]
        assert columns["entropies"] == [one.entropy for one in some]
        assert columns["ranks"] == [one.rank for one in some]
        for place, one in enumerate(some):
            kept = [
                (token, pieces[token], share)
                for ids, shares in zip(columns["alternatives"], columns["probabilities"], strict=True)
                if (token := ids[place]) is not None and (share := shares[place]) is not None
            ]
            assert tuple(kept) == one.alternatives and pieces[one.token] == one.piece


@pytest.mark.parametrize("context", [1, 2, 5, 8])
@pytest.mark.parametrize("length", [9, 16, 17, 18, 19, 64])
def test_a_long_text_goes_through_a_window_that_moves_by_half(context: int, length: int) -> None:
    """Each token is judged once, as in the first window that has it in its later half, or in the very first."""
    model = make("rotary", context)
    text = (TEXT * 5)[:length]
    tokens = LETTERS.encode(text)
    score = score_text(model, LETTERS, text)
    start, windows = 0, 1
    for place in range(1, length):
        if place > start + context:  # it does not fit any more
            start, windows = start + (context + 1) // 2, windows + 1
        seen = tokens[start:place]
        assert len(seen) >= min(place, context // 2 + 1)
        wanted = logits_of(model, seen)[-1].log_softmax(-1)[tokens[place]].item()
        assert score[place].loss == pytest.approx(-wanted, abs=1e-5)
    assert (score.num_windows, score.window) == (windows, context)


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_a_model_without_end_reads_on(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, text = make(kind), TEXT * 4
    tokens = LETTERS.encode(text)
    wanted = logits_of(model, tokens[:-1]).log_softmax(-1).gather(-1, torch.tensor(tokens[1:])[:, None])
    monkeypatch.setattr("craft.generation.scoring._READ_AT_ONCE", 5)  # from block to block
    score = score_text(model, LETTERS, text)
    assert (score.num_windows, score.window) == (1, 0)
    assert score.nats == pytest.approx(-wanted.sum().item(), abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_of_any_size_give_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many windows go side by side, and however few logits are held."""
    model, text = make(kind), TEXT * 12
    before = score_text(model, LETTERS, text)
    monkeypatch.setattr("craft.generation.scoring._LOGITS_AT_ONCE", 3 * 12 * VOCAB)
    monkeypatch.setattr("craft.generation.scoring._READ_AT_ONCE", 40)
    after = score_text(model, LETTERS, text)
    assert after.num_windows == before.num_windows
    assert [one.rank for one in after] == [one.rank for one in before]
    for one, other in zip(after[1:], before[1:], strict=True):
        assert one.loss == pytest.approx(other.loss, abs=1e-5)


def test_bits_are_counted_by_bytes() -> None:
    """Of what was judged: without the first token."""
    tokenizer = CharTokenizer.train("aé日")
    model = make("rotary", vocab_size=tokenizer.vocab_size)
    score = score_text(model, tokenizer, "aé日é")
    assert score.num_bytes == 2 + 3 + 2
    assert score.bits_per_byte == pytest.approx(score.nats / math.log(2) / 7)
    by_bytes = score_text(make("rotary", 32, vocab_size=256), ByteTokenizer(), "aé日é")
    assert (len(by_bytes), by_bytes.num_bytes) == (8, 7)
    assert by_bytes[1].piece == "\\xc3"


def test_of_one_token_nothing_is_expected() -> None:
    for kind in ("rotary", "lstm"):
        score = score_text(make(kind), LETTERS, "c")
        assert [one.piece for one in score] == ["c"]
        assert (score.loss, score.perplexity, score.bits_per_byte, score.nats) == (None, None, None, 0.0)
        assert json.loads(json.dumps(score.as_json()))["scores"][0]["loss"] is None


def test_what_makes_no_sense_is_refused() -> None:
    model = make("rotary")
    with pytest.raises(UsageError, match="empty"):
        score_text(model, LETTERS, "")
    with pytest.raises(UsageError, match="alternatives"):
        score_text(model, LETTERS, "ab", alternatives=-1)
    with pytest.raises(TokenizerError):
        score_text(model, LETTERS, "a?")
    with torch.no_grad():
        next(model.parameters()).fill_(math.nan)
    with pytest.raises(CheckpointError, match="no numbers"):
        score_text(model, LETTERS, "abc")


@pytest.mark.parametrize("alternatives", [0, VOCAB, 99])
def test_any_number_of_alternatives(alternatives: int) -> None:
    for one in score_text(make("rotary"), LETTERS, "abc", alternatives)[1:]:
        assert len(one.alternatives) == min(alternatives, VOCAB)
        if alternatives:
            assert sum(share for *_, share in one.alternatives) == pytest.approx(1, abs=1e-5)


def test_an_impossible_token_has_an_infinite_loss_and_json_stays_json() -> None:
    model = make("rotary")
    never = LETTERS.encode("m")[0]
    before = model.forward

    def without(*arguments: Any, **named: Any) -> Any:
        output: Any = before(*arguments, **named)
        output.logits[..., never] = -math.inf
        return output

    model.forward = without  # type: ignore[method-assign]
    score = score_text(model, LETTERS, "abm")
    assert score[2].loss == math.inf
    assert (score[2].probability, score[2].rank) == (0.0, VOCAB)
    assert score[1].entropy is not None
    assert math.isfinite(score[1].entropy)
    found = json.loads(json.dumps(score.as_json(), allow_nan=False))
    assert (found["loss"], found["perplexity"], found["scores"][2]["loss"]) == (None, None, None)


def test_the_model_stays_in_training_where_it_was() -> None:
    model = make("rotary").train()
    score_text(model, LETTERS, "abc")
    assert model.training


def test_progress_is_told_and_can_end_it() -> None:
    model, told = make("rotary").train(), list[tuple[int, int]]()
    score_text(model, LETTERS, TEXT * 10, progress=lambda *figures: told.append(figures))
    assert told == sorted(set(told))
    assert {whole for _, whole in told} == {len(TEXT * 10) - 1}
    assert told[-1][0] == told[-1][1]

    def leave(judged: int, whole: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_text(model, LETTERS, TEXT * 10, progress=leave)
    assert model.training


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
@pytest.mark.parametrize("kind", ["rotary", "lstm", "hf", "own"])
def test_a_packed_model_judges_about_the_same(kind: str, precision: Precision) -> None:
    model = make(kind)
    before = score_text(model, LETTERS, TEXT * 3)
    pack(model, precision)
    after = score_text(model, LETTERS, TEXT * 3)
    assert before.loss is not None
    assert after.loss == pytest.approx(before.loss, abs=1e-5 if precision == "fp32" else 0.1)


MEGABYTE = """
import resource, sys
from craft.generation import score_text
from tests.generation.models import LETTERS, make
model = make(sys.argv[1], 64)
score_text(model, LETTERS, "abcdefgh" * 2048)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
score = score_text(model, LETTERS, "abcdefgh" * 131072)
print(len(score), score[1 << 19].rank, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("kind", ["rotary", pytest.param("rnn", marks=pytest.mark.slow)])
def test_a_megabyte_stays_within_memory(kind: str) -> None:
    with child(MEGABYTE, kind) as process:
        printed, _ = process.communicate()
    length, rank, memory = map(int, printed.split())
    assert length == 1 << 20
    assert 1 <= rank <= VOCAB
    assert memory * (1 if sys.platform == "darwin" else 1024) < 300 * 2**20
