"""The settings in which the definitions of several runs differ, and nothing else; or all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from craft.analysis.comparison.runs import ComparedRun
from craft.config.fields import NOT_INHERITED

NOT_THERE = object()
"""Stands for a setting that a definition does not have, as another optimizer's."""


def differing_settings(runs: Sequence[ComparedRun], *, every: bool = False) -> dict[str, list[Any]]:
    """Dotted path -> each run's value, for the settings that are not the same in all; NOT_THERE where one has none.

    What names and describes a run is left out. A run whose definition could not be read differs in nothing. `every`:
    also those that are the same.
    """
    readable = [run for run in runs if run.definition]
    paths = dict.fromkeys(path for run in readable for path in run.definition)
    found = {}
    for path in paths:
        if path.partition(".")[0] in NOT_INHERITED:
            continue
        values = [run.definition.get(path, NOT_THERE) for run in runs]
        known = [value for run, value in zip(runs, values, strict=True) if run.definition]
        if every or any(value != known[0] for value in known):
            found[path] = values
    return found


def other_measure(one: ComparedRun, other: ComparedRun, metric: str) -> str:
    """In what another thing was measured, in words; empty where figures of both compare, as far as that is known."""
    hashes = one.identity.data_hash, other.identity.data_hash
    if None not in hashes and hashes[0] != hashes[1]:
        return "on another text"
    differing = [path for path in differing_settings([one, other]) if one.definition and other.definition]
    # Bits a byte do not ask by what tokens the bytes were read.
    if "bits_per_byte" not in metric and any(path.startswith("tokenizer.") for path in differing):
        return "by another vocabulary"
    if any(path in ("data.val_fraction", "data.test_fraction") for path in differing):
        return "on another part of the text"
    return ""
