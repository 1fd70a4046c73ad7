"""Texts from any number of prompts: written side by side where they are alike, given out in their order.

A few hundred prompts are in hand at a time. Those with the same settings, but for the seed, are written together, those
of about the same length, as many as there is memory for.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch

from craft.errors import TokenizerError
from craft.generation.checkpoint import LoadedCheckpoint
from craft.generation.writing import Piece, Prompt, Writing, Written
from craft.models.base import LanguageModel
from craft.runs.prompts_file import PromptLine
from craft.runs.sampling_settings import SamplingSettings, sample_seed

_MOST_ROWS = 64  # more at once bring little, and the first text waits for them
_STATE_BYTES = 1 << 30  # what the states of texts side by side may take
_BATCHES = 4  # read ahead: prompts to choose alike ones from, and what a kill can lose


@dataclass(frozen=True)
class Answer:
    """One text, or why there is none."""

    line: PromptLine
    sample: int
    written: Written | None
    error: str = ""
    seconds: float = 0.0
    """From the beginning of its batch to its last token."""
    side_by_side: int = 0
    """Texts of its batch."""


@dataclass(frozen=True)
class Batch:
    """Some prompts with some of their samples, which are written side by side."""

    prompts: tuple[int, ...]
    first_sample: int
    samples: int

    def settings(self, settings: SamplingSettings) -> SamplingSettings:
        """Those of its first sample."""
        return dataclasses.replace(settings, seed=sample_seed(settings.seed, self.first_sample))


def batches(prompts: Sequence[int], samples: int, rows: int) -> Iterator[Batch]:
    """Prompts and samples in batches of at most `rows` texts, in their order."""
    if samples <= rows:
        size = rows // samples
        for start in range(0, len(prompts), size):
            yield Batch(tuple(prompts[start : start + size]), 0, samples)
        return
    for prompt in prompts:
        for first in range(0, samples, rows):
            yield Batch((prompt,), first, min(rows, samples - first))


def rows_at_once(model: LanguageModel) -> int:
    """How many texts are written side by side: as many as have room for their states."""
    with torch.inference_mode():
        one = _state_bytes(model.init_state(1, model.context_length))
    return max(1, min(_MOST_ROWS, _STATE_BYTES // max(1, one)))


def _state_bytes(state: Any) -> int:
    if isinstance(state, torch.Tensor):
        return state.numel() * state.element_size()
    if isinstance(state, dict):
        return sum(map(_state_bytes, state.values()))
    if isinstance(state, list | tuple):
        return sum(map(_state_bytes, state))
    return _state_bytes(vars(state)) if hasattr(state, "__dict__") else 0


def write_many(
    loaded: LoadedCheckpoint,
    lines: Iterable[PromptLine],
    *,
    samples: int = 1,
    alternatives: int | None = None,
    on_piece: Callable[[Piece], None] = lambda piece: None,
) -> Iterator[Answer]:
    """All samples of the first prompt, then of the next, each as soon as its turn comes.

    A prompt that the tokenizer cannot read has answers with an error, and the others go on. on_piece is told of every
    token.
    """
    rows, waiting = rows_at_once(loaded.model), iter(lines)
    ahead = max(1, _BATCHES * rows // samples)
    while some := list(islice(waiting, ahead)):
        yield from _in_order(loaded, some, samples, alternatives, rows, on_piece)


def _in_order(
    loaded: LoadedCheckpoint,
    lines: Sequence[PromptLine],
    samples: int,
    alternatives: int | None,
    rows: int,
    on_piece: Callable[[Piece], None],
) -> Iterator[Answer]:
    answers: dict[tuple[int, int], Answer] = {}
    lengths: dict[int, int] = {}
    for place, line in enumerate(lines):
        try:
            loaded.tokenizer.decode(line.tokens)  # whether they are tokens of it
            lengths[place] = len(loaded.tokenizer.encode(line.prompt)) + len(line.tokens)
        except TokenizerError as error:
            answers |= {(place, sample): Answer(line, sample, None, str(error)) for sample in range(samples)}
    alike: dict[SamplingSettings, list[int]] = {}
    for place in sorted(lengths, key=lambda place: lengths[place]):
        alike.setdefault(dataclasses.replace(lines[place].settings, seed=0), []).append(place)
    planned = [(settings, batch) for settings, places in alike.items() for batch in batches(places, samples, rows)]
    planned.sort(key=lambda one: (min(one[1].prompts), one[1].first_sample))
    turns = iter([(place, sample) for place in range(len(lines)) for sample in range(samples)])
    turn = next(turns, None)
    for step in [None, *planned]:
        if step is not None:
            answers |= _write(loaded, lines, *step, alternatives, on_piece)
        while turn in answers:
            yield answers.pop(turn)
            turn = next(turns, None)


def _write(
    loaded: LoadedCheckpoint,
    lines: Sequence[PromptLine],
    settings: SamplingSettings,
    batch: Batch,
    alternatives: int | None,
    on_piece: Callable[[Piece], None],
) -> dict[tuple[int, int], Answer]:
    """The texts of one batch."""
    started = time.perf_counter()
    writing = Writing(
        loaded.model,
        loaded.tokenizer,
        [Prompt(lines[place].prompt, lines[place].tokens) for place in batch.prompts],
        settings,
        samples=batch.samples,
        alternatives=alternatives,
        end_tokens=loaded.end_tokens,
        seeds=[sample_seed(lines[place].settings.seed, batch.first_sample) for place in batch.prompts],
    )
    seconds: dict[tuple[int, int], float] = {}
    for piece in writing:
        if piece.ended:
            seconds[piece.prompt, piece.sample] = time.perf_counter() - started
        on_piece(piece)
    made = {}
    for text in writing.texts:
        place, sample = batch.prompts[text.prompt], batch.first_sample + text.sample
        whole = dataclasses.replace(text, prompt=lines[place].index, sample=sample)
        took = round(seconds[text.prompt, text.sample], 4)
        made[place, sample] = Answer(lines[place], sample, whole, "", took, len(writing.texts))
    return made
