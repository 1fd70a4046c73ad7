"""How fast a model reads a prompt and writes, with several texts at once: `craft.generation`'s own loop, timed.

Greedy, so that drawing takes nothing; prompts of random tokens, all different, so that none is read for another.
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from dataclasses import dataclass

import torch

from craft import platform
from craft.generation.sampling import draw_tokens
from craft.models.base import LanguageModel
from craft.runs.sampling_settings import SamplingSettings

BATCH_SIZES = (1, 4, 16)
# Tokens, where the context has room for both: a prompt that takes some work to read, and enough steps for a median.
_PROMPT, _NEW = 256, 64
# A pass is repeated until there are steps enough for the slowest twentieth, or until the time is up (seconds).
_STEPS, _ENOUGH_SECONDS = 60, 2.0
# A large model is left after this long in one pass, with the steps that it has made.
_LONG_SECONDS = 10.0


@dataclass(frozen=True)
class InferenceSpeed:
    """Figures of one batch size; medians over passes."""

    batch_size: int
    prompt_tokens: int
    """Of each text."""
    new_tokens: int
    """Written after each prompt, at most."""
    prompt_tokens_per_second: float
    """Read, over all texts."""
    first_token_ms: float
    """From the prompt to the first token of each text."""
    token_ms: float
    """From one token to the next, the median. A step gives one token of each text."""
    token_ms_p95: float
    new_tokens_per_second: float
    """Written after the first ones, over all texts."""
    peak_memory_bytes: int | None
    """Of a GPU what torch took there, else all that the process held; None where nobody tells."""


def lengths_for(model: LanguageModel) -> tuple[int, int]:
    """Tokens of a prompt and tokens to write: both fit into the model's context where it has room for two."""
    new = max(1, min(_NEW, model.context_length // 2))
    return max(1, min(_PROMPT, model.context_length - new)), new


def measure_speed(model: LanguageModel, batch_size: int) -> InferenceSpeed:
    """Time a model with `batch_size` texts at once. It must be in evaluation mode; takes seconds."""
    prompt_tokens, new_tokens = lengths_for(model)
    random = torch.Generator().manual_seed(0)
    shape = (batch_size, prompt_tokens)
    prompts = torch.randint(model.vocab_size, shape, generator=random).tolist()
    _pass(model, prompts, 2)  # what the first call of all pays for is not the model's
    knows_peak = _reset_peak(model.device)
    firsts: list[float] = []
    steps: list[float] = []
    started = time.perf_counter()
    timed = steps if new_tokens > 1 else firsts
    while not firsts or (len(timed) < _STEPS and time.perf_counter() - started < _ENOUGH_SECONDS):
        first, others = _pass(model, prompts, new_tokens)
        firsts.append(first)
        steps += others
    first = statistics.median(firsts)
    steps = steps or firsts  # a context of one token leaves no second one to be timed
    return InferenceSpeed(
        batch_size=batch_size,
        prompt_tokens=prompt_tokens,
        new_tokens=new_tokens,
        prompt_tokens_per_second=batch_size * prompt_tokens / first,
        first_token_ms=1000 * first,
        token_ms=1000 * statistics.median(steps),
        token_ms_p95=1000 * _at(steps, 0.95),
        new_tokens_per_second=batch_size * len(steps) / sum(steps),
        peak_memory_bytes=_peak(model.device) if knows_peak else None,
    )


def _pass(model: LanguageModel, prompts: list[list[int]], new_tokens: int) -> tuple[float, list[float]]:
    """Seconds to the first token, and of each one after it."""
    marks = [time.perf_counter()]
    for _ in draw_tokens(model, prompts, SamplingSettings(max_new_tokens=new_tokens, temperature=0)):
        marks.append(time.perf_counter())  # tokens are chosen on the CPU: the device has finished
        if marks[-1] - marks[0] > _LONG_SECONDS:
            break
    first, *others = (end - start for start, end in itertools.pairwise(marks))
    return first, others


def _at(values: list[float], part: float) -> float:
    """The value that this part of them does not exceed (nearest rank)."""
    return sorted(values)[math.ceil(part * len(values)) - 1]


def _reset_peak(device: torch.device) -> bool:
    if device.type != "cuda":
        return platform.reset_peak_memory()
    torch.cuda.reset_peak_memory_stats(device)
    return True


def _peak(device: torch.device) -> int | None:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else platform.peak_memory()
