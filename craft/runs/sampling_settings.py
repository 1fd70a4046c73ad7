"""How text is drawn. Free of torch, so that a wrong setting is answered before anything heavy is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from craft.errors import UsageError

_LARGEST_SEED = 2**63 - 1


def sample_seed(seed: int, sample: int) -> int:
    """The seed of a prompt's sample, counted from 0: each the next, and after the largest comes 0."""
    return (seed + sample) % (_LARGEST_SEED + 1)


@dataclass(frozen=True)
class SamplingSettings:
    """How the next token is drawn.

    They apply in this order: repetition_penalty, frequency_penalty, temperature, top_k, top_p, min_p. All but the
    penalties leave a temperature of 0 as it is: the likeliest token, always. Of tokens that are equally likely at the
    border of top_k or top_p, all stay.
    """

    max_new_tokens: int = 200
    temperature: float = 1.0
    """1 is the model's own distribution; 0 always takes the likeliest token."""
    top_k: int = 0
    """Only this many of the likeliest tokens; 0, or more than the vocabulary, is all."""
    top_p: float = 1.0
    """Only the smallest set of tokens that holds this much probability; 1 is all."""
    seed: int = 0
    min_p: float = 0.0
    """Only tokens at least this many times as likely as the likeliest (Nguyen et al. 2024, arXiv:2407.01082)."""
    repetition_penalty: float = 1.0
    """What the logits of tokens that stand in the text already, prompt included, are divided by, or multiplied with
    where they are negative; 1 is off (Keskar et al. 2019, arXiv:1909.05858)."""
    frequency_penalty: float = 0.0
    """What is taken off a token's logit for each time that it was written, the prompt not counted; 0 is off."""
    stop: tuple[str, ...] = ()
    """Texts that end the writing; they are not part of what was written."""

    def __post_init__(self) -> None:
        problems = [*_count("max_new_tokens", self.max_new_tokens)]
        if not 0 <= self.temperature < float("inf"):
            problems.append(f"temperature must be 0 (always the likeliest token) or more, found {self.temperature:g}")
        if self.top_k < 0:
            problems.append(f"top_k must be 0 (off) or more, found {self.top_k}")
        if not 0 < self.top_p <= 1:
            problems.append(f"top_p must be above 0 and at most 1 (off), found {self.top_p:g}")
        if not 0 <= self.seed <= _LARGEST_SEED:
            problems.append(f"seed must be 0 to {_LARGEST_SEED}, found {self.seed}")
        if not 0 <= self.min_p <= 1:
            problems.append(f"min_p must be 0 (off) to 1, found {self.min_p:g}")
        if not 0 < self.repetition_penalty < float("inf"):
            problems.append(f"repetition_penalty must be above 0 (1 is off), found {self.repetition_penalty:g}")
        if not abs(self.frequency_penalty) < float("inf"):
            problems.append(f"frequency_penalty must be a number (0 is off), found {self.frequency_penalty:g}")
        problems += _stops(self.stop)
        if problems:
            raise UsageError("; ".join(problems))


@dataclass(frozen=True)
class BeamSettings:
    """How the likeliest texts are looked for."""

    max_new_tokens: int = 200
    width: int = 4
    """Texts that are kept at each step; 1 is the likeliest token, always."""
    length_penalty: float = 1.0
    """A finished text scores its log-probability divided by its length to this power: 0 favours short ones, 1 is the
    mean of a token."""
    num_results: int = 1
    """Texts to give, the best first; at most `width`."""
    early_stopping: bool = False
    """End as soon as `width` texts have ended; else go on while one that goes on scores better, at its present length,
    than the worst of them."""
    stop: tuple[str, ...] = ()
    """Texts that end the writing; they are not part of what was written."""

    def __post_init__(self) -> None:
        problems = [*_count("max_new_tokens", self.max_new_tokens), *_count("width", self.width)]
        if not abs(self.length_penalty) < float("inf"):
            problems.append(f"length_penalty must be a number, found {self.length_penalty:g}")
        if not 1 <= self.num_results <= self.width:
            problems.append(f"num_results must be 1 to the width of {self.width}, found {self.num_results}")
        problems += _stops(self.stop)
        if problems:
            raise UsageError("; ".join(problems))


def _count(name: str, value: int) -> list[str]:
    return [] if value >= 1 else [f"{name} must be at least 1, found {value}"]


def _stops(stop: tuple[str, ...]) -> list[str]:
    return ["stop: an empty text would end everything at once; leave it out"] if "" in stop else []
