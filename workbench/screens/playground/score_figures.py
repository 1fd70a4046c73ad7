"""How much a checkpoint expected each token of a text, as it comes; a hundred thousand of them take some megabytes.

Free of widgets.
"""

from __future__ import annotations

import heapq
import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

from craft.runs.json_files import is_number
from workbench.screens.playground.tokens import Token

NATS_PER_BIT = math.log(2)
UNITS = {"nats": 1.0, "bits": 1 / NATS_PER_BIT}
"""What a surprise is counted in, and how many of it a nat has."""
DIFFERENCES = (0.1, 0.5, 1.5)
"""Nats: the borders between the looks of a difference, from alike to far apart."""
_UNKNOWN = -1


@dataclass(frozen=True)
class Thought:
    """All that is known of one token."""

    token: int
    piece: str
    loss: float | None
    """In nats; None for the first, of which nothing is expected."""
    entropy: float | None
    rank: int | None
    alternatives: tuple[tuple[str, float], ...]
    """The likeliest tokens with their probabilities, the likeliest first."""

    @property
    def probability(self) -> float | None:
        """What it was given."""
        return None if self.loss is None else math.exp(-self.loss)


class Scored(Sequence[Token]):
    """The tokens of a text with what one checkpoint thought of each, in the order of the text."""

    def __init__(self) -> None:
        self._tokens, self._ranks = array("q"), array("q")
        self._losses, self._entropies = array("d"), array("f")
        self._others: list[array[int]] = []  # the likeliest tokens, then the next ones and so on
        self._shares: list[array[float]] = []
        self._pieces: dict[int, str] = {}

    def take(self, message: dict[str, Any]) -> None:
        """The next ones of a `scores` message."""
        self._pieces |= {int(token): piece for token, piece in message["pieces"].items()}
        self._tokens.extend(message["tokens"])
        ranks, losses = message["ranks"], message["losses"]
        self._ranks.extend([_UNKNOWN if rank is None else rank for rank in ranks])
        # A loss without end is no number in JSON; its rank is one, where something was expected.
        self._losses.extend(
            [
                loss if loss is not None else math.nan if rank is None else math.inf
                for loss, rank in zip(losses, ranks, strict=True)
            ]
        )
        self._entropies.extend(_known(message["entropies"]))
        others, shares = message["alternatives"], message["probabilities"]
        if not self._others:
            self._others, self._shares = [array("q") for _ in others], [array("f") for _ in shares]
        for kept, column in zip(self._others, others, strict=True):
            kept.extend([_UNKNOWN if token is None else token for token in column])
        for here, figures in zip(self._shares, shares, strict=True):
            here.extend(_known(figures))

    def __len__(self) -> int:
        return len(self._tokens)

    @overload
    def __getitem__(self, place: int) -> Token: ...
    @overload
    def __getitem__(self, place: slice) -> list[Token]: ...
    def __getitem__(self, place: int | slice) -> Token | list[Token]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        token, loss, entropy = self._tokens[place], self._losses[place], self._entropies[place]
        piece = self._pieces[token]
        share = None if math.isnan(loss) else math.exp(-loss)
        return Token(token, piece, share, None if math.isnan(entropy) else entropy, text=piece)

    def piece(self, place: int) -> str:
        """What a token stands for."""
        return self._pieces[self._tokens[place]]

    def loss(self, place: int) -> float | None:
        """In nats; None where nothing was expected."""
        loss = self._losses[place]
        return None if math.isnan(loss) else loss

    def thought(self, place: int) -> Thought:
        """All of a token."""
        token, entropy, rank = self._tokens[place], self._entropies[place], self._ranks[place]
        others = [
            (self._pieces[column[place]], shares[place])
            for column, shares in zip(self._others, self._shares, strict=True)
            if column[place] != _UNKNOWN
        ]
        return Thought(
            token,
            self._pieces[token],
            self.loss(place),
            None if math.isnan(entropy) else entropy,
            None if rank == _UNKNOWN else rank,
            tuple(others),
        )

    def worst(self, count: int) -> list[int]:
        """The places of the tokens that were expected least, the worst first."""
        losses = self._losses
        known = (place for place in range(len(losses)) if losses[place] == losses[place])
        return heapq.nlargest(count, known, key=losses.__getitem__)

    def same_tokens(self, other: Scored) -> bool:
        """Whether both are of the same tokens so far, so that they can be compared one by one."""
        if other is self:
            return True
        size = min(len(self), len(other))
        if self._tokens[:size] != other._tokens[:size]:
            return False
        return self._pieces.items() <= other._pieces.items() or all(
            self._pieces[token] == other._pieces[token] for token in set(self._tokens[:size])
        )

    def farthest(self, other: Scored, count: int) -> list[int]:
        """The places where two differ most."""
        places = range(min(len(self), len(other)))
        gaps = [abs(found) if (found := difference(self, other, place)) is not None else 0.0 for place in places]
        return heapq.nlargest(count, places, key=gaps.__getitem__)


def _known(figures: list[float | None]) -> list[float]:
    return [math.nan if figure is None else figure for figure in figures]


def difference(one: Scored, other: Scored, place: int) -> float | None:
    """Nats that `other` loses less on a token than `one`: above zero where `other` likes it better."""
    if place >= len(one) or place >= len(other):
        return None
    first, second = one.loss(place), other.loss(place)
    if first is None or second is None:
        return None
    found = first - second
    return None if math.isnan(found) else found


def level_of_difference(found: float | None) -> int:
    """-3, `one` likes it far better, to 3, `other` does."""
    if found is None:
        return 0
    size = sum(abs(found) >= border for border in DIFFERENCES)
    return size if found > 0 else -size


@dataclass(frozen=True)
class Totals:
    """What a text cost a checkpoint altogether."""

    tokens: int
    judged: int
    num_bytes: int
    nats: float | None
    loss: float | None
    """Nats of a token."""
    perplexity: float | None
    bits_per_byte: float | None
    windows: int
    window: int


def read_totals(result: dict[str, Any]) -> Totals:
    """Those of a `done` message."""

    def number(name: str) -> float | None:
        value = result.get(name)
        return float(value) if is_number(value) else None

    counts = {name: int(number(name) or 0) for name in ("tokens", "judged", "bytes", "num_windows", "window")}
    return Totals(
        counts["tokens"],
        counts["judged"],
        counts["bytes"],
        number("nats"),
        number("loss"),
        number("perplexity"),
        number("bits_per_byte"),
        counts["num_windows"],
        counts["window"],
    )
