"""When memory runs out: what took it, and what would fit."""

from __future__ import annotations

import torch

from craft.analysis.numbers import format_bytes
from craft.config.estimate import estimate, machine_memory
from craft.config.schema import ExperimentConfig
from craft.errors import CraftError


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on whatever device. Some of torch's are plain RuntimeErrors."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    words = str(error)
    return isinstance(error, RuntimeError) and any(
        said in words for said in ("can't allocate memory", "not enough memory", "out of memory")
    )


def what_took_it(config: ExperimentConfig, device: torch.device, micro_batch_size: int) -> str:
    """The parts of a step's memory by the estimate, and what would make it fit, in a few words."""
    kind = device.type if device.type in ("cpu", "cuda", "mps") else "cpu"
    try:
        found = estimate(_with_micro_batch(config, micro_batch_size), device=kind, measure=False)  # type: ignore[arg-type]
    except CraftError:
        return "a smaller training.micro_batch_size or data.context_length takes less"
    memory = found.memory
    parts = ", ".join(
        f"{name} {format_bytes(memory[name].high)}"
        for name in ("weights", "gradients", "optimizer", "activations", "logits")
    )
    words = f"a step in micro-batches of {micro_batch_size} takes about {format_bytes(found.peak.high)} ({parts})"
    free = _free(device)
    if free is None:
        return f"{words}; a smaller training.micro_batch_size takes less"
    size = micro_batch_size
    while size > 1:
        size //= 2
        smaller = estimate(_with_micro_batch(config, size), device=kind, measure=False)  # type: ignore[arg-type]
        if smaller.peak.high < 0.9 * free:
            return f"{words}, and {format_bytes(free)} are free; training.micro_batch_size={size} would fit"
    return (
        f"{words}, and {format_bytes(free)} are free; not even single sequences fit: a smaller model, a shorter "
        "data.context_length, or training.gradient_checkpointing = true takes less"
    )


def _with_micro_batch(config: ExperimentConfig, size: int) -> ExperimentConfig:
    return config.model_copy(update={"training": config.training.model_copy(update={"micro_batch_size": size})})


def _free(device: torch.device) -> float | None:
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    known = machine_memory(device.type)
    return float(known.free) if known else None
