"""Texts that a model writes side by side: what stands in them, and what it expects next in each.

Everything that generates goes through this: sampling, beam search, several samples of a prompt, many prompts. A prompt
is read once, and each new token costs one position: a state carries the rest.

Letters: B sequences, T new positions, V vocabulary.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from craft.errors import CheckpointError
from craft.models.base import LanguageModel

_BLOCK = 2048


@dataclass
class _Group:
    """Sequences that share a state."""

    rows: list[int]
    state: Any
    filled: list[int]
    """Positions of each that the state holds."""
    room: int
    """Positions that it can hold."""


class Sequences:
    """Sequences of tokens that grow together, one token of each a time.

    What follows a prompt is the same, up to the last digits of a sum, whether it is written alone or beside others:
    each sequence has positions of its own.

    Text longer than the model's context goes on over a window: when that is full, its later half is read anew. A model
    whose state has no end reads everything, once. An empty prompt starts from token 0, for want of a beginning.
    """

    def __init__(
        self,
        model: LanguageModel,
        prompts: Sequence[Sequence[int]],
        max_new_tokens: int,
        *,
        written_before: Sequence[int] | None = None,
    ) -> None:
        """prompts: token ids. max_new_tokens: how many each will grow by at most, for which room is made.
        written_before: how many tokens at the end of each were written, as it were, so that it goes on from them as it
        would have gone on then; none when left out."""
        assert not model.training, "dropout would draw at random"
        self.model, self.window = model, model.context_length
        before = list(written_before or [0] * len(prompts))
        self.texts = [
            list(prompt) if len(prompt) > count else [0, *prompt] for prompt, count in zip(prompts, before, strict=True)
        ]
        """The tokens of each, prompt included."""
        self.prompt_lengths = [len(text) - count for text, count in zip(self.texts, before, strict=True)]
        self.unread = [0 if model.unbounded else max(0, length - self.window) for length in self.prompt_lengths]
        """Tokens at the beginning of each prompt that are further back than the model looks, and were never read."""
        self.slides = [0] * len(self.texts)
        """How often the window of each was moved on."""
        self._left = max_new_tokens
        self._groups: list[_Group] = []
        self._logits: Tensor | None = None
        self._stale = list(range(len(self.texts)))  # rows whose text is to be read from the beginning of their window

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def logits(self) -> Tensor:
        """(B, V) fp32 on the CPU: what is expected next in each. Taking them there is all the waiting for a device that
        a token needs. Raises CheckpointError when there is no distribution in them."""
        if self._logits is None:
            self._logits = self._advance()
            if not math.isfinite(self._logits.max()):
                raise CheckpointError(
                    "the model's logits are no numbers: its training had diverged, or its weights are damaged; take an "
                    "earlier checkpoint"
                )
        return self._logits

    def push(self, tokens: Sequence[int]) -> None:
        """Add one token to each sequence. It is read when logits are asked for: the last one never is."""
        assert self._logits is not None, "a token follows from logits"
        for text, token in zip(self.texts, tokens, strict=True):
            text.append(token)
        self._logits = None
        self._left -= 1

    def select(self, rows: Sequence[int]) -> None:
        """Go on with the sequences `rows`, in this order; one may stand several times, and several be left out."""
        rows = list(rows)
        if rows == list(range(len(self))):
            return
        assert not self._stale, "what was not read yet cannot be chosen from"
        self.texts = _fan(self.texts, rows)
        self.prompt_lengths = [self.prompt_lengths[row] for row in rows]
        self.unread = [self.unread[row] for row in rows]
        self.slides = [self.slides[row] for row in rows]
        if self._logits is not None:
            self._logits = self._logits[rows]
        places: dict[int, list[int]] = {}
        for new, old in enumerate(rows):
            places.setdefault(old, []).append(new)
        self._groups = [part for group in self._groups for part in self._selected(group, places)]

    def _selected(self, group: _Group, places: dict[int, list[int]]) -> list[_Group]:
        """What becomes of a group: each of its rows goes to some places."""
        chosen = [(new, old) for old, row in enumerate(group.rows) for new in places.get(row, [])]
        if not chosen:
            return []
        chosen.sort()
        olds = [old for _, old in chosen]
        rows, filled = [new for new, _ in chosen], [group.filled[old] for old in olds]
        if olds == list(range(len(group.rows))):
            return [_Group(rows, group.state, filled, group.room)]
        try:
            return [_Group(rows, self.model.select_state(group.state, olds), filled, group.room)]
        except NotImplementedError:
            # Each sequence is a group of its own then, and a state that goes several ways is copied for all but one.
            states = [group.state, *(copy.deepcopy(group.state) for _ in rows[1:])]
            return [
                _Group([row], state, [length], group.room)
                for row, state, length in zip(rows, states, filled, strict=True)
            ]

    # Reading ---------------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def _advance(self) -> Tensor:
        """Read what was not read, and give the logits that follow."""
        parts: list[tuple[list[int], Tensor]] = []
        if self._stale:
            parts += self._read_prompts(self._stale)
            self._stale = []
        else:
            for group in list(self._groups):
                parts += self._read_next(group)
        rows = [row for some, _ in parts for row in some]
        logits = parts[0][1] if len(parts) == 1 else torch.cat([part for _, part in parts])
        if rows != sorted(rows):
            logits = logits[torch.tensor(rows, device=logits.device).argsort()]
        return logits.float().cpu()

    def _read_prompts(self, rows: Iterable[int]) -> list[tuple[list[int], Tensor]]:
        """Read the texts of some rows up to their last token: those of one length together."""
        by_length: dict[int, list[int]] = {}
        for row in rows:
            length = len(self.texts[row]) if self.model.unbounded else self._window_at(row)
            by_length.setdefault(length, []).append(row)
        made = []
        for length, some in by_length.items():
            made += self._read_window(some, length, min(self.window, length + max(1, self._left)))
        self._join()
        return made

    def _window_at(self, row: int) -> int:
        """Tokens in the window of a text that is to be read from its beginning. Where some of it was written before,
        the window has moved on since its prompt."""
        filled = min(self.prompt_lengths[row], self.window)
        for _ in range(len(self.texts[row]) - self.prompt_lengths[row]):
            if filled < self.window:
                filled += 1
            else:
                filled = max(1, self.window // 2)
                self.slides[row] += 1
        return filled

    def _read_window(self, rows: list[int], length: int, room: int) -> list[tuple[list[int], Tensor]]:
        """Read the last `length` tokens of some rows into new states with `room` positions."""
        # A text that occurs several times, as for several samples of one prompt, is read once.
        different: dict[tuple[int, ...], list[int]] = {}
        for row in sorted(rows):
            different.setdefault(tuple(self.texts[row][-length:]), []).append(row)
        # A model of someone's own that cannot part a state again gets one for each text.
        parts = [different] if self._parts_states else [{text: some} for text, some in different.items()]
        made = []
        for part in parts:
            tokens = torch.tensor(list(part), device=self.model.device)  # (B, T)
            state = self.model.init_state(len(part), room)
            # A long prompt is read in blocks: what is in between need not all fit in memory at once.
            for block in torch.split(tokens, max(self.window, _BLOCK), dim=1):
                logits, state = self.model.read(block, state)
            read = _Group(list(range(len(part))), state, [length] * len(part), room)
            self._groups += self._selected(read, dict(enumerate(part.values())))
            order = sorted((row, place) for place, some in enumerate(part.values()) for row in some)
            made.append(([row for row, _ in order], logits[[place for _, place in order]]))
        return made

    def _read_next(self, group: _Group) -> list[tuple[list[int], Tensor]]:
        """Read the newest token of each sequence of a group; sequences whose window is full begin another."""
        full = [] if self.model.unbounded else [i for i, filled in enumerate(group.filled) if filled >= group.room]
        if full:
            self._groups.remove(group)
            staying = [i for i in range(len(group.rows)) if i not in full]
            moving = [group.rows[i] for i in full]
            for row in moving:
                self.slides[row] += 1
            made = self._read_window(moving, max(1, self.window // 2), self.window)
            if staying:
                kept = self._selected(group, {group.rows[i]: [group.rows[i]] for i in staying})
                self._groups += kept
                for part in kept:
                    made += self._read_next(part)
            self._join()
            return made
        tokens = torch.tensor([[self.texts[row][-1]] for row in group.rows], device=self.model.device)  # (B, 1)
        logits, group.state = self.model.read(tokens, group.state)
        group.filled = [filled + 1 for filled in group.filled]
        return [(group.rows, logits)]

    def _join(self) -> None:
        """One state for all, where the model can."""
        if not self.model.joins_states or len(self._groups) < 2:
            return
        state = self.model.join_states([group.state for group in self._groups])
        rows = [row for group in self._groups for row in group.rows]
        filled = [length for group in self._groups for length in group.filled]
        room = max(group.room for group in self._groups)
        self._groups = [_Group(rows, state, filled, room)]

    @property
    def _parts_states(self) -> bool:
        """Whether the model can choose sequences of a state."""
        return type(self.model).select_state is not LanguageModel.select_state


def _fan(texts: list[list[int]], rows: list[int]) -> list[list[int]]:
    """The texts `rows`; one that stands several times is copied."""
    taken: set[int] = set()
    fanned = []
    for row in rows:
        fanned.append(list(texts[row]) if row in taken else texts[row])
        taken.add(row)
    return fanned
