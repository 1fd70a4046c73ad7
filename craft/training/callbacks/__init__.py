"""Callbacks by name: a module each, beside the base class."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import cast

from craft.config.own_code import make_own, must_be
from craft.config.schema.callbacks import CallbackConfig, Notifying, OwnCallback, Writer
from craft.errors import CraftError
from craft.training.callbacks.base import Callback, CallbackList
from craft.training.callbacks.outcome import Notifier, facts_before
from craft.training.recorder import Recorder

__all__ = ["Callback", "CallbackList", "create_callbacks", "tell_unstarted"]

_CLASSES = {
    "early_stopping": "EarlyStopping",
    "sample_text": "SampleText",
    "spike_guard": "SpikeGuard",
    "lr_finder": "LRFinder",
    "norms": "Norms",
    "system": "System",
    "tensorboard": "TensorBoard",
    "wandb": "Wandb",
    "trackio": "Trackio",
    "mlflow": "MLflow",
    "webhook": "Webhook",
    "command": "Command",
}
"""The class of each type, in the module of the type's name."""


def create_callbacks(configs: dict[str, CallbackConfig], *, search: Path | None = None) -> CallbackList:
    """The callbacks that a `[callbacks]` table describes, those switched off left out.

    Writers come last, so that they also write what the others add to a record. search: the folder where callbacks of
    one's own are looked for first. Raises OwnCodeError for such a one.
    """
    wanted = {name: config for name, config in configs.items() if config.enabled}
    ordered = sorted(wanted.items(), key=lambda item: isinstance(item[1], Writer))
    made = {name: _create(name, config, search) for name, config in ordered}
    return CallbackList(made, {name: config.on_error for name, config in ordered})


def _create(name: str, config: CallbackConfig, search: Path | None) -> Callback:
    if isinstance(config, OwnCallback):
        own = make_own(config, f"callbacks.{name}", search)
        must_be(own, Callback, config, f"callbacks.{name}")
        return cast(Callback, own)
    module = importlib.import_module(f"craft.training.callbacks.{config.type}")
    return cast(Callback, getattr(module, _CLASSES[config.type])(config))


def tell_unstarted(configs: dict[str, CallbackConfig], recorder: Recorder, phase: str, error: str | None) -> None:
    """Tell those that want to know of a run that ended before there was a Trainer; what fails at that is said."""
    for name, config in configs.items():
        if config.enabled and isinstance(config, Notifying) and phase in config.on:
            try:
                cast(Notifier, _create(name, config, None)).tell(facts_before(recorder, phase, error), recorder)
            except (CraftError, OSError) as fault:
                recorder.warn(f"callbacks.{name}: {fault}")
