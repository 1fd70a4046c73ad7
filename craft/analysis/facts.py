"""What filters and sorting ask of a run: its claim's figures, its settings, its metrics' last values.

Read when it is first asked for: ten thousand runs filtered by phase open no definition.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from craft.analysis.filters import Value
from craft.runs.folder import RunIdentity, load_identity
from craft.runs.json_files import decode_object
from craft.runs.notes import Notes, read_notes
from craft.runs.store import RunSummary

_TAIL = 1 << 16  # bytes of a metrics log in which a last value is looked for


class RunFacts:
    """A run, asked by name; an instance is what `Filter.holds` calls. None where the run has no such thing."""

    def __init__(self, run: RunSummary, *, phase: str | None = None) -> None:
        self.run, self.phase = run, phase or run.phase
        self._identity: RunIdentity | None = None

    def __call__(self, name: str) -> Value:
        """The value of a figure, a setting (also by the end of its path), or a metric."""
        if name in _CLAIMED:
            return _CLAIMED[name](self)
        if "/" in name:
            return last_value(self.run.folder.metrics, name)
        return setting(self.run.folder.definition, name)

    @property
    def text(self) -> str:
        """All that words are looked for in."""
        run = self.run
        words = (run.name, run.experiment, run.group, self.phase, self.notes.text)
        return " ".join(filter(None, words))

    @property
    def notes(self) -> Notes:
        """What a person said of it."""
        return read_notes(self.run.folder)

    @property
    def parent(self) -> str | None:
        """The run that it was forked from."""
        if self._identity is None:
            self._identity = load_identity(self.run.folder)[0] or RunIdentity(experiment=self.run.experiment)
        return self._identity.parent_run

    @property
    def age(self) -> float | None:
        """Seconds since it was made."""
        return max(0.0, time.time() - self.run.created) if self.run.created else None


_CLAIMED: dict[str, Callable[[RunFacts], Value]] = {
    "text": lambda facts: facts.text,
    "run": lambda facts: facts.run.name,
    "name": lambda facts: facts.run.name,
    "phase": lambda facts: facts.phase,
    "group": lambda facts: facts.run.group,
    "experiment": lambda facts: facts.run.experiment,
    "step": lambda facts: facts.run.step,
    "tokens": lambda facts: facts.run.status.tokens,
    "speed": lambda facts: facts.run.tokens_per_second,
    "loss": lambda facts: facts.run.train_loss,
    "train/loss": lambda facts: facts.run.train_loss,
    "val/loss": lambda facts: facts.run.val_loss,
    "best": lambda facts: facts.run.best,
    "best_step": lambda facts: facts.run.status.best_step,
    "eta": lambda facts: facts.run.eta_seconds if facts.run.observed.is_live else None,
    "age": lambda facts: facts.age,
    "parent": lambda facts: facts.parent,
    "star": lambda facts: facts.notes.star,
    "tag": lambda facts: " ".join(facts.notes.tags) or None,
    "note": lambda facts: facts.notes.note or None,
}


def setting(definition: Path, name: str) -> Value:
    """A setting of a run's definition by its path, or by the end of it where only one path ends so; else None."""
    try:
        stat = definition.stat()
    except OSError:
        return None
    settings = _settings(definition, stat.st_mtime_ns, stat.st_size)
    if name in settings:
        return settings[name]
    ending = [path for path in settings if path.endswith(f".{name}")]
    # lr is the optimizer's, whatever else has an lr of its own further down.
    ending.sort(key=lambda path: path.count("."))
    if len(ending) > 1 and ending[0].count(".") == ending[1].count("."):
        return None
    return settings[ending[0]] if ending else None


@lru_cache(maxsize=20_000)
def _settings(definition: Path, modified: int, size: int) -> Mapping[str, Value]:
    """Every setting of a resolved definition by its path; empty when it cannot be read. Nothing is checked."""
    try:
        document = tomllib.loads(definition.read_text(encoding="utf-8"))
        (table,) = document["experiment"].values()
    except (OSError, ValueError, KeyError, AttributeError, RecursionError):
        return {}
    found: dict[str, Value] = {}
    _flatten(table, "", found)
    return found


def _flatten(table: Mapping[str, Any], prefix: str, found: dict[str, Value]) -> None:
    for key, value in table.items():
        if isinstance(value, dict):
            _flatten(value, f"{prefix}{key}.", found)
        elif isinstance(value, str | bool):
            found[f"{prefix}{key}"] = value
        elif isinstance(value, int | float):
            found[f"{prefix}{key}"] = float(value)
        else:
            found[f"{prefix}{key}"] = str(value)


def last_value(log: Path, name: str) -> float | None:
    """The newest value of a metric, looked for in the end of the log only; None where there is none."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL))
            lines = file.read().splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        if f'"{name}"'.encode() in line:
            try:
                value = decode_object(line).get(name)
            except ValueError:
                continue
            return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    return None
