"""Which rows of a form are shown, and how their values are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from craft.config.editable import ABSENT
from craft.config.toml_values import write_value

if TYPE_CHECKING:
    from workbench.screens.experiments.editing.form_model import Row

VIEWS = {"all": "all settings", "set": "those that some table sets", "own": "those that are set here"}


def said_of(value: Any) -> str:
    """A value as the form shows it: a text without its quotes, all else as TOML."""
    if value is ABSENT:
        return ""
    return value if isinstance(value, str) else write_value(value)


def shown_rows(rows: Sequence[Row], words: str, view: str, folded: set[str]) -> list[Row]:
    """The rows that a filter, a view and folded sections leave, with the headings above them."""
    wanted = words.lower().split()

    def has_words(row: Row, about: str = "") -> bool:
        text = f"{'.'.join(row.path)} {said_of(row.value)} {about}".lower()
        return all(word in text for word in wanted)

    # What a setting is called counts more than what is said of it.
    by_name = any(has_words(row) for row in rows if row.kind == "setting")

    def fits(row: Row) -> bool:
        if wanted and not has_words(row, "" if by_name or row.facts is None else row.facts.about):
            return False
        return view == "all" or (row.is_own if view == "own" else row.is_set)

    found: list[Row] = []
    waiting: list[Row] = []  # headings that are shown once a row below them is
    for row in rows:
        if row.kind == "section":
            waiting = [row]
        elif row.kind == "named":
            waiting = [*(one for one in waiting if one.kind == "section"), row]
            if row.is_own and not wanted:
                found += waiting
                waiting = []
        elif fits(row) if row.kind != "add" else view == "all" and not wanted:
            found += [*waiting, row]
            waiting = []
    return found if wanted else _unfolded(found, folded)


def _unfolded(rows: Sequence[Row], folded: set[str]) -> list[Row]:
    """The rows that lie in no folded section."""
    section = ""
    kept = []
    for row in rows:
        if row.kind == "section":
            section = ".".join(row.path)
        elif {section, *(".".join(row.path[:n]) for n in range(1, len(row.path)))} & folded:
            continue
        kept.append(row)
    return kept
