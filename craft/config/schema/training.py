"""`[training]` and `[checkpoint]`: how long, how much at once, and what is kept."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from craft.config.schema.base import Count, CountOrOff, Probability, Section


class TrainingConfig(Section):
    """The length of a run, its batches, and how often it looks up."""

    max_steps: CountOrOff = 1000
    """Optimizer steps of the run; 0 leaves the length to `max_epochs`."""
    max_epochs: CountOrOff = 0
    """Passes over the training text without replacement; 0 leaves it to `max_steps`. With both, the shorter."""
    batch_size: Count = 32
    """Sequences that one optimizer step sees, over all devices."""
    micro_batch_size: Literal["auto"] | Count = "auto"
    """Sequences in memory at once; gradients of several are accumulated into one step. "auto" takes the
    whole batch, and less where memory runs out."""
    gradient_checkpointing: bool = False
    """Keep only the input of each block, and compute the block again in the backward pass: a fraction of the
    activations' memory, for about a third more time. The same bits. For `transformer` and `hf`."""
    grad_clip: Annotated[float, Field(ge=0.0)] = 1.0
    """Scale gradients down to this global norm; 0 is off."""
    ema_decay: Probability = 0.0
    """Measure, save and sample an average of the weights with this decay a step, such as 0.999; 0 is off."""
    eval_every: CountOrOff = 100
    """Steps between measurements of the whole validation split; 0 measures at the first and last step only."""
    log_every: Count = 10
    """Steps between records in the metrics log; step 1 is always recorded."""
    compile: Literal["auto"] | bool = "auto"
    """`torch.compile` the model; "auto" does where the run is long enough that it pays for itself."""
    threads: Literal["auto"] | Count = "auto"
    """CPU threads; "auto" takes the machine's share of this run's slot."""
    trainer: Annotated[str, Field(pattern=r"^(auto|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$")] = "auto"
    """Who says what a batch's loss is: "auto" follows from the task, `module:Class` is a `Trainer` of your own."""
    on_nonfinite: Literal["stop", "continue"] = "stop"
    """What a loss that is NaN or infinite does to the run."""

    @model_validator(mode="before")
    @classmethod
    def _epochs_alone_set_the_length(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("max_epochs") and "max_steps" not in values:
            return {**values, "max_steps": 0}
        return values

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if not self.max_steps and not self.max_epochs:
            raise ValueError("max_steps and max_epochs are both 0, so the run has no end; set one of them")
        if self.micro_batch_size != "auto" and self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of micro_batch_size {self.micro_batch_size}"
            )
        return self


class CheckpointConfig(Section):
    """When the whole state of a run is forced to disk, and how many of those stay."""

    every: CountOrOff = 100
    """Steps between checkpoints; 0 saves at the first and last step only."""
    keep: Count = 3
    """Newest checkpoints that stay; the best one stays besides."""
    monitor: str = "val/loss"
    """The figure that decides which checkpoint is best."""
    mode: Literal["min", "max"] = "min"
    """Whether the figure should be small or large."""
