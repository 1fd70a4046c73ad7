"""Writing text, one token at a time, from a model's distribution.

Letters: B batch, T time, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from craft.errors import UsageError
from craft.models.base import LanguageModel


@dataclass(frozen=True)
class SamplingSettings:
    """How the next token is drawn. Filters apply in this order: temperature, top_k, top_p."""

    max_new_tokens: int = 200
    temperature: float = 1.0
    """1 is the model's own distribution; 0 always takes the likeliest token."""
    top_k: int = 0
    """Only this many of the likeliest tokens; 0, or more than the vocabulary, is all."""
    top_p: float = 1.0
    """Only the smallest set of tokens that holds this much probability; 1 is all."""
    seed: int = 0

    def __post_init__(self) -> None:
        problems = []
        if self.max_new_tokens < 1:
            problems.append(f"max_new_tokens must be at least 1, found {self.max_new_tokens}")
        if not 0 <= self.temperature < float("inf"):
            problems.append(f"temperature must be 0 (always the likeliest token) or more, found {self.temperature:g}")
        if self.top_k < 0:
            problems.append(f"top_k must be 0 (off) or more, found {self.top_k}")
        if not 0 < self.top_p <= 1:
            problems.append(f"top_p must be above 0 and at most 1 (off), found {self.top_p:g}")
        if problems:
            raise UsageError("; ".join(problems))


def choose_token(logits: Tensor, settings: SamplingSettings, generator: torch.Generator) -> Tensor:
    """Draw the next token of each row. logits: (B, V) -> (B,) int64, on the CPU in fp32, so seeds hold everywhere."""
    logits = logits.float().cpu()
    if settings.temperature == 0:
        return logits.argmax(-1)
    logits = logits / settings.temperature
    if 0 < settings.top_k < logits.shape[-1]:
        smallest = logits.topk(settings.top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < smallest, float("-inf"))
    if settings.top_p < 1:
        ordered, order = logits.sort(dim=-1, descending=True)
        probabilities = F.softmax(ordered, dim=-1)
        # A token goes when those before it already hold top_p; the first always stays.
        gone = probabilities.cumsum(-1) - probabilities >= settings.top_p
        logits = logits.masked_fill(gone.scatter(-1, order, gone), float("-inf"))
    return torch.multinomial(F.softmax(logits, dim=-1), 1, generator=generator)[:, 0]


@torch.inference_mode()
def generate_tokens(model: LanguageModel, prompt: list[int], settings: SamplingSettings) -> Iterator[int]:
    """Tokens that follow `prompt`, as they are drawn.

    The prompt is read once, and each new token costs one position: a state carries the rest. Text longer than the
    model's context goes on over a window: when it is full, its later half is read anew.
    An empty prompt starts from token 0, for want of a beginning.
    """
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(settings.seed)
    text = list(prompt) or [0]
    # Positions beyond those trained on are not asked of the model, whatever kind it has.
    window = model.context_length
    pending = text[-window:]
    length = min(window, len(pending) + settings.max_new_tokens)
    state, filled = model.init_state(1, length), 0
    for _ in range(settings.max_new_tokens):
        if filled + len(pending) > length:
            pending = text[-max(1, window // 2) :]
            length = window
            state, filled = model.init_state(1, length), 0
        tokens = torch.tensor([pending], device=device)  # (1, T)
        output = model(tokens, state=state)
        state, filled = output.state, filled + len(pending)
        token = int(choose_token(output.logits[:, -1], settings, generator))
        text.append(token)
        pending = [token]
        yield token
