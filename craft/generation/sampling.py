"""Writing text, one token at a time, from a model's distribution.

Letters: B batch, T time, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from craft.generation.settings import SamplingSettings
from craft.models.base import LanguageModel


def choose_token(logits: Tensor, settings: SamplingSettings, generator: torch.Generator) -> Tensor:
    """Draw the next token of each row. logits: (B, V) -> (B,) int64, on the CPU in fp32, so seeds hold everywhere."""
    logits = logits.float().cpu()
    if settings.temperature == 0:
        return logits.argmax(-1)
    # The largest is 0 first: then no temperature above 0, however small, can make it overflow.
    logits = (logits - logits.max(dim=-1, keepdim=True).values) / settings.temperature
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
    model's context goes on over a window: when it is full, its later half is read anew. A model whose state has no
    end reads everything, once.
    An empty prompt starts from token 0, for want of a beginning.
    """
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(settings.seed)
    text = list(prompt) or [0]
    # Positions beyond those trained on are not asked of a model that would have to know them.
    window = model.context_length
    pending = text if model.unbounded else text[-window:]
    length = min(window, len(pending) + settings.max_new_tokens)
    state, filled = model.init_state(1, length), 0
    for _ in range(settings.max_new_tokens):
        if filled + len(pending) > length and not model.unbounded:
            pending = text[-max(1, window // 2) :]
            length = window
            state, filled = model.init_state(1, length), 0
        # A long prompt is read in blocks: the logits of a whole one need not fit in memory.
        for start in range(0, len(pending), window):
            tokens = torch.tensor([pending[start : start + window]], device=device)  # (1, T)
            output = model(tokens, state=state)
            state = output.state
        filled += len(pending)
        token = int(choose_token(output.logits[:, -1], settings, generator))
        text.append(token)
        pending = [token]
        yield token
