"""Whether a definition fits: what it needs against what is free now, and what to change where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from craft.config.estimate.figures import Estimate, Range, estimate
from craft.config.estimate.machine import TORCH_ITSELF, MachineMemory
from craft.config.schema import ExperimentConfig
from craft.errors import CraftError


@dataclass(frozen=True)
class Fit:
    """What a worker takes against the memory where it would lie."""

    needs: Range
    """Bytes, with what torch itself does where the model lies in main memory."""
    machine: MachineMemory | None
    """Where it would lie: of several GPUs the one with most room; None where that cannot be found out."""
    others: tuple[MachineMemory, ...] = ()
    """The other GPUs that it may use."""

    @property
    def fits(self) -> bool | None:
        """True or False where that is certain, else None."""
        if self.machine is None:
            return None
        return True if self.needs.high <= self.machine.free else False if self.needs.low > self.machine.free else None

    @property
    def word(self) -> str:
        """The verdict; empty where nothing is known of the machine."""
        if self.machine is None:
            return ""
        return {True: "fits", False: "does not fit", None: "may not fit"}[self.fits]


def fit_of(figures: Estimate, machines: Sequence[MachineMemory]) -> Fit:
    """How the figures fit the emptiest of some places."""
    itself = 0 if figures.device == "cuda" else TORCH_ITSELF
    needs = Range(figures.peak.low + itself, figures.peak.high + itself)
    best = max(machines, key=lambda machine: machine.free, default=None)
    return Fit(needs, best, tuple(machine for machine in machines if machine is not best))


def what_to_change(config: ExperimentConfig, figures: Estimate, fit: Fit, *, source_dir: Path | None = None) -> str:
    """What makes it fit, in words; empty where it does."""
    if fit.machine is None or fit.fits:
        return ""
    if size := largest_micro_batch(config, figures, fit, source_dir=source_dir):
        return f"training.micro_batch_size = {size} would fit"
    checkpointing = config.training.model_copy(update={"gradient_checkpointing": True, "micro_batch_size": 1})
    if not config.training.gradient_checkpointing and config.model.type in ("transformer", "hf"):
        smallest = config.model_copy(update={"training": checkpointing})
        if _fits(smallest, figures, fit, source_dir):
            return "training.gradient_checkpointing = true with training.micro_batch_size = 1 would fit"
    return "a smaller model or a shorter data.context_length needs less"


def largest_micro_batch(
    config: ExperimentConfig, figures: Estimate, fit: Fit, *, source_dir: Path | None = None
) -> int | None:
    """The largest part of the batch that is certain to fit; None where not even single sequences are."""
    batch = config.training.batch_size
    sizes = [size for size in range(1, batch // 2 + 1) if batch % size == 0 and size < figures.micro_batch_size]
    found = None
    low, high = 0, len(sizes) - 1
    while low <= high:  # less memory for smaller ones, so halving the list finds it
        middle = (low + high) // 2
        training = config.training.model_copy(update={"micro_batch_size": sizes[middle]})
        if _fits(config.model_copy(update={"training": training}), figures, fit, source_dir):
            found, low = sizes[middle], middle + 1
        else:
            high = middle - 1
    return found


def _fits(config: ExperimentConfig, figures: Estimate, fit: Fit, source_dir: Path | None) -> bool:
    assert fit.machine is not None
    try:
        smaller = estimate(config, device=figures.device, source_dir=source_dir, measure=False)
    except CraftError:
        return False  # a model that would have to be measured at this size
    return fit_of(smaller, [fit.machine]).fits is True
