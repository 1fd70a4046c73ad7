"""Settings of runs: which there are, which can change while a run trains, and what such a change would do."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence

from craft.config.live import live_settings
from craft.config.toml_values import dotted, leaves, write_value
from craft.errors import CraftError
from craft.launch.going_on.live import plan_live_change
from craft.runs.changed_definition import config_with
from craft.runs.changes import held_now
from craft.runs.folder import RunFolder


def settings_of(folder: RunFolder) -> dict[str, str]:
    """What can be changed while a run trains, by path, as it would be written; nothing where it cannot be read."""
    try:
        return {
            path: write_value(value) for path, value in live_settings(config_with(folder, held_now(folder))).items()
        }
    except (CraftError, OSError):
        return {}


def definition_of(folder: RunFolder) -> dict[str, str]:
    """Every setting of a run by its path, as it would be written; nothing where it cannot be read."""
    try:
        (table,) = tomllib.loads(folder.definition.read_text(encoding="utf-8"))["experiment"].values()
        return {dotted(path): write_value(value) for path, value in leaves(table).items()}
    except (OSError, ValueError, KeyError, AttributeError, RecursionError, TypeError):
        return {}


def explain(folders: Sequence[RunFolder], edits: Sequence[str]) -> tuple[list[tuple[str, str]], bool]:
    """What a change would do to runs that train: lines with their tones, and whether any can take it."""
    if not edits:
        known = settings_of(folders[0])
        return [(f"{path} = {value}", "quiet") for path, value in known.items()], False
    lines: list[tuple[str, str]] = []
    possible = False
    for folder in folders:
        known = settings_of(folder)
        try:
            values = plan_live_change(folder, edits)
        except CraftError as error:
            lines.append((str(error), "bad"))
            continue
        possible = True
        for path, value in values.items():
            lines.append((f"{folder.name}: {path} {known.get(path, '?')} -> {write_value(value)}", "good"))
    return lines, possible
