"""`[scheduler]`: the learning rate over the run, as a factor of the optimizer's own.

Lengths are fractions of the run, so that a shorter or longer run keeps its shape; `..._steps` fixes one in steps.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Tag, model_validator

from craft.config.schema.base import CountOrOff, Fraction, OwnCode, Section, type_tag


class WarmedUp(Section):
    """A linear rise from near zero, which all schedules share."""

    warmup_fraction: Fraction = 0.0
    """Part of the run over which the rate rises from near zero."""
    warmup_steps: CountOrOff = 0
    """The same in steps; 0 uses the fraction."""


class ConstantSchedule(WarmedUp):
    """The peak rate from the warm-up to the end."""

    type: Literal["constant"] = "constant"


class CosineSchedule(WarmedUp):
    """Half a cosine from the peak to `min_lr_ratio` (Loshchilov and Hutter, 2017, arXiv:1608.03983)."""

    type: Literal["cosine"] = "cosine"
    warmup_fraction: Fraction = 0.05
    """Part of the run over which the rate rises from near zero."""
    min_lr_ratio: Fraction = 0.1
    """The last rate, as a part of the peak."""


class WarmupStableDecaySchedule(WarmedUp):
    """Rise, hold, then fall in a straight line (Hu et al., 2024, arXiv:2404.06395)."""

    type: Literal["warmup_stable_decay"] = "warmup_stable_decay"
    warmup_fraction: Fraction = 0.02
    """Part of the run over which the rate rises from near zero."""
    decay_fraction: Fraction = 0.4
    """Part of the run, at its end, over which the rate falls."""
    decay_steps: CountOrOff = 0
    """The same in steps; 0 uses the fraction."""
    min_lr_ratio: Fraction = 0.0
    """The last rate, as a part of the peak."""

    @model_validator(mode="after")
    def _fits_in_the_run(self) -> Self:
        if not self.warmup_steps and not self.decay_steps and self.warmup_fraction + self.decay_fraction > 1.0:
            raise ValueError(
                f"warmup_fraction {self.warmup_fraction:g} and decay_fraction {self.decay_fraction:g} "
                "together are longer than the run; make them add up to at most 1"
            )
        return self


class OwnSchedule(OwnCode):
    """A schedule of one's own: `module:Class`; besides its arguments the class is given `max_steps`."""


SchedulerConfig = Annotated[
    Annotated[ConstantSchedule, Tag("constant")]
    | Annotated[CosineSchedule, Tag("cosine")]
    | Annotated[WarmupStableDecaySchedule, Tag("warmup_stable_decay")]
    | Annotated[OwnSchedule, Tag("module:Class")],
    Discriminator(type_tag),
]
