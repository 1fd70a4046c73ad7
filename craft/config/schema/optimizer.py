"""`[optimizer]`: how gradients become updates."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from craft.config.schema.base import Count, LearningRate, OwnCode, Section, type_tag

Beta = Annotated[float, Field(ge=0.0, lt=1.0)]
Betas = Annotated[list[Beta], Field(min_length=2, max_length=2)]


Decay = Annotated[float, Field(ge=0.0)]
Ratio = Annotated[float, Field(ge=0.0, le=1000.0)]


class Grouped(Section):
    """Rates of single parameters, by their names."""

    lr_ratios: dict[str, Ratio] = {}
    """Factors of the peak rate by patterns of names, such as { "blocks.0.*" = 0.5 }; the first that fits counts, and
    0 leaves a parameter as it is."""


class ElementwiseConfig(Grouped):
    """What the optimizers that treat all parameters alike have in common."""

    lr: LearningRate = 1e-3
    """Peak learning rate."""
    weight_decay: Decay = 0.0
    """Decay of matrices; norms, biases and embeddings are left alone."""
    no_decay: list[str] = []
    """Patterns of names of further parameters that are not decayed, such as ["head.*"]."""


class AdamWConfig(ElementwiseConfig):
    """AdamW (Loshchilov and Hutter, 2019, arXiv:1711.05101), fused."""

    type: Literal["adamw"] = "adamw"
    betas: Betas = [0.9, 0.95]
    """Decay rates of the first and second moment."""
    eps: Annotated[float, Field(gt=0.0)] = 1e-8
    """Added to the root of the second moment."""
    weight_decay: Decay = 0.1
    """Decoupled decay of matrices; norms, biases and embeddings are left alone."""


class AdamConfig(ElementwiseConfig):
    """Adam (Kingma and Ba, 2015, arXiv:1412.6980), fused; its weight decay is a part of the gradient."""

    type: Literal["adam"] = "adam"
    betas: Betas = [0.9, 0.999]
    """Decay rates of the first and second moment."""
    eps: Annotated[float, Field(gt=0.0)] = 1e-8
    """Added to the root of the second moment."""


class SGDConfig(ElementwiseConfig):
    """Stochastic gradient descent with momentum, fused."""

    type: Literal["sgd"] = "sgd"
    lr: LearningRate = 0.1
    """Peak learning rate."""
    momentum: Beta = 0.9
    """Decay rate of the momentum; 0 is off."""
    nesterov: bool = False
    """Look ahead along the momentum (Nesterov); it needs one."""

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> Self:
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov looks ahead along the momentum, and momentum is 0; set it, or nesterov = false")
        return self


class AdafactorConfig(ElementwiseConfig):
    """Adafactor (Shazeer and Stern, 2018, arXiv:1804.04235): little memory, and steps relative to a weight's size."""

    type: Literal["adafactor"] = "adafactor"
    lr: LearningRate = 0.01
    """Peak learning rate, relative to the root mean square of a parameter."""
    beta2_decay: Annotated[float, Field(ge=-1.0, lt=0.0)] = -0.8
    """The second moment's rate is 1 - step ^ this."""
    clip_threshold: Annotated[float, Field(ge=1.0)] = 1.0
    """Updates whose root mean square is above this are scaled down."""


class LionConfig(ElementwiseConfig):
    """Lion (Chen et al., 2023, arXiv:2302.06675): the sign of an interpolated momentum."""

    type: Literal["lion"] = "lion"
    lr: LearningRate = 1e-4
    """Peak learning rate; three to ten times smaller than AdamW's."""
    betas: Betas = [0.9, 0.99]
    """The interpolation for the step, and the decay rate of the momentum."""


class MuonConfig(Grouped):
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
    | Annotated[AdamConfig, Tag("adam")]
    | Annotated[SGDConfig, Tag("sgd")]
    | Annotated[AdafactorConfig, Tag("adafactor")]
    | Annotated[LionConfig, Tag("lion")]
    | Annotated[MuonConfig, Tag("muon")]
    | Annotated[OwnOptimizer, Tag("module:Class")],
    Discriminator(type_tag),
]
