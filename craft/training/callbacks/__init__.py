"""Callbacks by name: a module each, beside the base class."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from craft.config.own_code import make_own, must_be
from craft.config.schema.callbacks import CallbackConfig, EarlyStoppingConfig, OwnCallback
from craft.training.callbacks.base import Callback, CallbackList

__all__ = ["Callback", "CallbackList", "create_callbacks"]


def create_callbacks(configs: dict[str, CallbackConfig], *, search: Path | None = None) -> CallbackList:
    """The callbacks that a `[callbacks]` table describes, those switched off left out.

    search: the folder where callbacks of one's own are looked for first. Raises OwnCodeError for such a one.
    """
    made = {name: _create(name, config, search) for name, config in configs.items() if config.enabled}
    return CallbackList(made)


def _create(name: str, config: CallbackConfig, search: Path | None) -> Callback:
    match config:
        case EarlyStoppingConfig():
            from craft.training.callbacks.early_stopping import EarlyStopping

            return EarlyStopping(config)
        case OwnCallback():
            own = make_own(config, f"callbacks.{name}", search)
            must_be(own, Callback, config, f"callbacks.{name}")
            return cast(Callback, own)
