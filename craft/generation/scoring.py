"""What a model thinks of a text that is there already: how much it expected each token, and what else it did.

Letters: B windows side by side, T tokens of a window, N judged tokens, V vocabulary, A alternatives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from craft.data.tokenizers import Tokenizer
from craft.errors import CheckpointError, UsageError
from craft.generation.writing import evaluating
from craft.models.base import LanguageModel

_READ_AT_ONCE = 1 << 13  # tokens that go through the model together, where several windows do
_LOGITS_AT_ONCE = 1 << 23  # numbers that the logits of those may be: 32 MB of fp32, and as much again for each step


@dataclass(frozen=True, slots=True)
class TokenScore:
    """One token of a text. Of the first nothing is expected: all but the first two figures are None, and no
    alternatives."""

    token: int
    piece: str
    """What it stands for; not cleaned for a terminal."""
    loss: float | None
    """In nats: minus the logarithm of its probability."""
    probability: float | None
    entropy: float | None
    """Of all that was expected here, in nats."""
    rank: int | None
    """1 for the likeliest; as many as are likelier, and one."""
    alternatives: tuple[tuple[int, str, float], ...]
    """The likeliest tokens: id, what it stands for, probability; the likeliest first."""

    def as_json(self) -> dict[str, Any]:
        """All of it; null for what is no number."""
        return {
            "token": self.token,
            "text": self.piece,
            "loss": _number(self.loss),
            "probability": self.probability,
            "entropy": self.entropy,
            "rank": self.rank,
            "alternatives": [
                {"token": token, "text": piece, "probability": share} for token, piece, share in self.alternatives
            ],
        }


class TextScore(Sequence[TokenScore]):
    """The tokens of a text with what was expected of each, and totals over those that could be expected.

    A sequence of `TokenScore`s, each made when it is asked for: the figures of a million tokens take 70 MB as they are.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        tokens: NDArray[np.int64],
        figures: _Figures,
        *,
        window: int,
        num_windows: int,
    ) -> None:
        self._tokenizer, self._tokens, self._figures = tokenizer, tokens, figures
        self._pieces: dict[int, str] = {}
        self.window = window
        """Tokens that the model looks at together at most; 0 where it reads on without end."""
        self.num_windows = num_windows
        """How many windows there were. With more than one each token had at least half a window before it."""
        self.nats = float(figures.losses.sum(dtype=np.float64))
        """The loss of all tokens together."""
        self.num_bytes = int(tokenizer.token_bytes()[tokens[1:]].sum())
        """Of UTF-8 that the judged tokens stand for."""

    def __len__(self) -> int:
        return len(self._tokens)

    @overload
    def __getitem__(self, place: int) -> TokenScore: ...
    @overload
    def __getitem__(self, place: slice) -> list[TokenScore]: ...
    def __getitem__(self, place: int | slice) -> TokenScore | list[TokenScore]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        place = range(len(self))[place]
        token, figures = int(self._tokens[place]), self._figures
        if place == 0:
            return TokenScore(token, self._piece(token), None, None, None, None, ())
        at, loss = place - 1, float(figures.losses[place - 1])
        others = zip(figures.alternatives[at].tolist(), figures.shares[at].tolist(), strict=True)
        return TokenScore(
            token,
            self._piece(token),
            loss,
            math.exp(-loss),
            float(figures.entropies[at]),
            int(figures.ranks[at]),
            tuple((other, self._piece(other), share) for other, share in others),
        )

    @property
    def judged(self) -> int:
        """Tokens that could be expected: all but the first."""
        return max(0, len(self) - 1)

    @property
    def loss(self) -> float | None:
        """Mean loss of a token, in nats; None for a text of one."""
        return self.nats / self.judged if self.judged else None

    @property
    def perplexity(self) -> float | None:
        """e to the loss."""
        if self.loss is None:
            return None
        return math.exp(self.loss) if self.loss < 700 else math.inf

    @property
    def bits_per_byte(self) -> float | None:
        """The loss in bits by the bytes of what was judged; None where that has none."""
        return self.nats / math.log(2) / self.num_bytes if self.num_bytes else None

    def totals(self) -> dict[str, Any]:
        """All figures but those of each token, as JSON has them; null for what is no number."""
        return {
            "tokens": len(self),
            "judged": self.judged,
            "bytes": self.num_bytes,
            "nats": _number(self.nats),
            "loss": _number(self.loss),
            "perplexity": _number(self.perplexity),
            "bits_per_byte": _number(self.bits_per_byte),
            "window": self.window,
            "num_windows": self.num_windows,
        }

    def as_json(self) -> dict[str, Any]:
        """Totals, and the tokens in `scores`. Of a long text, better `totals` and one token after another."""
        return {**self.totals(), "scores": [one.as_json() for one in self]}

    def columns(self, begin: int, end: int) -> dict[str, Any]:
        """Some tokens as a list a figure, which a hundred thousand of them are written, sent and read in at once.

        `alternatives` and `probabilities` have a list for the likeliest, one for the next and so on. Null stands where
        nothing was expected, and for a loss that is no number.
        """
        end = min(end, len(self))
        figures, here = self._figures, slice(max(begin - 1, 0), max(end - 1, 0))
        nothing = [None] * (begin == 0 < end)
        return {
            "tokens": self._tokens[begin:end].tolist(),
            "losses": nothing + [_number(loss) for loss in figures.losses[here].tolist()],
            "entropies": nothing + figures.entropies[here].tolist(),
            "ranks": nothing + figures.ranks[here].tolist(),
            "alternatives": [nothing + column for column in figures.alternatives[here].T.tolist()],
            "probabilities": [nothing + column for column in figures.shares[here].T.tolist()],
        }

    def pieces(self, begin: int, end: int) -> dict[int, str]:
        """What those tokens and their alternatives stand for."""
        others = np.unique(self._figures.alternatives[max(begin - 1, 0) : max(end - 1, 0)]).tolist()
        return {token: self._piece(token) for token in (*self._tokens[begin:end].tolist(), *others)}

    def _piece(self, token: int) -> str:
        if token not in self._pieces:
            self._pieces[token] = self._tokenizer.piece(token)
        return self._pieces[token]


def score_text(
    model: LanguageModel,
    tokenizer: Tokenizer,
    text: str,
    alternatives: int = 5,
    *,
    progress: Callable[[int, int], None] = lambda judged, all_of_them: None,
) -> TextScore:
    """How much a model expected each token of a text, with the likeliest `alternatives` to it.

    A text longer than the context is read through a window that moves on by half: after the first window, each token
    is judged with at least half a window before it, and once. A model whose state has no end reads everything, once.
    In one window the mean is the loss that `model(tokens, targets)` gives.

    progress: told from time to time how many tokens are judged, and how many will be; what it raises ends the scoring.
    Raises UsageError for an empty text, TokenizerError for one that cannot be encoded, CheckpointError for a model
    whose logits are no numbers.
    """
    if alternatives < 0:
        raise UsageError(f"alternatives must be 0 (none) or more, found {alternatives}")
    tokens = tokenizer.encode_array(text).astype(np.int64)
    if not len(tokens):
        raise UsageError("there is nothing to score: the text is empty")
    figures = _Figures.empty(len(tokens) - 1, min(alternatives, model.vocab_size))
    window = 0 if model.unbounded else model.context_length
    num_windows = 0
    with evaluating(model), torch.inference_mode():
        whole = torch.from_numpy(tokens)
        parts = _read_on(model, whole) if model.unbounded else _read_windows(model, whole)
        for logits, targets, place, windows in parts:
            num_windows += windows
            _judge(logits, targets, figures, place)
            progress(place + len(targets), len(tokens) - 1)
    if bool(np.isnan(figures.losses).any()):
        raise CheckpointError(
            "the model's logits are no numbers: its training had diverged, or its weights are damaged; take an "
            "earlier checkpoint"
        )
    return TextScore(tokenizer, tokens, figures, window=window, num_windows=num_windows)


@dataclass(frozen=True)
class _Figures:
    """What was found of each judged token."""

    losses: NDArray[np.float64]  # (N,)
    entropies: NDArray[np.float32]  # (N,)
    ranks: NDArray[np.int32]  # (N,)
    alternatives: NDArray[np.int32]  # (N, A)
    shares: NDArray[np.float32]  # (N, A)

    @classmethod
    def empty(cls, judged: int, alternatives: int) -> _Figures:
        return cls(
            np.empty(judged),
            np.empty(judged, np.float32),
            np.empty(judged, np.int32),
            np.empty((judged, alternatives), np.int32),
            np.empty((judged, alternatives), np.float32),
        )


_Part = tuple[Tensor, Tensor, int, int]
"""Logits (N, V), what follows (N,), the place of the first of these among the judged, windows that begin in it."""


def _read_windows(model: LanguageModel, tokens: Tensor) -> Iterator[_Part]:
    """The text through windows of the model's context. tokens: (N + 1,)."""
    window, device = model.context_length, model.device
    inputs, targets = tokens[:-1], tokens[1:]
    step = (window + 1) // 2
    before = window - step  # what a later window reads again, and does not judge again
    if not len(inputs):
        return
    first = inputs[:window].to(device)[None]  # (1, T)
    yield _logits(model, first), targets[:window].to(device), 0, 1
    side_by_side = max(1, min(_READ_AT_ONCE // window, _LOGITS_AT_ONCE // (window * model.vocab_size)))
    place = window
    while place < len(inputs):
        count = min(side_by_side, (len(inputs) - place) // step)
        if count:
            start, length = place - before, step * count
            rows = inputs[start : start + before + length].unfold(0, window, step)  # (B, T)
        else:  # what is left, shorter than a step
            count, length = 1, len(inputs) - place
            rows = inputs[place - before :][None]
        logits = _logits(model, rows.to(device), before)
        yield logits, targets[place : place + length].to(device), place, count
        place += length


def _logits(model: LanguageModel, rows: Tensor, before: int = 0) -> Tensor:
    """Of each position but the first `before` of each row. (B, T) -> (B (T - before), V)."""
    logits = model(rows).logits
    assert logits is not None, "a model gives logits where there are no targets"
    judged: Tensor = logits[:, before:].flatten(0, 1)
    return judged


def _read_on(model: LanguageModel, tokens: Tensor) -> Iterator[_Part]:
    """The text in blocks, each from the state after the one before it. tokens: (N + 1,)."""
    state: Any = model.init_state(1, len(tokens))
    size, place = max(1, min(_READ_AT_ONCE, _LOGITS_AT_ONCE // model.vocab_size)), 0
    for block, targets in zip(torch.split(tokens[:-1], size), torch.split(tokens[1:], size), strict=True):
        if not len(block):
            return
        output = model(block.to(model.device)[None], state=state)
        state = output.state
        yield output.logits[0], targets.to(model.device), place, int(place == 0)
        place += len(block)


def _judge(logits: Tensor, targets: Tensor, figures: _Figures, place: int) -> None:
    """Fill the figures from `place` on. logits: (N, V), targets: (N,)."""
    count = figures.alternatives.shape[1]
    size = max(1, _LOGITS_AT_ONCE // logits.shape[1])
    for some, wanted in zip(torch.split(logits, size), torch.split(targets, size), strict=True):
        logs = F.log_softmax(some.float(), dim=-1)  # (N, V)
        chosen = logs.gather(-1, wanted[:, None])  # (N, 1)
        probabilities = logs.exp()
        # 0 ln 0 is 0 here, as its limit is.
        entropies = -(probabilities * logs.clamp(min=torch.finfo(logs.dtype).min)).sum(-1)
        shares, others = probabilities.topk(count, dim=-1)
        here = slice(place, place + len(wanted))
        figures.losses[here] = -chosen[:, 0].double().cpu().numpy()
        figures.entropies[here] = entropies.clamp(min=0).cpu().numpy()
        figures.ranks[here] = ((logs > chosen).sum(-1) + 1).cpu().numpy()
        figures.alternatives[here] = others.cpu().numpy()
        figures.shares[here] = shares.cpu().numpy()
        place += len(wanted)


def _number(value: float | None) -> float | None:
    """JSON has no infinity."""
    return value if value is not None and math.isfinite(value) else None
