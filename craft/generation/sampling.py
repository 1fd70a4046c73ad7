"""Drawing the next token from a model's distribution, and texts from one token after another.

Letters: B sequences, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from craft.generation.sequences import Sequences
from craft.models.base import LanguageModel
from craft.runs.sampling_settings import SamplingSettings

_DRAWN_AT_ONCE = 256  # uniform numbers that a generator gives in one call
_LARGE = 8192  # a vocabulary of which only the likeliest tokens are looked at, where that is surely enough
_LIKELIEST, _SPARE = 1024, 64  # how many, without top_k; and how many more, for equal ones at the border


def filtered(logits: Tensor, settings: SamplingSettings) -> Tensor:
    """The logits that are drawn from: by temperature, which is above 0, and minus infinity for what top_k, top_p and
    min_p leave out. Equal ones at a border stay together. (B, V) -> (B, V)."""
    return _filter(_scaled(logits, settings), settings)


def _scaled(logits: Tensor, settings: SamplingSettings) -> Tensor:
    # The largest is 0 first: then no temperature above 0 can make it overflow, if fp32 can hold it.
    temperature = max(settings.temperature, torch.finfo(torch.float32).tiny)
    return (logits - logits.max(dim=-1, keepdim=True).values) / temperature


def _filter(logits: Tensor, settings: SamplingSettings, total: Tensor | None = None) -> Tensor:
    """Minus infinity for what is left out. total: (B, 1), the logsumexp where these are not all logits."""
    if 0 < settings.top_k < logits.shape[-1]:
        smallest = logits.topk(settings.top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < smallest, float("-inf"))
    if settings.top_p < 1:
        total = logits.logsumexp(dim=-1, keepdim=True) if total is None else total
        ordered = logits.sort(dim=-1, descending=True).values
        probabilities = (ordered - total).exp()
        # A token is inside while those before it hold less than top_p; the first always is.
        inside = probabilities.cumsum(-1) - probabilities < settings.top_p
        least = ordered.gather(-1, inside.sum(dim=-1, keepdim=True) - 1)
        logits = logits.masked_fill(logits < least, float("-inf"))
    if settings.min_p > 0:
        # The likeliest stands at 0, so a token's logit is the logarithm of its share of the likeliest's probability.
        logits = logits.masked_fill(logits.exp() < settings.min_p, float("-inf"))
    return logits


def _kept(logits: Tensor, settings: SamplingSettings) -> tuple[Tensor, Tensor | None]:
    """The logits that are drawn from, in the order of their tokens, and which tokens they are; None: all.

    Of a large vocabulary the likeliest are enough, if the least likely of them is left out in every row.
    """
    scaled, vocab_size = _scaled(logits, settings), logits.shape[-1]
    leaves_out = 0 < settings.top_k < vocab_size or settings.top_p < 1 or settings.min_p > 0
    count = (settings.top_k or _LIKELIEST) + _SPARE
    if leaves_out and vocab_size >= max(_LARGE, 2 * count):
        values, tokens = scaled.topk(count, dim=-1)  # (B, count)
        total = None if settings.top_k else scaled.logsumexp(dim=-1, keepdim=True)
        values = _filter(values, settings, total)
        if not bool((values[:, -1] > float("-inf")).any()):
            tokens, order = tokens.sort(dim=-1)
            return values.gather(-1, order), tokens
    return _filter(scaled, settings), None


def choose_token(logits: Tensor, settings: SamplingSettings, uniform: Tensor) -> Tensor:
    """The next token of each row. logits: (B, V) fp32 on the CPU, so seeds hold everywhere; uniform: (B,) float64, from
    0 up to 1, what each draws with -> (B,) int64."""
    if settings.temperature == 0:
        return logits.argmax(-1)
    kept, tokens = _kept(logits, settings)
    cumulative = F.softmax(kept, dim=-1).cumsum(-1, dtype=torch.float64)
    # The first token whose share reaches beyond the drawn number; a token of probability 0 is never one.
    drawn = uniform[:, None] * cumulative[:, -1:]
    places = torch.searchsorted(cumulative, drawn, right=True).clamp_(max=kept.shape[-1] - 1)
    return (places if tokens is None else tokens.gather(-1, places))[:, 0]


class Penalties:
    """Lowers the logits of tokens that stand in a text already."""

    def __init__(self, settings: SamplingSettings, vocab_size: int) -> None:
        self.settings, self.vocab_size = settings, vocab_size
        self.used = settings.repetition_penalty != 1 or settings.frequency_penalty != 0

    def apply(self, logits: Tensor, sequences: Sequences) -> Tensor:
        """(B, V) -> (B, V), a new tensor where something changes."""
        if not self.used:
            return logits
        logits = logits.clone()
        for row, (text, start) in enumerate(zip(sequences.texts, sequences.prompt_lengths, strict=True)):
            one = logits[row]
            if (penalty := self.settings.repetition_penalty) != 1:
                seen = torch.tensor(sorted(set(text)))
                some = one[seen].double()
                one[seen] = _in_fp32(torch.where(some > 0, some / penalty, some * penalty))
            if self.settings.frequency_penalty and len(text) > start:
                seen, times = torch.tensor(text[start:]).unique(return_counts=True)  # type: ignore[no-untyped-call]
                one[seen] = _in_fp32(one[seen].double() - self.settings.frequency_penalty * times)
        return logits


def _in_fp32(logits: Tensor) -> Tensor:
    """The nearest numbers that fp32 has: two infinities would have no difference."""
    largest = torch.finfo(torch.float32).max
    return logits.clamp(-largest, largest).float()


class Draws:
    """The uniform numbers that sequences draw with: each has a generator of its own, so what it draws does not depend
    on what is written beside it."""

    def __init__(self, seeds: Sequence[int], drawn_before: Sequence[int] | None = None) -> None:
        """drawn_before: how many numbers of each are left out, because they were drawn in an earlier call."""
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        for generator, count in zip(self._generators, drawn_before or [], strict=False):
            torch.rand(count, generator=generator, dtype=torch.float64)
        self._numbers = torch.empty(len(seeds), 0, dtype=torch.float64)
        self._place = 0

    def next(self) -> Tensor:
        """One for each, (B,) float64."""
        if self._place == self._numbers.shape[1]:
            drawn = [torch.rand(_DRAWN_AT_ONCE, generator=one, dtype=torch.float64) for one in self._generators]
            self._numbers, self._place = torch.stack(drawn), 0
        self._place += 1
        return self._numbers[:, self._place - 1]

    def select(self, rows: Sequence[int]) -> None:
        """Keep those of some sequences."""
        self._generators = [self._generators[row] for row in rows]
        self._numbers = self._numbers[list(rows)]


@dataclass(frozen=True)
class Thought:
    """What a model expected where it wrote a token: its own distribution, at temperature 1, with nothing left out."""

    token: int
    probability: float
    """Of this token."""
    entropy: float
    """Of the distribution, in nats: 0 where the model is certain, at most ln V."""
    alternatives: tuple[tuple[int, float], ...]
    """The likeliest tokens with their probabilities, the likeliest first."""


def thoughts(logits: Tensor, tokens: Tensor, count: int) -> list[Thought]:
    """What was expected where `tokens` were written. logits: (B, V), tokens: (B,); with `count` alternatives each."""
    logs = F.log_softmax(logits.double(), dim=-1)  # (B, V)
    probabilities = logs.exp()
    # 0 ln 0 is 0 here, as its limit is: an impossible token adds nothing.
    entropies = -torch.where(probabilities > 0, probabilities * logs, 0.0).sum(-1)
    top, order = probabilities.topk(min(count, logits.shape[-1]), dim=-1)
    chosen = probabilities.gather(-1, tokens[:, None])[:, 0]
    return [
        Thought(token, probability, max(0.0, entropy), tuple(zip(others, shares, strict=True)))
        for token, probability, entropy, others, shares in zip(
            tokens.tolist(), chosen.tolist(), entropies.tolist(), order.tolist(), top.tolist(), strict=True
        )
    ]


@dataclass(frozen=True)
class Drawn:
    """One token of one sequence."""

    row: int
    """Of the prompts as they were given."""
    token: int
    thought: Thought | None


def draw_tokens(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    settings: SamplingSettings,
    *,
    seeds: Sequence[int] | None = None,
    drawn_before: Sequence[int] | None = None,
    alternatives: int | None = None,
    finished: Callable[[int], bool] = lambda row: False,
    sequences: Sequences | None = None,
) -> Iterator[list[Drawn]]:
    """One token of each prompt that is still written, at a time, until all have `max_new_tokens`.

    seeds: one for each prompt; `settings.seed` for all when left out, so each text is what it would be by itself.
    drawn_before: how many tokens at each prompt's end were drawn earlier, so that this goes on where that would have.
    alternatives: how many likeliest tokens come with each drawn one; None leaves out what the model thought.
    finished: asked after each token, by row; True ends that row. sequences: prompts that are read already, or are to be
    looked at meanwhile.
    """
    written = sequences or Sequences(model, prompts, settings.max_new_tokens, written_before=drawn_before)
    rows = list(range(len(written)))
    draws = Draws(seeds if seeds is not None else [settings.seed] * len(rows), drawn_before)
    penalties = Penalties(settings, model.vocab_size)
    for _ in range(settings.max_new_tokens):
        if not rows:
            return
        logits = written.logits
        tokens = choose_token(penalties.apply(logits, written), settings, draws.next())
        thought = thoughts(logits, tokens, alternatives) if alternatives is not None else [None] * len(rows)
        chosen = tokens.tolist()
        written.push(chosen)
        yield [Drawn(row, token, one) for row, token, one in zip(rows, chosen, thought, strict=True)]
        going_on = [place for place, row in enumerate(rows) if not finished(row)]
        if len(going_on) < len(rows):
            written.select(going_on)
            draws.select(going_on)
            rows = [rows[place] for place in going_on]


def generate_tokens(model: LanguageModel, prompt: Sequence[int], settings: SamplingSettings) -> Iterator[int]:
    """Tokens that follow one prompt, as they are drawn. Stop texts are for craft/generation/writing.py."""
    for drawn in draw_tokens(model, [prompt], settings):
        yield drawn[0].token
