"""What was changed in a run's definition while it trained: `changes.json`, a list, the earliest step first.

    {"step": 340, "time": ..., "request": "...", "values": {"optimizer.lr": 0.01}, "before": {"optimizer.lr": 0.02}}

`values` hold from the step after `step` on. `experiment.toml` stays as it was, so a run is a function of its definition
and its changes: one that falls back to an older checkpoint trains with what held then, and comes to each change again
at its step.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from craft import platform
from craft.errors import RunError
from craft.runs.folder import RunFolder
from craft.runs.json_files import encode_file, known_fields, read_objects, sealed, unsealed, why

Values = dict[str, int | float]
"""Settings by dotted path, as an override names them."""


@dataclass(frozen=True)
class Change:
    """Settings that changed after a step."""

    step: int
    time: float = 0.0
    """Seconds since 1970 when it was made."""
    request: str = ""
    """The id of what asked for it."""
    values: dict[str, Any] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)


def read_changes(folder: RunFolder) -> list[Change]:
    """A run's changes, the earliest step first. Raises RunError when the file is damaged: to train on without them
    would be to train another run."""
    try:
        records = read_objects(folder.changes)
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise _damaged(folder, why(error)) from error
    changes = []
    for record in records:
        try:
            values, faults = known_fields(unsealed(record), Change)
        except ValueError as error:
            raise _damaged(folder, str(error)) from error
        if faults:
            raise _damaged(folder, faults[0])
        change = Change(**values)
        odd = [path for path, value in change.values.items() if type(value) not in (int, float)]
        if odd or not change.values:
            raise _damaged(folder, f"{odd[0]} is no number" if odd else "a change has no values")
        changes.append(change)
    return sorted(changes, key=lambda change: change.step)  # stable: of one step the last counts


def _damaged(folder: RunFolder, words: str) -> RunError:
    return RunError(
        f"{folder.changes}: damaged: {words}; it says what was changed while {folder.name} trained. Put it back, or "
        "remove it to go on with experiment.toml alone"
    )


def write_changes(folder: RunFolder, changes: Sequence[Change]) -> None:
    """Put a run's changes on disk. Only the holder of the run's lock calls this. Raises OSError."""
    if changes or folder.changes.exists():
        platform.write_file_durable(folder.changes, encode_file([sealed(asdict(change)) for change in changes]))


def values_at(changes: Iterable[Change], step: int) -> Values:
    """What the changes make of the definition in the training of step `step` + 1."""
    values: Values = {}
    for change in changes:
        if change.step <= step:
            values |= change.values
    return values


def with_change(changes: Sequence[Change], new: Change) -> list[Change]:
    """The changes and one more. What later steps were to change of the same settings is given up: the run fell back
    to before them, and what a person says last counts."""
    kept = [change if change.step <= new.step else without_paths(change, new.values) for change in changes]
    kept = [change for change in kept if change.values]
    at = sum(change.step <= new.step for change in kept)
    return [*kept[:at], new, *kept[at:]]


def without_paths(change: Change, paths: Iterable[str]) -> Change:
    """A change without some of its settings; one without any is none."""
    gone = set(paths)
    return replace(
        change,
        values={path: value for path, value in change.values.items() if path not in gone},
        before={path: value for path, value in change.before.items() if path not in gone},
    )


def forget_changes(changes: Iterable[Change], paths: Iterable[str]) -> list[Change]:
    """The changes without these settings, for a resume that sets them anew."""
    gone = list(paths)
    return [kept for change in changes if (kept := without_paths(change, gone)).values]


def held_now(folder: RunFolder) -> Values:
    """What was changed while a run trained, by dotted path, as it holds at its last change; nothing where the file is
    damaged, which those say who train on."""
    try:
        return values_at(read_changes(folder), sys.maxsize)
    except RunError:
        return {}
