"""How text is drawn. Free of torch, so that a wrong setting is answered before anything heavy is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from craft.errors import UsageError


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
