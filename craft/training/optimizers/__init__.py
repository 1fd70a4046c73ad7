"""Optimizers: how gradients become updates.

    base.py         what an optimizer is, and which parameters share a rate and a decay
    elementwise.py  AdamW, Adam, SGD, Adafactor, Lion
    muon.py         orthogonalised updates for the hidden matrices
    from_torch.py   any optimizer of torch's kind

Craft's own do not derive from `torch.optim.Optimizer`, whose constructor imports torch's compiler and with it most of
a second (docs/measurements.md); the arithmetic is torch's own kernels, through their functional form, where it has one
that never waits for the device.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from craft.config.own_code import import_named, make_own, must_be
from craft.config.schema.optimizer import (
    AdafactorConfig,
    AdamConfig,
    AdamWConfig,
    LionConfig,
    MuonConfig,
    OptimizerConfig,
    OwnOptimizer,
    SGDConfig,
)
from craft.models.base import BaseModel
from craft.training.optimizers.base import Optimizer, parameter_groups
from craft.training.optimizers.elementwise import SGD, Adafactor, Adam, AdamW, Grouped, Lion
from craft.training.optimizers.muon import Muon, orthogonalise

__all__ = [
    "SGD",
    "Adafactor",
    "Adam",
    "AdamW",
    "Lion",
    "Muon",
    "Optimizer",
    "change_optimizer",
    "create_optimizer",
    "orthogonalise",
]


def create_optimizer(config: OptimizerConfig, model: BaseModel, *, search: Path | None = None) -> Optimizer:
    """The optimizer that an `[optimizer]` table describes, over the model's parameters.

    search: the folder where one of your own is looked for first. Raises OwnCodeError for such a one, and TrainingError
    for a pattern of names that no parameter bears.
    """
    match config:
        case MuonConfig():
            return Muon(config, model)
        case OwnOptimizer():
            return _own_optimizer(config, model, search)
        case AdamWConfig():
            return AdamW(parameter_groups(config, model), config.lr, (config.betas[0], config.betas[1]), config.eps)
        case AdamConfig():
            return Adam(parameter_groups(config, model), config.lr, (config.betas[0], config.betas[1]), config.eps)
        case SGDConfig():
            return SGD(parameter_groups(config, model), config.lr, config.momentum, nesterov=config.nesterov)
        case AdafactorConfig():
            return Adafactor(parameter_groups(config, model), config.lr, config.beta2_decay, config.clip_threshold)
        case LionConfig():
            return Lion(parameter_groups(config, model), config.lr, (config.betas[0], config.betas[1]))


def change_optimizer(optimizer: Optimizer, config: OptimizerConfig, model: BaseModel) -> None:
    """Give an optimizer other numbers, as if it had been made with them; its state stays.

    Not for one of a person's own: of its settings only the rate is known, and the schedule sets that.
    """
    assert not isinstance(config, OwnOptimizer)
    if isinstance(config, MuonConfig):
        assert isinstance(optimizer, Muon)
        optimizer.change(config, model)
        return
    assert isinstance(optimizer, Grouped)
    optimizer.regroup(parameter_groups(config, model), config.lr)
    match config:
        case AdamWConfig() | AdamConfig():
            assert isinstance(optimizer, AdamW | Adam)
            optimizer.eps = config.eps
        case SGDConfig():
            assert isinstance(optimizer, SGD)
            optimizer.change_momentum(config.momentum)
        case AdafactorConfig():
            assert isinstance(optimizer, Adafactor)
            optimizer.beta2_decay, optimizer.clip_threshold = config.beta2_decay, config.clip_threshold


def _own_optimizer(config: OwnOptimizer, model: BaseModel, search: Path | None) -> Optimizer:
    """One of Craft's kind, or one of torch's kind in the adapter."""
    from torch.optim import Optimizer as TorchOptimizer

    made_by = import_named(config.type, "optimizer.type", search)
    if isinstance(made_by, type) and issubclass(made_by, TorchOptimizer):
        from craft.training.optimizers.from_torch import FromTorch

        return FromTorch(made_by, config, model)
    own = make_own(config, "optimizer", search, model=model, lr=config.lr)
    must_be(own, Optimizer, config, "optimizer")
    return cast(Optimizer, own)
