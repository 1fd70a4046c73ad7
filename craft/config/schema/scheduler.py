"""`[scheduler]`: the learning rate over the run, as a factor of the optimizer's own.

Lengths are fractions of the run, so that a shorter or longer run keeps its shape; `..._steps` fixes one in steps.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

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


class LinearSchedule(WarmedUp):
    """A straight line from the peak to `min_lr_ratio`."""

    type: Literal["linear"] = "linear"
    warmup_fraction: Fraction = 0.05
    """Part of the run over which the rate rises from near zero."""
    min_lr_ratio: Fraction = 0.0
    """The last rate, as a part of the peak."""


class OneCycleSchedule(WarmedUp):
    """A long rise and a longer fall, each half a cosine (Smith and Topin, 2017, arXiv:1708.07120)."""

    type: Literal["one_cycle"] = "one_cycle"
    warmup_fraction: Fraction = 0.3
    """Part of the run over which the rate rises."""
    start_lr_ratio: Fraction = 0.04
    """The first rate, as a part of the peak."""
    min_lr_ratio: Fraction = 0.000004
    """The last rate, as a part of the peak."""


class PlateauSchedule(WarmedUp):
    """The peak rate, made smaller whenever the monitored figure has stopped improving."""

    type: Literal["plateau"] = "plateau"
    monitor: str = "val/loss"
    """The figure that is watched, at each evaluation."""
    mode: Literal["min", "max"] = "min"
    """Whether the figure should be small or large."""
    factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """What the rate is multiplied by."""
    patience: CountOrOff = 2
    """Evaluations without improvement that pass before that."""
    min_delta: Annotated[float, Field(ge=0.0)] = 0.0
    """A smaller change than this is no improvement."""
    cooldown: CountOrOff = 0
    """Evaluations after a change of the rate that do not count."""
    min_lr_ratio: Fraction = 0.0
    """The rate falls no further than to this part of the peak."""


class OwnSchedule(OwnCode):
    """A schedule of one's own: `module:Class`; besides its arguments the class is given `max_steps`."""


SchedulerConfig = Annotated[
    Annotated[ConstantSchedule, Tag("constant")]
    | Annotated[CosineSchedule, Tag("cosine")]
    | Annotated[WarmupStableDecaySchedule, Tag("warmup_stable_decay")]
    | Annotated[LinearSchedule, Tag("linear")]
    | Annotated[OneCycleSchedule, Tag("one_cycle")]
    | Annotated[PlateauSchedule, Tag("plateau")]
    | Annotated[OwnSchedule, Tag("module:Class")],
    Discriminator(type_tag),
]
