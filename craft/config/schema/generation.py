"""`[generation]`: what the run's checkpoints are asked when nothing else is said."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from craft.config.schema.base import Count, CountOrOff, Section


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
