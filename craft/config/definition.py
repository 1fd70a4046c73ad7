"""A run's own `experiment.toml`: one resolved definition, nothing left to defaults.

It is an experiments file like any other, so `craft run` accepts it as it is.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from craft.config.experiments import load_experiments
from craft.config.fields import NOT_INHERITED
from craft.config.schema import ExperimentConfig
from craft.config.structure import FORMAT
from craft.errors import ConfigError


def load_definition(path: Path) -> tuple[str, ExperimentConfig]:
    """The name and the definition of the one experiment in a run's `experiment.toml`.

    Raises ConfigError when the file has a fault, or holds anything but one experiment without a sweep.
    """
    runs = load_experiments(path).plan()
    if len(runs) != 1:
        raise ConfigError(f"{path}: a run's definition holds one run, this file {len(runs):,}")
    return runs[0].experiment, runs[0].config


def dump_definition(name: str, config: ExperimentConfig, *, runs_dir: Path | None) -> str:
    """The text of a file that holds this one experiment; `runs_dir` is where `craft run` puts its runs."""
    import tomli_w

    document: dict[str, Any] = {"craft": FORMAT}
    if runs_dir is not None:
        document["project"] = {"runs_dir": str(runs_dir)}
    document["experiment"] = {name: settings_of(config)}
    return tomli_w.dumps(document)


def settings_of(config: ExperimentConfig) -> dict[str, Any]:
    """All settings as plain values, a section's type before the rest of it."""
    return {key: _type_first(value) for key, value in config.model_dump(mode="json").items()}


def definition_hash(config: ExperimentConfig) -> str:
    """SHA-256, in hexadecimal, of all that influences a run: of everything but `description` and `why`."""
    settings = config.model_dump(mode="json", exclude=set(NOT_INHERITED))
    canonical = json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _type_first(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ordered = {"type": value["type"]} if "type" in value else {}
    return ordered | {key: _type_first(inner) for key, inner in value.items()}
