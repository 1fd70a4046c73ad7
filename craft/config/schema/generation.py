"""`[generation]`: what the run's checkpoints are asked when nothing else is said."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from craft.config.schema.base import Count, CountOrOff, Fraction, Section


class GenerationConfig(Section):
    """Prompts and sampling settings that `craft generate` starts from."""

    prompts: list[str] = [""]
    """Texts to go on from; an empty one starts from nothing."""
    max_new_tokens: Count = 200
    """Tokens to write for each prompt."""
    temperature: Annotated[float, Field(ge=0.0)] = 0.8
    """Sharpness of the sampling: 1 is the model's own distribution, 0 always takes the likeliest token."""
    top_k: CountOrOff = 40
    """Sample from this many of the likeliest tokens; 0 is off."""
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Sample from the smallest set of tokens that holds this much probability; 1 is off."""
    min_p: Fraction = 0.0
    """Sample from the tokens that are at least this many times as likely as the likeliest; 0 is off."""
    repetition_penalty: Annotated[float, Field(gt=0.0)] = 1.0
    """How much less likely tokens become that stand in the text already, prompt included; 1 is off."""
    frequency_penalty: float = 0.0
    """What a token loses for each time that it was written, the prompt not counted; 0 is off."""
    stop: list[Annotated[str, StringConstraints(min_length=1)]] = []
    """Texts that end the writing, and are no part of what was written; none is off."""
