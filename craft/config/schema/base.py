"""What every section of an experiment's definition has in common."""

from __future__ import annotations

from typing import Annotated, Any

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

Argument = bool | int | float | str | list[bool | int | float | str]


class OwnCode(Section):
    """A class of a person's own, named by `type = "module:Class"`."""

    type: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    """`module:Class`; the module is looked for beside the experiments file first."""
    arguments: dict[str, Argument] = {}
    """Keyword arguments of the class."""


def type_tag(section: Any) -> str:
    """Which class a table belongs to: its type's name, or "module:Class" for one's own."""
    kind = section.get("type") if isinstance(section, dict) else getattr(section, "type", None)
    return "module:Class" if isinstance(kind, str) and ":" in kind else str(kind)
