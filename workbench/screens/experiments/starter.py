"""What new experiments begin as, and edits that the list makes: all on the text, so that comments stay."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from craft.config.edit import set_value
from craft.config.toml_values import dotted, leaves

if TYPE_CHECKING:
    from craft.config.experiments import PlannedRun
    from workbench.screens.experiments.rows import Row

# Sizes that train in seconds on a laptop's CPU and show a difference; to be changed right away.
_MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "transformer": (
        "four blocks of attention and MLP",
        {"type": "transformer", "num_layers": 4, "num_heads": 4, "hidden_size": 128},
    ),
    "lstm": ("two recurrent layers with gates", {"type": "lstm", "num_layers": 2, "hidden_size": 256}),
    "rnn": ("two plain recurrent layers", {"type": "rnn", "num_layers": 2, "hidden_size": 256}),
    "hf": (
        "an architecture of the transformers library, with fresh weights",
        {"type": "hf", "model_type": "gpt2", "num_layers": 4, "num_heads": 4, "hidden_size": 128},
    ),
}


@dataclass(frozen=True)
class Starter:
    """One way to begin."""

    name: str
    about: str
    stem: str
    """What its name begins with unless somebody says otherwise."""
    table: dict[str, Any]

    def written(self, text: str, name: str) -> str:
        """The text with an experiment of this kind at its end. Raises ConfigError."""
        return set_value(text, ("experiment", name), self.table)


def starters(rows: Sequence[Row]) -> list[Starter]:
    """Children of what the file has, templates first, then one of each type of model."""
    ordered = sorted(rows, key=lambda row: row.kind != "template")
    found = [
        Starter(
            f"extends {row.name}",
            row.about or f"all of {row.kind} '{row.name}'",
            f"{row.name}-new",
            {"extends": row.name},
        )
        for row in ordered
    ]
    for kind, (about, model) in _MODELS.items():
        found.append(Starter(f"a new {kind}", about, kind, {"description": "", "why": "", "model": model}))
    return found


# Sweeps ----------------------------------------------------------------------------------------------------------


def settings_paths(run: PlannedRun) -> list[str]:
    """The settings of a definition that a sweep may change."""
    from craft.config.definition import settings_of

    found = leaves(settings_of(run.config))
    return [dotted(path) for path in found if path[0] not in ("description", "why")]


def sweep_fault(values: Sequence[str]) -> str:
    """What is wrong with a path, its values and seeds; empty when nothing is."""
    from craft.config import fields

    path = tuple(values[0].strip().split("."))
    if not fields.exists(path):
        return f"unknown setting '{values[0].strip()[:60]}'" + (f" ({hint})" if (hint := fields.hint_for(path)) else "")
    for words, what, needed in ((values[1], "values", True), (values[2], "seeds", False)):
        found = read_list(words)
        if found is None:
            return f"the {what} cannot be read: write them as in the file, between commas"
        if needed and not found:
            return "it needs at least one value"
        if what == "seeds" and not all(type(one) is int for one in found):
            return "seeds are whole numbers"
    return ""


def read_list(words: str) -> list[Any] | None:
    """Values between commas as TOML has them, plain words as text; None where that cannot be read."""
    if not words.strip():
        return []
    try:
        return list(tomllib.loads(f"x = [{words}]")["x"])
    except (ValueError, RecursionError):
        plain = [word.strip() for word in words.split(",")]
        return plain if all(word.replace("_", "").replace("-", "").isalnum() for word in plain) else None


def swept(text: str, name: str, target: str, values: Sequence[str]) -> str:
    """The text with `target` sweeping a setting: `name` itself, with another axis, or a new child of it."""
    path, choices, seeds = tuple(values[0].strip().split(".")), read_list(values[1]), read_list(values[2])
    table = ("experiment", target)
    if target != name:
        text = set_value(text, (*table, "extends"), name)
    text = set_value(text, (*table, "sweep", "axes", *path), choices)
    if seeds:
        text = set_value(text, (*table, "sweep", "seeds"), seeds)
    return text
