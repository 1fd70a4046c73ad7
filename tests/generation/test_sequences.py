"""Texts that grow side by side: each is what it would be alone, however the others end, begin or move on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch

from craft.generation.sampling import draw_tokens
from craft.generation.sequences import Sequences
from craft.models import LanguageModel
from craft.runs.sampling_settings import SamplingSettings
from tests.generation.models import KINDS, VOCAB, make

PROMPTS = [[1, 2, 3], [4], list(range(12)), [], [7] * 30, [5, 6, 7], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]]
SETTINGS = {
    "greedy": SamplingSettings(25, temperature=0),
    "sampled": SamplingSettings(25, temperature=1.3, top_p=0.95, seed=5),
    "penalised": SamplingSettings(25, repetition_penalty=1.4, frequency_penalty=0.7, top_k=5),
}


@pytest.fixture(autouse=True)
def _memory_that_was_never_written_is_no_number() -> Iterator[None]:
    """What is read without having been written shows."""
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def write(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    settings: SamplingSettings,
    seeds: Sequence[int] | None = None,
    lengths: Sequence[int] | None = None,
) -> list[list[int]]:
    """The tokens after each prompt; with `lengths`, each ends at its own."""
    written: list[list[int]] = [[] for _ in prompts]
    seeds = seeds or range(len(prompts))

    def finished(row: int) -> bool:
        return lengths is not None and len(written[row]) >= lengths[row]

    for drawn in draw_tokens(model, prompts, settings, seeds=seeds, finished=finished):
        for one in drawn:
            written[one.row].append(one.token)
    return written


def naive(model: LanguageModel, prompt: Sequence[int], count: int) -> list[int]:
    """The likeliest tokens by reading everything anew for each, with windows as they are described."""
    text, begin = list(prompt) or [0], 0
    if not model.unbounded:
        begin = max(0, len(text) - model.context_length)
    for _ in range(count):
        with torch.inference_mode():
            text.append(int(model(torch.tensor([text[begin:]])).logits[0, -1].argmax()))
        if not model.unbounded and len(text) - begin > model.context_length:
            begin = len(text) - max(1, model.context_length // 2)
    return text[len(list(prompt) or [0]) :]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: str(len(prompt)))
def test_a_state_changes_nothing(kind: str, prompt: list[int]) -> None:
    """Also where the window moves on."""
    model = make(kind)
    assert write(model, [prompt], SETTINGS["greedy"]) == [naive(model, prompt, 25)]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_text_beside_others_is_what_it_is_alone(kind: str, settings: str) -> None:
    """Prompts of different lengths, whose windows move on at different times, and which end at different times."""
    model = make(kind)
    alone = [write(model, [prompt], SETTINGS[settings], [seed])[0] for seed, prompt in enumerate(PROMPTS)]
    assert write(model, PROMPTS, SETTINGS[settings]) == alone
    lengths = [3, 25, 9, 1, 14, 25, 20]
    cut = [text[:length] for text, length in zip(alone, lengths, strict=True)]
    assert write(model, PROMPTS, SETTINGS[settings], lengths=lengths) == cut
    assert len({tuple(text) for text in alone}) > 3


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_the_model(kind: str) -> None:
    """At every step, with rows chosen, repeated and left out in between."""
    model = make(kind, context=32)
    sequences = Sequences(model, [[1, 2, 3], [4, 5], [6]], 20)
    generator = torch.Generator().manual_seed(1)
    for step in range(16):
        for row, text in enumerate(sequences.texts):
            with torch.inference_mode():
                wanted = model(torch.tensor([text])).logits[0, -1]
            torch.testing.assert_close(sequences.logits[row], wanted, atol=1e-5, rtol=1e-5)
        if step in (2, 3, 7, 11):
            count = {2: 6, 3: 3, 7: 2, 11: 4}[step]
            rows = torch.randint(len(sequences), (count,), generator=generator).tolist()
            before = [list(text) for text in sequences.texts]
            sequences.select(rows)
            assert sequences.texts == [before[row] for row in rows]
        sequences.push(torch.randint(VOCAB, (len(sequences),), generator=generator).tolist())
        if step in (5, 9):
            sequences.select(list(range(len(sequences)))[::-1])


def test_rows_of_different_windows_can_be_chosen() -> None:
    """Some have moved on and others have not."""
    model = make("rotary", context=8)
    sequences = Sequences(model, [[1] * 7, [2, 3], [4] * 5], 40)
    generator = torch.Generator().manual_seed(1)
    begins = [0, 0, 0]
    for step in range(30):
        for row, text in enumerate(sequences.texts):
            if len(text) - begins[row] > 8:
                begins[row] = len(text) - 4
            with torch.inference_mode():
                wanted = model(torch.tensor([text[begins[row] :]])).logits[0, -1]
            torch.testing.assert_close(sequences.logits[row], wanted, atol=1e-5, rtol=1e-5)
        if step % 3 == 2:
            rows = torch.randint(len(sequences), (3,), generator=generator).tolist()
            sequences.select(rows)
            begins = [begins[row] for row in rows]
        sequences.push(torch.randint(VOCAB, (len(sequences),), generator=generator).tolist())


@pytest.mark.parametrize("kind", ["rotary", "lstm", "hf", "plain", "own"])
def test_a_prompt_is_read_once_for_all_its_samples(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, read = make(kind, context=64), []
    before = model.read

    def counting(tokens: torch.Tensor, state: Any) -> Any:
        read.append(tuple(tokens.shape))
        return before(tokens, state)

    monkeypatch.setattr(model, "read", counting)
    write(model, [[1, 2, 3, 4, 5]] * 4 + [[6, 7]], SamplingSettings(3))
    assert read[:2] == [(1, 5), (1, 2)]
    # Then all texts together, or those of one length, or, where a state cannot be parted, each by itself.
    step = [(5, 1)] if model.joins_states else [(1, 1)] * 5 if kind == "own" else [(4, 1), (1, 1)]
    assert read[2:] == step * 2


def test_a_model_that_reads_without_end_does_not_look_back(monkeypatch: pytest.MonkeyPatch) -> None:
    model, read = make("lstm"), []
    before = model.read

    def counting(tokens: torch.Tensor, state: Any) -> Any:
        read.append(tokens.shape[1])
        return before(tokens, state)

    monkeypatch.setattr(model, "read", counting)
    sequences = Sequences(model, [[1] * 5000], 3)
    for _ in range(3):
        sequences.push(sequences.logits.argmax(-1).tolist())
    assert sum(read) == 5000 + 2
    assert max(read) <= 2048
    assert (sequences.unread, sequences.slides) == ([0], [0])


def test_what_lies_too_far_back_is_counted() -> None:
    sequences = Sequences(make("rotary"), [[1] * 30, [1] * 12, [2]], 40)
    assert sequences.unread == [18, 0, 0]
    for _ in range(40):
        sequences.push(sequences.logits.argmax(-1).tolist())
    # A full window of 12 keeps 6, and takes 6 more before it is full again; the last token is never read.
    assert sequences.slides == [1 + (38 // 7), 1 + (38 // 7), (39 - 11 + 6) // 7]
