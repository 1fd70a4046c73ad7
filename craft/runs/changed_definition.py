"""A run's definition with what was changed while it trained over it, and what of it may change.

Apart from `changes`, which those read who only look on: this needs the schema, a fifth of a second to import.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from craft.config.experiments import load_experiments
from craft.config.live import live_settings, why_not_live
from craft.config.schema import ExperimentConfig
from craft.config.toml_values import dotted, leaves, write_value
from craft.errors import ConfigError, RunError
from craft.runs.changes import Values
from craft.runs.folder import RunFolder


def config_with(folder: RunFolder, values: Mapping[str, Any]) -> ExperimentConfig:
    """A run's definition with these settings over it. Raises ConfigError where that is no sound one."""
    return _definition_with(folder, _overrides(values))


def _overrides(values: Mapping[str, Any]) -> list[str]:
    return [f"{path}={write_value(value)}" for path, value in values.items()]


def _definition_with(folder: RunFolder, overrides: Sequence[str]) -> ExperimentConfig:
    runs = load_experiments(folder.definition).plan((), overrides)
    if len(runs) != 1:
        raise ConfigError(f"{folder.definition}: a run's definition holds one run, this file {len(runs):,}")
    return runs[0].config


def plan_change(folder: RunFolder, held: Mapping[str, Any], overrides: Sequence[str]) -> tuple[Values, Values]:
    """What these `path=value` texts change in a run that trains with `held` over its definition: the new values and
    those before, of what does change.

    Raises ConfigError for a wrong value, and RunError for a setting that cannot change while it trains.
    """
    texts = _overrides(held)
    before, after = _definition_with(folder, texts), _definition_with(folder, [*texts, *overrides])
    can, will = live_settings(before), live_settings(after)
    changed = [path for path in can if will.get(path) != can[path]]
    old, new = leaves(before.model_dump(mode="json")), leaves(after.model_dump(mode="json"))
    different = [dotted(path) for path in {**old, **new} if old.get(path) != new.get(path)]
    others = [path for path in different if path not in changed]
    if others:
        raise RunError(f"{folder.name}: {', '.join(others)} cannot change while it trains; these can: {', '.join(can)}")
    if words := why_not_live(after):
        raise RunError(f"{folder.name}: {words}")
    return {path: will[path] for path in changed}, {path: can[path] for path in changed}
