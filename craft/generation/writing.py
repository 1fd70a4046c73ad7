"""Text from prompts: tokens decoded as they come, stop texts held back, several prompts and samples side by side."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from craft.data.tokenizers import Tokenizer
from craft.generation.sampling import Drawn, Thought, draw_tokens
from craft.generation.sequences import Sequences
from craft.models.base import LanguageModel
from craft.runs.sampling_settings import SamplingSettings, sample_seed

End = Literal["", "length", "stop", "end"]
"""Why a text ended: it has `max_new_tokens`, a stop text came, the model wrote its token for the end; "" goes on."""


@dataclass(frozen=True)
class Prompt:
    """What is gone on from: a text, and tokens after it that were chosen already, as when a reader takes another of the
    alternatives. The tokens count as written: what is drawn after them is what would have been drawn there, and the
    text that is given follows theirs."""

    text: str
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True)
class Piece:
    """What one more token brought."""

    prompt: int
    """Which of the prompts, from 0."""
    sample: int
    """Which of its samples, from 0; its seed is that of the settings and this number."""
    token: int
    text: str
    """What can be shown now. It may be less than the token stands for, and the next piece's more: half a character and
    what may be the beginning of a stop text are held back."""
    thought: Thought | None
    ended: End


class TextStream:
    """The text of tokens that come one by one, up to a stop text, of which nothing is ever given out."""

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str] = ()) -> None:
        self._decoder, self._stop, self._held = tokenizer.stream(), stop, ""
        self._known = 0  # characters of what is held that a reader has already
        self.stopped = False
        """Whether a stop text was found. What comes after it is nothing."""

    def begin(self, tokens: Sequence[int]) -> None:
        """Take tokens that were written before: what is shown follows them, and a stop text may begin in them."""
        for token in tokens:
            self.push(token)
        self._known = len(self._held)

    def push(self, token: int) -> str:
        """What this token lets be shown. Raises TokenizerError outside the vocabulary."""
        return self._take(self._decoder.push(token))

    def flush(self) -> str:
        """What is left at the end."""
        text = self._take(self._decoder.flush())
        held, self._held = self._held, ""
        return text if self.stopped else text + self._new(held)

    def _new(self, text: str) -> str:
        """What of a text that leaves is not known yet."""
        known, self._known = min(self._known, len(text)), max(0, self._known - len(text))
        return text[known:]

    def _take(self, text: str) -> str:
        if self.stopped:
            return ""
        text = self._held + text
        # Of several the one that is complete first, however the text comes in pieces.
        found = [(place + len(stop), place) for stop in self._stop if (place := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return self._new(text[: min(found)[1]])
        # The end of the text may be the beginning of a stop text: that much waits.
        longest = max((_overlap(text, stop) for stop in self._stop), default=0)
        self._held = text[len(text) - longest :]
        return self._new(text[: len(text) - longest])


def _overlap(text: str, stop: str) -> int:
    """The longest end of `text` that begins `stop` and is not all of it."""
    sizes = range(min(len(text), len(stop) - 1), 0, -1)
    return next((size for size in sizes if text.endswith(stop[:size])), 0)


@dataclass
class Written:
    """A text that was written."""

    prompt: int
    sample: int
    text: str = ""
    tokens: list[int] = field(default_factory=list)
    thoughts: list[Thought] = field(default_factory=list)
    ended: End = ""
    unread: int = 0
    """Tokens at the prompt's beginning that lie further back than the model looks, and were not read."""
    slides: int = 0
    """How often the window was moved on, because the text became longer than the model's context."""


class Writing:
    """Texts that are being written from some prompts, `samples` of each: iterate over it for their pieces.

    One of the prompts and samples is what it would be by itself: it has its own seed, and positions of its own. Raises
    TokenizerError, before anything is written, for a prompt that cannot be encoded, naming it where there are several.
    """

    def __init__(
        self,
        model: LanguageModel,
        tokenizer: Tokenizer,
        prompts: Sequence[str | Prompt],
        settings: SamplingSettings,
        *,
        samples: int = 1,
        alternatives: int | None = None,
        end_tokens: frozenset[int] = frozenset(),
        seeds: Sequence[int] | None = None,
    ) -> None:
        """alternatives: how many likeliest tokens come with each written one; None: not what the model thought.
        seeds: one for the first sample of each prompt; that of the settings for all when left out."""
        assert samples >= 1, "a prompt has at least one sample"
        self._seeds = list(seeds) if seeds is not None else [settings.seed] * len(prompts)
        assert len(self._seeds) == len(prompts), "a prompt has a seed"
        self.settings, self.alternatives = settings, alternatives
        self._model, self._end_tokens = model, end_tokens
        whole = [prompt if isinstance(prompt, Prompt) else Prompt(prompt) for prompt in prompts]
        encoded = [[*tokenizer.encode(prompt.text), *prompt.tokens] for prompt in whole]
        self.texts = [Written(prompt, sample) for prompt in range(len(whole)) for sample in range(samples)]
        """What was written, filled as it comes: all samples of the first prompt, then those of the next."""
        self._chosen = [len(whole[text.prompt].tokens) for text in self.texts]
        self._streams = [TextStream(tokenizer, settings.stop) for _ in self.texts]
        for text, stream in zip(self.texts, self._streams, strict=True):
            stream.begin(whole[text.prompt].tokens)
        self._ids = [encoded[text.prompt] for text in self.texts]

    def __iter__(self) -> Iterator[Piece]:
        with evaluating(self._model):
            yield from self._pieces()

    def _pieces(self) -> Iterator[Piece]:
        settings, ended = self.settings, [False] * len(self.texts)
        sequences = Sequences(self._model, self._ids, settings.max_new_tokens, written_before=self._chosen)
        for text, unread in zip(self.texts, sequences.unread, strict=True):
            text.unread = unread
        steps = draw_tokens(
            self._model,
            self._ids,
            settings,
            seeds=[sample_seed(self._seeds[text.prompt], text.sample) for text in self.texts],
            drawn_before=self._chosen,
            alternatives=self.alternatives,
            finished=lambda row: ended[row],
            sequences=sequences,
        )
        for step in steps:
            for place, drawn in enumerate(step):
                self.texts[drawn.row].slides = sequences.slides[place]
                piece = self._piece(drawn)
                ended[drawn.row] = bool(piece.ended)
                yield piece

    def _piece(self, drawn: Drawn) -> Piece:
        written, stream = self.texts[drawn.row], self._streams[drawn.row]
        end: End = ""
        text = ""
        if drawn.token in self._end_tokens:
            end = "end"
        else:
            text = stream.push(drawn.token)
        written.tokens.append(drawn.token)
        if drawn.thought is not None:
            written.thoughts.append(drawn.thought)
        if not end and not stream.stopped and len(written.tokens) == self.settings.max_new_tokens:
            end = "length"
        if end:
            text += stream.flush()
        if stream.stopped:
            end = "stop"
        written.text += text
        written.ended = end
        return Piece(written.prompt, written.sample, drawn.token, text, drawn.thought, end)


@contextlib.contextmanager
def evaluating(model: LanguageModel) -> Iterator[None]:
    """Inside, dropout is off."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
