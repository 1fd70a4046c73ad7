"""A resolved definition for reading: TOML, with the place that each value comes from beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from craft.config.check import dotted
from craft.config.definition import settings_of
from craft.config.experiments import PlannedRun
from craft.config.structure import FORMAT
from craft.config.toml_values import write_key, write_value
from craft.config.tree import Origin

_WIDTH = 48  # comments stand in one column, unless a value is wider


def annotated(runs: Sequence[PlannedRun]) -> str:
    """The definitions of these runs, one experiment after the other; of a sweep the first run stands for all.

    The text is an experiments file that `craft run` accepts.
    """
    first: dict[str, PlannedRun] = {}
    counts: dict[str, int] = {}
    for run in runs:
        first.setdefault(run.experiment, run)
        counts[run.experiment] = counts.get(run.experiment, 0) + 1
    lines = [f"craft = {FORMAT}"]
    for name, run in first.items():
        if run.axes:
            lines += ["", f"# The first of {counts[name]:,} runs: the sweep changes {', '.join(run.axes)}."]
        lines += _table(("experiment", name), settings_of(run.config), run.origins)
    return "\n".join(lines) + "\n"


def _table(path: tuple[str, ...], settings: dict[str, Any], origins: dict[str, Origin]) -> Iterable[str]:
    """The lines of one table, then those of the tables in it."""
    plain = {key: value for key, value in settings.items() if not (isinstance(value, dict) and value)}
    if plain:
        yield ""
        yield f"[{dotted(path)}]"
    for key, value in plain.items():
        written = _visible(f"{write_key(key)} = {write_value(value)}")
        yield f"{written:<{_WIDTH}}  # {_place(origins[dotted((*path[2:], key))])}"
    for key, value in settings.items():
        if key not in plain:
            yield from _table((*path, key), value, origins)


def _place(origin: Origin) -> str:
    if origin.file is None:
        return origin.kind
    how = {"sweep": " (swept)", "preset": " (its preset)"}.get(origin.kind, "")
    return _visible(f"{origin.file}:{origin.line}") + how


def _visible(text: str) -> str:
    """Escape what a terminal would obey as TOML does, so that the text stays the same value."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
        for char in text
    )
