"""Texts as they come: pieces make the text, stop texts never show, samples and prompts are what they would be alone."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest
import torch
from torch import Tensor

from craft.config.schema.tokenizer import BPETokenizerConfig, SentencePieceTokenizerConfig
from craft.data.tokenizers import ByteTokenizer, CharTokenizer, Tokenizer, train_tokenizer
from craft.errors import TokenizerError
from craft.generation import batch_generate, generate_text_sampling, sample_text
from craft.generation.writing import Prompt, TextStream, Writing, Written
from craft.models import LanguageModel
from craft.models.base import ModelOutput
from craft.runs.sampling_settings import SamplingSettings
from tests.generation.models import KINDS, LETTERS, make

WORDS = "the cät sat on the mat € 日本語 and the rät ran to the cät; " * 30


def tokenizers() -> dict[str, Tokenizer]:
    return {
        "char": CharTokenizer.train(WORDS),
        "byte": ByteTokenizer(),
        "bpe": train_tokenizer(BPETokenizerConfig(vocab_size=275), WORDS),
        "sentencepiece": train_tokenizer(SentencePieceTokenizerConfig(vocab_size=280), WORDS),
    }


@pytest.fixture(scope="module", params=["char", "byte", "bpe", "sentencepiece"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return tokenizers()[request.param]


class Says(LanguageModel):
    """Expects the tokens of one text, one after another, whatever was written."""

    context_length, unbounded, joins_states = 8, True, True

    def __init__(self, tokenizer: Tokenizer, text: str) -> None:
        super().__init__()
        self.vocab_size, self.tokens = tokenizer.vocab_size, tokenizer.encode(text)
        self.eval()

    def init_state(self, batch_size: int, max_length: int) -> Any:
        return [0] * batch_size

    def select_state(self, state: Any, rows: list[int]) -> Any:
        return [state[row] for row in rows]

    def join_states(self, states: list[Any]) -> Any:
        return [place for state in states for place in state]

    def forward(self, tokens: Tensor, targets: Tensor | None = None, state: Any = None) -> ModelOutput:
        logits = torch.zeros(*tokens.shape, self.vocab_size)
        for row, place in enumerate(state):
            logits[row, -1, self.tokens[place % len(self.tokens)]] = 20
        return ModelOutput(logits, None, [place + 1 for place in state])


def written(writing: Writing) -> list[Written]:
    """All texts, after holding that their pieces make them."""
    pieces: dict[tuple[int, int], list[Any]] = {}
    for piece in writing:
        pieces.setdefault((piece.prompt, piece.sample), []).append(piece)
    for text in writing.texts:
        own = pieces[text.prompt, text.sample]
        assert "".join(piece.text for piece in own) == text.text
        assert [piece.token for piece in own] == text.tokens
        assert [piece.ended for piece in own] == [""] * (len(own) - 1) + [text.ended]
    return writing.texts


# Stop texts ----------------------------------------------------------------------------------------------------------


def cut(text: str, stops: tuple[str, ...]) -> tuple[str, bool]:
    """What is left of a text when it is read letter by letter until a stop text is complete."""
    for end in range(1, len(text) + 1):
        if found := [stop for stop in stops if text[:end].endswith(stop)]:
            return text[: end - max(map(len, found))], True
    return text, False


@pytest.mark.parametrize("stops", [("ab", "abc", "ba"), ("abcb", "bc"), ("aab",), ("c", "ccc"), ("abab", "b" * 3), ()])
def test_stop_texts_are_found_however_a_text_comes_in_pieces(stops: tuple[str, ...]) -> None:
    """Overlapping ones, one inside what another holds back, and pieces that hold a whole one and more."""
    generator = random.Random(1)
    pieces = ["a", "b", "c", "ab", "bc", "ca", "abc", "cba", "aab", "bb", "", "cc"]

    class Pieces(CharTokenizer):
        def decode(self, ids: Any) -> str:
            return "".join(pieces[int(token)] for token in ids)

    tokenizer = Pieces.train("".join(chr(97 + place) for place in range(len(pieces))))
    stopped = 0
    for _ in range(300):
        tokens = [generator.randrange(len(pieces)) for _ in range(generator.randrange(12))]
        stream = TextStream(tokenizer, stops)
        shown = ""
        for place, token in enumerate(tokens):
            shown += stream.push(token)
            so_far, found = cut(tokenizer.decode(tokens[: place + 1]), stops)
            assert stream.stopped == found
            assert so_far.startswith(shown)
            # No more is held back than what may become a stop text.
            held = so_far[len(shown) :]
            assert not held or any(stop.startswith(held) and stop != held for stop in stops)
        shown += stream.flush()
        assert (shown, stream.stopped) == cut(tokenizer.decode(tokens), stops)
        stopped += stream.stopped
    assert not stops or 30 < stopped < 300


@pytest.mark.parametrize("stop", ["sat", "t on t", "€", "日本", "語 a", "ät ran", "e", "the cät; the"])
def test_a_stop_text_is_cut_across_tokens(tokenizer: Tokenizer, stop: str) -> None:
    """Also inside the bytes of a character."""
    text = WORDS[:50]
    settings = SamplingSettings(len(tokenizer.encode(text)), temperature=0, stop=(stop,))
    (found,) = written(Writing(Says(tokenizer, text), tokenizer, [""], settings))
    whole = tokenizer.decode(tokenizer.encode(text))
    assert found.text == whole.split(stop)[0]
    assert found.ended == ("stop" if stop in whole else "length")


def test_what_was_held_back_comes_at_the_end() -> None:
    model = Says(LETTERS, "abcabd")
    settings = SamplingSettings(5, temperature=0, stop=("abd",))
    (found,) = written(Writing(model, LETTERS, [""], settings))
    assert (found.text, found.ended) == ("abcab", "length")
    (found,) = written(Writing(model, LETTERS, [""], dataclasses.replace(settings, max_new_tokens=6)))
    assert (found.text, found.ended, len(found.tokens)) == ("abc", "stop", 6)
    end = frozenset(LETTERS.encode("d"))
    (found,) = written(Writing(model, LETTERS, [""], dataclasses.replace(settings, max_new_tokens=9), end_tokens=end))
    assert (found.text, found.ended, len(found.tokens)) == ("abcab", "end", 6)


def test_each_text_ends_by_itself() -> None:
    """One by a stop text, one by its token for the end, one by its length; the others are not disturbed."""
    model = make("rotary", 64)
    settings = SamplingSettings(30, seed=3, stop=("c", "ba", "fe"))
    end = frozenset({12})
    alone = [
        written(Writing(model, LETTERS, ["a"], dataclasses.replace(settings, seed=3 + sample), end_tokens=end))[0]
        for sample in range(12)
    ]
    together = written(Writing(model, LETTERS, ["a"], settings, samples=12, end_tokens=end))
    assert [(one.text, one.tokens, one.ended) for one in together] == [
        (one.text, one.tokens, one.ended) for one in alone
    ]
    assert {one.ended for one in together} >= {"stop", "end"}


def test_half_a_character_is_held_back_and_shown_at_the_end() -> None:
    tokenizer = ByteTokenizer()
    pieces = list(Writing(Says(tokenizer, "日x"), tokenizer, [""], SamplingSettings(6, temperature=0)))
    assert [piece.text for piece in pieces] == ["", "", "日", "x", "", "\N{REPLACEMENT CHARACTER}"]


# Prompts and samples -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_samples_have_the_seeds_that_follow(kind: str) -> None:
    model = make(kind)
    settings: dict[str, Any] = {"max_new_tokens": 20, "temperature": 1.2}
    alone = [generate_text_sampling(model, LETTERS, "abc", seed=seed, **settings) for seed in (7, 8, 9)]
    assert sample_text(model, LETTERS, "abc", num_samples=3, seed=7, **settings) == alone
    assert len(set(alone)) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_many_prompts_keep_their_order_and_their_texts(kind: str) -> None:
    model = make(kind)
    prompts = ["abc", "", "abcdefghijklmabcdefghijklm", "c", "abc", "jklm"]
    alone = [generate_text_sampling(model, LETTERS, prompt, max_new_tokens=20, seed=2) for prompt in prompts]
    assert batch_generate(model, LETTERS, prompts, max_new_tokens=20, seed=2) == alone
    assert alone[0] == alone[4]
    assert len(set(alone)) == 5
    assert batch_generate(model, LETTERS, []) == []


def test_a_prompt_that_cannot_be_read_is_refused_before_anything_is_written() -> None:
    with pytest.raises(TokenizerError, match="'\\?'"):
        Writing(make("rotary"), LETTERS, ["abc", "a?"], SamplingSettings())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prompt", ["abc", "", "abcdefghijklmabcde"])
@pytest.mark.parametrize(
    "settings",
    [
        SamplingSettings(30, temperature=1.2, seed=5),
        SamplingSettings(30, temperature=0),
        SamplingSettings(30, seed=2, repetition_penalty=1.3, frequency_penalty=0.8),
    ],
    ids=["sampled", "greedy", "penalised"],
)
def test_going_on_from_the_token_that_was_drawn_is_not_stopping(
    kind: str, prompt: str, settings: SamplingSettings
) -> None:
    """Also past the context, where the window has moved on since the prompt."""
    model = make(kind)
    whole = written(Writing(model, LETTERS, [prompt], settings))[0]
    for count in (1, 9, 13, 20, 29):
        rest = dataclasses.replace(settings, max_new_tokens=30 - count)
        chosen = Prompt(prompt, tuple(whole.tokens[:count]))
        (found,) = written(Writing(model, LETTERS, [chosen], rest))
        assert found.tokens == whole.tokens[count:]
        assert found.text == LETTERS.decode(whole.tokens[count:])
        assert (found.unread, found.slides) == (whole.unread, whole.slides)


def test_what_follows_chosen_tokens_makes_the_text_with_theirs(tokenizer: Tokenizer) -> None:
    """The text of some tokens, and what is written after them, make the whole, also where a stop text might begin."""
    text = WORDS[:40]
    model, count = Says(tokenizer, text), len(tokenizer.encode(text))
    for stop in ((), ("t on tx", "ät r"), ("日本x", "語 a")):
        settings = SamplingSettings(count, temperature=0, stop=stop)
        writing = Writing(model, tokenizer, [""], settings)
        (whole,) = written(writing)
        for left in range(1, len(whole.tokens)):
            # The model of this test goes by the number of calls: it is told where it stands.
            model.tokens = whole.tokens[left:] + whole.tokens[:left]
            chosen = Prompt("", tuple(whole.tokens[:left]))
            rest = dataclasses.replace(settings, max_new_tokens=count - left)
            (found,) = written(Writing(model, tokenizer, [chosen], rest))
            # A reader has the text of the chosen tokens, but for half a character at their end.
            plain = TextStream(tokenizer)
            known = "".join(map(plain.push, whole.tokens[:left]))
            if len(known) > len(whole.text):  # a stop text began in what was chosen: it cannot be taken back
                assert known.startswith(whole.text)
                assert not found.text
            else:
                assert known + found.text == whole.text
            assert found.ended == whole.ended
        model.tokens = tokenizer.encode(text)


def test_another_token_gives_another_text() -> None:
    model = make("rotary", 64)
    settings = SamplingSettings(20, temperature=0)
    writing = Writing(model, LETTERS, ["abc"], settings, alternatives=2)
    (whole,) = written(writing)
    assert len(whole.thoughts) == 20
    second = whole.thoughts[4].alternatives[1][0]
    assert second != whole.tokens[4]
    chosen = Prompt("abc", (*whole.tokens[:4], second))
    (found,) = written(Writing(model, LETTERS, [chosen], dataclasses.replace(settings, max_new_tokens=15)))
    (wanted,) = written(Writing(model, LETTERS, ["abc" + LETTERS.decode(chosen.tokens)], settings))
    assert found.tokens == wanted.tokens[:15]


@pytest.mark.parametrize("kind", KINDS)
def test_thoughts_are_those_of_the_models_own_distribution(kind: str) -> None:
    """Whatever was drawn by; over the whole vocabulary they sum to one."""
    model = make(kind, 64)
    settings = SamplingSettings(10, temperature=1.7, top_k=5, repetition_penalty=1.5)
    writing = Writing(model, LETTERS, ["abcd", "k"], settings, alternatives=LETTERS.vocab_size)
    for text, prompt in zip(written(writing), ["abcd", "k"], strict=True):
        tokens = [*LETTERS.encode(prompt), *text.tokens]
        with torch.inference_mode():
            logits = model(torch.tensor([tokens[:-1]])).logits[0, -len(text.tokens) :]
        shares = logits.double().softmax(-1)
        assert [thought.token for thought in text.thoughts] == text.tokens
        for thought, row in zip(text.thoughts, shares, strict=True):
            assert thought.probability == pytest.approx(row[thought.token].item(), abs=1e-5)
            assert thought.entropy == pytest.approx(-(row * row.log()).sum().item(), abs=1e-5)
            assert sum(share for _, share in thought.alternatives) == pytest.approx(1, abs=1e-9)
            assert sorted(thought.alternatives, key=lambda one: -one[1]) == list(thought.alternatives)
            for token, share in thought.alternatives:
                assert share == pytest.approx(row[token].item(), abs=1e-5)


def test_a_writing_that_is_left_leaves_the_model_as_it_was() -> None:
    model = make("rotary").train()
    pieces = iter(Writing(model, LETTERS, ["a"], SamplingSettings(20)))
    next(pieces)
    assert not model.training
    pieces.close()  # type: ignore[attr-defined]
    assert model.training


def test_what_a_reader_has_already_is_not_shown_again() -> None:
    tokenizer = CharTokenizer.train("abc ")
    for stop, given, more, wanted in [
        ("a b", "a", "aaa", "aaa"),  # held back at first, and known: only what follows is new
        ("a b", "a", " b", ""),  # the stop text begins in what is known
        ("a b", "a ", "cb", "cb"),
        ("a b", "ca", " c", " c"),
        ("ab", "c", "cab", "c"),
    ]:
        stream = TextStream(tokenizer, [stop])
        stream.begin(tokenizer.encode(given))
        assert "".join([*map(stream.push, tokenizer.encode(more)), stream.flush()]) == wanted, (stop, given, more)
