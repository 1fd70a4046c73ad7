"""The memory of a training step, played through stage by stage."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from craft.config.estimate.parts import FP32, ModelParts, Stage, Weights, Workload
from craft.config.schema.optimizer import AdafactorConfig, LionConfig, MuonConfig, OptimizerConfig, SGDConfig


@dataclass(frozen=True)
class Memory:
    """Bytes on the device. The parts are not there at once: gradients come while activations go."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    """What the forward pass keeps for the backward pass, without the logits."""
    logits: int
    """Logits and their loss, at their largest."""
    peak: int
    """The most that one training step has at once."""
    evaluation: int
    """The most that measuring a split has at once."""


def training_memory(
    parts: ModelParts,
    evaluated: ModelParts,
    work: Workload,
    optimizer: OptimizerConfig,
    *,
    batch_size: int,
    averaged: bool = False,
) -> Memory:
    """The memory of a step over `batch_size` sequences in micro-batches of `work.sequences`.

    `evaluated` are the parts at the batch of an evaluation. `averaged`: whether an average of the weights is kept
    besides, which counts as the optimizer's.
    """
    numbers = sum(w.numbers for w in parts.weights)
    weights = gradients = FP32 * numbers
    states = _optimizer_states(parts.weights, optimizer) + (weights if averaged else 0)
    # Inputs and targets of the whole batch, int64 each, wait on the device.
    base = weights + states + 16 * batch_size * work.context_length
    accumulates = batch_size > work.sequences
    # Muon orthogonalises in bf16 where the model computes in it, and in fp32 otherwise.
    stepping = gradients + _optimizer_step(parts.weights, optimizer, 2 if work.precision == "bf16" else FP32)
    peak = base + max(stepping, _forward_backward(parts.stages, gradients if accumulates else 0))
    *before, loss = parts.stages
    return Memory(
        weights=weights,
        gradients=gradients,
        optimizer=states,
        activations=round(sum(stage.keeps for stage in before)),
        logits=round(loss.keeps + max(loss.forward, loss.backward)),
        peak=round(peak),
        evaluation=round(weights + states + max(stage.evaluation for stage in evaluated.stages)),
    )


def _forward_backward(stages: list[Stage], accumulated: float) -> float:
    """The most that forward and backward pass hold, besides weights and optimizer."""
    kept = most = 0.0
    for stage in stages:
        kept += stage.keeps
        most = max(most, kept + stage.forward)
    gradients = 0.0
    for stage in reversed(stages):
        again = _forward_backward(list(stage.inside), 0) if stage.inside else 0.0
        most = max(most, kept + gradients + stage.backward + again)
        kept -= stage.keeps
        gradients += stage.waits + (0 if accumulated else stage.gradients)
    return most + accumulated


def _optimizer_states(weights: Iterable[Weights], optimizer: OptimizerConfig) -> int:
    """What the optimizer keeps between steps; one of a person's own is taken to keep as much as Adam."""
    return sum(FP32 * _kept(w, optimizer) for w in weights)


def _kept(weights: Weights, optimizer: OptimizerConfig) -> int:
    """Numbers that the optimizer keeps of some parameters."""
    match optimizer:
        case MuonConfig():
            return weights.numbers * (1 if weights.role == "matrix" else 2)
        case SGDConfig():
            return weights.numbers if optimizer.momentum else 0
        case LionConfig():
            return weights.numbers
        case AdafactorConfig():
            if len(weights.shape) < 2:
                return weights.numbers
            *_, rows, columns = weights.shape
            return weights.numbers // columns + weights.numbers // rows
        case _:
            return 2 * weights.numbers


def matrices(weights: Iterable[Weights]) -> dict[tuple[int, int, bool], int]:
    """How many hidden matrices there are of each shape (rows, columns, taller than wide), in the model's order."""
    found: dict[tuple[int, int, bool], int] = {}
    for weight in weights:
        if weight.role == "matrix":
            rows, *rest = weight.shape
            columns = math.prod(rest)  # of a kernel all but the first dimension
            for count in weight.stacked or (rows,):
                shape = (count, columns, count > columns)
                found[shape] = found.get(shape, 0) + weight.copies
    return found


def _optimizer_step(weights: Iterable[Weights], optimizer: OptimizerConfig, width: int) -> float:
    """The most that an update holds besides weights, gradients and states. Adam's and SGD's are one fused kernel."""
    if isinstance(optimizer, AdafactorConfig):
        return FP32 * 3 * max(math.prod(w.shape) for w in weights)  # squares, their estimate, the update
    if isinstance(optimizer, LionConfig):
        return FP32 * sum(w.numbers for w in weights)  # a direction for every weight
    if not isinstance(optimizer, MuonConfig):
        return 0
    most = previous = 0.0
    for (rows, columns, _), count in matrices(weights).items():
        numbers, gram = count * rows * columns, width * count * min(rows, columns) ** 2
        # The gradients stacked, a narrow copy, the iterate before and after, two products of the shorter side, and
        # the last shape's updates, which its name still holds.
        narrow = numbers * width if width < FP32 else 0
        most = max(most, FP32 * numbers + narrow + 2 * width * numbers + 2 * gram + previous)
        previous = width * numbers
    return most
