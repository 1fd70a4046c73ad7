"""`[callbacks]`: a table each, by name, so that a child can change or switch off one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from craft.config.schema.base import Count, OwnCode, Section, type_tag


class EarlyStoppingConfig(Section):
    """Stop when the monitored figure has not improved for `patience` evaluations."""

    type: Literal["early_stopping"] = "early_stopping"
    enabled: bool = True
    """`false` switches an inherited callback off."""
    monitor: str = "val/loss"
    """The figure that is watched."""
    mode: Literal["min", "max"] = "min"
    """Whether the figure should be small or large."""
    patience: Count = 5
    """Evaluations without improvement that are waited for."""
    min_delta: Annotated[float, Field(ge=0.0)] = 0.0
    """A smaller change than this is no improvement."""


class OwnCallback(OwnCode):
    """A callback of one's own: `module:Class`, a `Callback`."""

    enabled: bool = True
    """`false` switches an inherited callback off."""


CallbackConfig = Annotated[
    Annotated[EarlyStoppingConfig, Tag("early_stopping")] | Annotated[OwnCallback, Tag("module:Class")],
    Discriminator(type_tag),
]
