"""What every section of an experiment's definition has in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# Field names that start with `model_` are ordinary words here, so Pydantic's own prefix is not protected.
STRICT = ConfigDict(
    strict=True,
    extra="forbid",
    frozen=True,
    allow_inf_nan=False,
    hide_input_in_errors=True,
    protected_namespaces=(),
    use_attribute_docstrings=True,
)


class Section(BaseModel):
    """One table of a definition: unknown keys, wrong types, NaN and infinity are refused.

    Each field's docstring is its help text, in the JSON schema and in every editor that reads it.
    """

    model_config = STRICT


Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
"""A part of a whole, 0 to 1."""

Probability = Annotated[float, Field(ge=0.0, lt=1.0)]
"""A probability that must leave something over, as dropout's: 0 up to, not including, 1."""

_LARGEST = 2**63 - 1  # TOML's integers have 64 bits

Count = Annotated[int, Field(ge=1, le=_LARGEST)]
"""At least one of something."""

CountOrOff = Annotated[int, Field(ge=0, le=_LARGEST)]
"""A count, where 0 switches the thing off or leaves the choice to Craft, as the field says."""

LearningRate = Annotated[float, Field(ge=0.0, le=1000.0)]
"""A step size; the upper bound only catches slips of the pen such as `lr = 3e4`."""
