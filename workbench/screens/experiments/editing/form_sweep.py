"""The rows of a sweep: how it goes, its axes, and the settings of each run of a list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from craft.config import fields
from craft.config.toml_values import dotted, write_value
from workbench.screens.experiments.editing.facts import SWEEP_KEYS, facts_of
from workbench.screens.experiments.editing.form_model import KeyPath, Row

RUNS = ("sweep", "runs")
_ALL = "the sweep overrides it"
_WANTED = {"list": ("runs",), "random": ("trials", "seed")}


def sweep_rows(
    table: Any, instruction: Callable[[KeyPath], Row], types: Mapping[str, str], fault_of: Callable[[KeyPath, Any], str]
) -> Iterator[Row]:
    """The rows below the heading. `instruction` makes the row of a key; `fault_of` says what the schema has against a
    value, where anything is wrong at all."""
    strategy = str(table.get("strategy", "grid")) if isinstance(table, dict) else "grid"
    if isinstance(table, dict):
        for key in SWEEP_KEYS:
            if key == "runs" and isinstance(table.get(key), list):
                yield from _runs(table[key], instruction, types, fault_of)
            elif key != "axes" and (key in ("strategy", "seeds", *_WANTED.get(strategy, ())) or key in table):
                yield instruction(("sweep", key))
        axes = table.get("axes")
        for path in _axes(axes if isinstance(axes, dict) else {}):
            yield instruction(("sweep", "axes", *path))
    yield adding(RUNS, "a run") if strategy == "list" else adding(("sweep", "axes"), "an axis")


def overridden(table: Any) -> dict[KeyPath, str]:
    """The settings that a sweep has values of its own for, and in which of its runs."""
    table = table if isinstance(table, dict) else {}
    axes, runs = table.get("axes"), table.get("runs")
    found = dict.fromkeys(_axes(axes if isinstance(axes, dict) else {}), _ALL)
    if table.get("seeds"):
        found["seed",] = _ALL
    runs = [run for run in runs if isinstance(run, dict)] if isinstance(runs, list) else []
    settings = Counter(path for run in runs for path in {_setting_of(keys) for keys, _ in _leaves(run)})
    for path, number in settings.items():
        some = f"{number} of the sweep's {len(runs)} runs override{'s' * (number == 1)} it"
        found[path] = some if number < len(runs) else _ALL
    return found


def adding(path: KeyPath, what: str) -> Row:
    """The row that adds something."""
    return Row("add", path, f"add {what}")


def place_in_file(path: KeyPath) -> tuple[str | int, ...]:
    """A row's path as the file has it: runs are counted."""
    return (*RUNS, int(path[2]), *path[3:]) if path[:2] == RUNS and path[2:] else path


def setting_in_run(path: KeyPath) -> KeyPath:
    """The setting that a row of a run is about: its name may be one dotted key."""
    return _setting_of(path[3:])


def _setting_of(keys: KeyPath) -> KeyPath:
    return tuple(part for key in keys for part in key.split("."))


def _runs(
    runs: list[Any],
    instruction: Callable[[KeyPath], Row],
    types: Mapping[str, str],
    fault_of: Callable[[KeyPath, Any], str],
) -> Iterator[Row]:
    for number, run in enumerate(runs):
        at = (*RUNS, str(number))
        row = replace(instruction(at), label=f"run {number + 1}")
        if not isinstance(run, dict):
            yield row
            continue
        leaves = list(_leaves(run))
        said = ", ".join(f"{'.'.join(keys)} = {write_value(value)}" for keys, value in leaves)
        yield replace(row, kind="named", value=said, note="one run of the sweep", facts=None)
        for keys, value in leaves:
            path = (*at, *keys)
            setting = setting_in_run(path)
            table = ".".join(setting[:2] if setting[0] in fields.NAMED else setting[:1])
            inner = instruction(path)
            facts, fault = facts_of(setting, types.get(table)), inner.fault or fault_of(setting, value)
            yield replace(inner, label=".".join(keys), facts=facts and replace(facts, default=None), fault=fault)


def _leaves(table: Mapping[str, Any], keys: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*keys, key))
        else:
            yield (*keys, key), value


def _axes(table: Mapping[str, Any], path: KeyPath = ()) -> Iterable[KeyPath]:
    """The paths of an axes table that have values of their own."""
    for key, value in table.items():
        is_range = isinstance(value, dict) and value.keys() & {"low", "high", "log", "choices"}
        if isinstance(value, dict) and not is_range:
            yield from _axes(value, (*path, key))
        else:
            yield (*path, key)


def label_of(path: KeyPath) -> str:
    """A row's name in the sweep."""
    return dotted(path[2:] if path[:2] == ("sweep", "axes") else path[1:] or path)
