"""What an architecture tells of itself, from which everything else in an estimate follows.

A model is its weights, its products, and its stages: the steps of its forward pass, each with the bytes that it
keeps for the backward pass and the most that it needs besides. From these the memory of a training step is played
through, as torch's allocator would see it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

FP32 = 4
"""Bytes of a weight, a gradient, a state of the optimizer, and a logit in the loss."""

Role = Literal["matrix", "embedding", "head", "scalar"]
"""How an optimizer treats a parameter; the model itself says the same of each (craft/models/base.py)."""


class Weights(NamedTuple):
    """`copies` parameters of one shape."""

    part: str
    shape: tuple[int, ...]
    role: Role
    copies: int = 1
    stacked: tuple[int, ...] = ()
    """Row counts, where one parameter holds several matrices, one above the other."""

    @property
    def numbers(self) -> int:
        """All of them together."""
        return self.copies * math.prod(self.shape)


class Stage(NamedTuple):
    """One step of the forward pass, in bytes."""

    keeps: float
    """Newly kept until this stage's backward pass."""
    forward: float
    """The most that its forward pass holds besides everything kept so far, its own part included."""
    backward: float
    """The most that its backward pass holds besides what is kept and the gradients of later stages."""
    gradients: float = 0
    """Gradients of its parameters, which stay until the optimizer's step."""
    evaluation: float = 0
    """The most that it holds where nothing is kept."""
    waits: float = 0
    """A gradient that waits from here to the first stage, for another of the same parameter."""
    inside: tuple[Stage, ...] = ()
    """Stages that are gone through again in the backward pass, as only their input was kept."""


class Workload(NamedTuple):
    """How a model is run."""

    vocab_size: int
    context_length: int
    sequences: int
    """Sequences in memory at once: the micro-batch, or a batch of an evaluation."""
    precision: str
    """The arithmetic of forward and backward: fp32, bf16 or fp16."""
    device: Literal["cpu", "cuda", "mps"]
    recomputes: bool = False
    """Whether blocks are computed again in the backward pass."""

    @property
    def tokens(self) -> int:
        """Tokens in memory at once."""
        return self.sequences * self.context_length

    @property
    def width(self) -> int:
        """Bytes of a number in forward and backward."""
        return FP32 if self.precision == "fp32" else 2


@dataclass(frozen=True)
class ModelParts:
    """An architecture at one size and one workload."""

    weights: list[Weights]
    forward_flops: dict[str, float]
    """FLOPs of the forward pass for one token, by part: two for each multiplication and addition of a product."""
    stages: list[Stage]


class Architecture(Protocol):
    """A module of this package for one type of model."""

    def describe(self, model: Any, work: Workload) -> ModelParts:
        """Its parts at one size and workload."""
