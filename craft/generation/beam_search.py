"""Beam search: the likeliest whole texts, of which the best few are followed at each step.

    for step in (search := BeamSearch(model, tokenizer, "def ", BeamSettings(width=4, num_results=2))):
        ...  # search.beams and search.tree, as they are now
    search.results

Letters: B beams, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from craft.data.tokenizers import Tokenizer
from craft.generation.beam_tree import BeamTree
from craft.generation.sequences import Sequences
from craft.generation.writing import End, Prompt, TextStream, evaluating
from craft.models.base import LanguageModel
from craft.runs.sampling_settings import BeamSettings


@dataclass(frozen=True)
class Beam:
    """One text of a search."""

    text: str
    tokens: tuple[int, ...]
    """What was written after the prompt, with the tokens of a stop text and the one for the end."""
    log_probability: float
    """Of all its tokens, in nats."""
    score: float
    """What it is ranked by: its log-probability divided by its number of tokens to the power of the length penalty."""
    ended: End
    probabilities: tuple[float, ...]
    """Of each token, after those before it."""

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


@dataclass(frozen=True)
class _Open:
    """A text that the search goes on from."""

    tokens: tuple[int, ...]
    total: float
    node: int | None


@dataclass(frozen=True)
class _Candidate:
    """One more token after one of them."""

    row: int
    token: int
    log_probability: float
    total: float
    ended: End


@dataclass(frozen=True)
class _Finished:
    tokens: tuple[int, ...]
    total: float
    score: float
    ended: End
    node: int


def beam_search_generate(
    model: LanguageModel,
    tokenizer: Tokenizer,
    prompt: str | Prompt,
    *,
    end_tokens: frozenset[int] = frozenset(),
    **settings: Any,
) -> list[Beam]:
    """The best texts after a prompt, the best first; `settings` are those of `BeamSettings`, by name.

    There are `num_results` of them, fewer only where there are no more. Raises UsageError for a setting that makes no
    sense, TokenizerError for a prompt that cannot be encoded, CheckpointError for a model whose logits are no numbers.
    """
    search = BeamSearch(model, tokenizer, prompt, BeamSettings(**settings), end_tokens=end_tokens)
    for _ in search:
        pass
    return search.results


class BeamSearch:
    """A search, step by step: iterate over it for the number of each step, and look at it in between.

    At each step every open text is followed by every token, and the candidates are gone through from the likeliest on.
    One that ends among the first `width` is a finished text; the first `width` that do not end are the next open ones.
    At `max_new_tokens` all end. The search ends there, or once `width` texts have ended and no open one scores better
    than the worst of them (or at once, with `early_stopping`). These are the rules of transformers' beam search.

    A width of 1 is the likeliest token, always. Equal candidates go in the order of their beams and tokens.
    """

    def __init__(
        self,
        model: LanguageModel,
        tokenizer: Tokenizer,
        prompt: str | Prompt,
        settings: BeamSettings,
        *,
        end_tokens: frozenset[int] = frozenset(),
    ) -> None:
        """Raises TokenizerError for a prompt that cannot be encoded."""
        self.settings, self.tree = settings, BeamTree()
        self.unread, self.slides = 0, 0
        """Of the prompt and of the window, as `Written` has them."""
        self._model, self._tokenizer, self._end_tokens = model, tokenizer, end_tokens
        whole = prompt if isinstance(prompt, Prompt) else Prompt(prompt)
        self._prompt = [*tokenizer.encode(whole.text), *whole.tokens]
        self._chosen = whole.tokens
        self._open = [_Open((), 0.0, None)]
        self._finished: list[_Finished] = []  # the best first, at most `width`
        self._token_bytes = tokenizer.token_bytes() if settings.stop else None
        self._tail_bytes = 4 + max((len(stop.encode("utf-8", "replace")) for stop in settings.stop), default=0)

    @property
    def beams(self) -> list[Beam]:
        """The texts that are open now, the likeliest first; none at the end."""
        return [self._beam(one.tokens, one.total, "", one.node) for one in self._open if one.node is not None]

    @property
    def results(self) -> list[Beam]:
        """The best texts that have ended so far, the best first: at the end, those that were looked for."""
        best = self._finished[: self.settings.num_results]
        return [self._beam(one.tokens, one.total, one.ended, one.node) for one in best]

    def __iter__(self) -> Iterator[int]:
        with evaluating(self._model):
            yield from self._steps()

    def _steps(self) -> Iterator[int]:
        """The number of each step, from 1."""
        assert self.tree.step == 0, "a search is gone through once"
        before = [len(self._chosen)]
        sequences = Sequences(self._model, [self._prompt], self.settings.max_new_tokens, written_before=before)
        self.unread = sequences.unread[0]
        for step in range(1, self.settings.max_new_tokens + 1):
            self.tree.step = step
            candidates, going_on = self._candidates(sequences.logits, step)
            self.slides = sequences.slides[0]
            parents, self._open = self._open, self._take(candidates, going_on)
            for parent in parents:
                if parent.node is not None and not self.tree.goes_on(parent.node):
                    self.tree.give_up(parent.node)
            last = self._is_over()
            if last:
                for one in self._open:
                    if one.node is not None:
                        self.tree.give_up(one.node)
                self._open = []
            yield step
            if last:
                return
            sequences.select([candidate.row for candidate in going_on])
            sequences.push([candidate.token for candidate in going_on])

    # One step --------------------------------------------------------------------------------------------------------

    def _candidates(self, logits: Tensor, step: int) -> tuple[list[_Candidate], list[_Candidate]]:
        """What was looked at, the likeliest first, and what of it the search goes on from. logits: (B, V)."""
        width = self.settings.width
        logs = F.log_softmax(logits.double(), dim=-1)  # (B, V)
        totals = logs + torch.tensor([one.total for one in self._open], dtype=logs.dtype)[:, None]
        # As many as are enough when each open text has each token for the end among the best; stop texts may need more.
        count = width * (2 + len(self._end_tokens))
        while True:
            places = _largest(totals.flatten(), count)
            candidates = []
            for place in places.tolist():
                row, token = divmod(place, logs.shape[1])
                ended = self._ended(self._open[row], token, step)
                candidates.append(_Candidate(row, token, logs[row, token].item(), totals[row, token].item(), ended))
            going_on = [candidate for candidate in candidates if not candidate.ended][:width]
            if len(going_on) == width or step == self.settings.max_new_tokens or len(places) < count:
                return candidates, going_on
            count *= 2

    def _take(self, candidates: list[_Candidate], going_on: list[_Candidate]) -> list[_Open]:
        """Add a step to the tree and to the finished texts; the open ones from now on."""
        width, made = self.settings.width, []
        staying = {(one.row, one.token) for one in going_on}
        for rank, one in enumerate(candidates):
            before = self._open[one.row]
            tokens = (*before.tokens, one.token)
            finishes = bool(one.ended) and rank < width
            score = one.total / len(tokens) ** self.settings.length_penalty if finishes else None
            kept = finishes or (one.row, one.token) in staying
            if not kept and rank >= 2 * width:
                continue  # the tree shows the next best ones, and not all that were gone through
            piece = self._tokenizer.piece(one.token)
            node = self.tree.add(before.node, one.token, piece, one.log_probability, one.total, kept=kept, score=score)
            if score is not None:
                self._finished.append(_Finished(tokens, one.total, score, one.ended, node.id))
            elif kept:
                made.append(_Open(tokens, one.total, node.id))
        self._finished.sort(key=lambda one: -one.score)
        for beaten in self._finished[width:]:
            self.tree.give_up(beaten.node)
        del self._finished[width:]
        return made

    def _is_over(self) -> bool:
        if not self._open:
            return True
        if len(self._finished) < self.settings.width:
            return False
        best = max(one.total for one in self._open) / len(self._open[0].tokens) ** self.settings.length_penalty
        return self.settings.early_stopping or best <= self._finished[-1].score

    def _ended(self, before: _Open, token: int, step: int) -> End:
        """Whether a text ends with one more token."""
        if token in self._end_tokens:
            return "end"
        if self._token_bytes is not None and self._may_stop((*before.tokens, token)):
            stream = self._stream()
            for one in (*before.tokens, token):
                stream.push(one)
            if stream.stopped:
                return "stop"
        return "length" if step == self.settings.max_new_tokens else ""

    def _may_stop(self, tokens: tuple[int, ...]) -> bool:
        """Whether a stop text stands at the end: decoding a whole text for every candidate would cost its square."""
        assert self._token_bytes is not None, "there are stop texts"
        tokens = (*self._chosen, *tokens)
        # As many tokens as hold the longest stop text after the newest one, and half a character.
        start, held = len(tokens) - 1, 0
        while start > 0 and held < self._tail_bytes:
            start -= 1
            held += int(self._token_bytes[tokens[start]])
        tail = self._tokenizer.decode(tokens[start:])
        return any(stop in tail for stop in self.settings.stop)

    # What is given out -----------------------------------------------------------------------------------------------

    def _stream(self) -> TextStream:
        stream = TextStream(self._tokenizer, self.settings.stop)
        stream.begin(self._chosen)
        return stream

    def _beam(self, tokens: tuple[int, ...], total: float, ended: End, node: int) -> Beam:
        stream = self._stream()
        shown = tokens[:-1] if ended == "end" else tokens
        text = "".join([*map(stream.push, shown), stream.flush() if ended else ""])
        score = total / len(tokens) ** self.settings.length_penalty
        probabilities = tuple(math.exp(one.log_probability) for one in self.tree.path(node))
        return Beam(text, tokens, total, score, ended, probabilities)


def _largest(values: Tensor, count: int) -> Tensor:
    """The places of the largest values, the largest first and equal ones in their order; none of minus infinity.
    (N,) -> at most (count,)."""
    if count < len(values):
        least = values.topk(count).values[-1]
        places = (values >= least).nonzero()[:, 0]
    else:
        places = torch.arange(len(values))
    places = places[values[places] > -math.inf]
    return places[values[places].argsort(descending=True, stable=True)[:count]]
