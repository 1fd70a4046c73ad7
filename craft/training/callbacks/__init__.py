"""Callbacks by name: a module each, beside the base class."""

from craft.config.schema.callbacks import CallbackConfig
from craft.training.callbacks.base import Callback, CallbackList

__all__ = ["Callback", "CallbackList", "create_callbacks"]


def create_callbacks(configs: dict[str, CallbackConfig]) -> CallbackList:
    """The callbacks that a `[callbacks]` table describes, those switched off left out."""
    from craft.training.callbacks.early_stopping import EarlyStopping

    return CallbackList({name: EarlyStopping(config) for name, config in configs.items() if config.enabled})
