"""The settings in which the definitions of several runs differ, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from craft.analysis.comparison.runs import ComparedRun
from craft.config.fields import NOT_INHERITED

NOT_THERE = object()
"""Stands for a setting that a definition does not have, as another optimizer's."""


def differing_settings(runs: Sequence[ComparedRun]) -> dict[str, list[Any]]:
    """Dotted path -> each run's value, for the settings that are not the same in all; NOT_THERE where one has none.

    What names and describes a run is left out. A run whose definition could not be read differs in nothing.
    """
    readable = [run for run in runs if run.definition]
    paths = dict.fromkeys(path for run in readable for path in run.definition)
    found = {}
    for path in paths:
        if path.partition(".")[0] in NOT_INHERITED:
            continue
        values = [run.definition.get(path, NOT_THERE) for run in runs]
        known = [value for run, value in zip(runs, values, strict=True) if run.definition]
        if any(value != known[0] for value in known):
            found[path] = values
    return found
