"""`[optimizer]`: how gradients become updates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from craft.config.schema.base import Count, LearningRate, OwnCode, Section, type_tag

Beta = Annotated[float, Field(ge=0.0, lt=1.0)]
Betas = Annotated[list[Beta], Field(min_length=2, max_length=2)]


class AdamWConfig(Section):
    """AdamW (Loshchilov and Hutter, 2019, arXiv:1711.05101), fused."""

    type: Literal["adamw"] = "adamw"
    lr: LearningRate = 1e-3
    """Peak learning rate."""
    betas: Betas = [0.9, 0.95]
    """Decay rates of the first and second moment."""
    eps: Annotated[float, Field(gt=0.0)] = 1e-8
    """Added to the root of the second moment."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.1
    """Decoupled decay of matrices; norms, biases and embeddings are left alone."""


class MuonConfig(Section):
    """Muon (Jordan et al., 2024) for the hidden matrices, AdamW for embeddings, head, norms and biases."""

    type: Literal["muon"] = "muon"
    lr: LearningRate = 0.02
    """Peak learning rate of the hidden matrices."""
    momentum: Beta = 0.95
    """Decay rate of the matrices' momentum (Nesterov)."""
    ns_steps: Count = 5
    """Newton-Schulz iterations that orthogonalise an update."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    """Decoupled decay of the hidden matrices."""
    embedding_lr: LearningRate = 0.3
    """Peak learning rate of the token and position embeddings (AdamW)."""
    head_lr: LearningRate = 0.008
    """Peak learning rate of the output head (AdamW); a tied head learns at `embedding_lr`."""
    scalar_lr: LearningRate = 0.02
    """Peak learning rate of norms and biases (AdamW)."""
    betas: Betas = [0.9, 0.95]
    """AdamW's decay rates of the first and second moment."""
    eps: Annotated[float, Field(gt=0.0)] = 1e-8
    """AdamW's term added to the root of the second moment."""


class OwnOptimizer(OwnCode):
    """An optimizer of one's own: `module:Class`, of Craft's kind or of torch's, such as "torch.optim:RAdam"."""

    lr: LearningRate = 1e-3
    """Peak learning rate, given to the class as `lr`."""


OptimizerConfig = Annotated[
    Annotated[AdamWConfig, Tag("adamw")]
    | Annotated[MuonConfig, Tag("muon")]
    | Annotated[OwnOptimizer, Tag("module:Class")],
    Discriminator(type_tag),
]
