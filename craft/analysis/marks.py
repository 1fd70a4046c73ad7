"""How events are drawn along the x axis: a sign by kind, and for those that bend a curve a thin line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from craft.analysis.inking import Ink
from craft.analysis.scales import Scale
from craft.analysis.series import Mark


@dataclass(frozen=True)
class Sign:
    """How one kind of event looks."""

    glyph: str
    ascii: str
    role: str = "mark"
    line: bool = False
    """Whether it runs up through the plot."""

    def drawn(self, ink: Ink) -> str:
        return self.ascii if ink == "ascii" else self.glyph


# The most telling first: where two share a column, that one shows.
SIGNS: Mapping[str, Sign] = {
    "nonfinite": Sign("\u2205", "N", "bad"),
    "failed": Sign("\u2715", "X", "bad", line=True),
    "rolled_back": Sign("\u00ab", "<", "warn", line=True),
    "warning": Sign("\u25b2", "!", "warn", line=True),
    "changed": Sign("\u25c6", "=", line=True),
    "resumed": Sign("\u00bb", ">", line=True),
    "stopped": Sign("\u25a0", "#"),
    "checkpoint": Sign("\u25aa", "o"),
}
_OTHER = Sign("\u00b7", ".")
_RANKS = {kind: rank for rank, kind in enumerate(SIGNS)}


def sign_of(kind: str) -> Sign:
    return SIGNS.get(kind, _OTHER)


def by_column(marks: Iterable[Mark], x: Scale, width: int) -> dict[int, list[Mark]]:
    """The marks that lie on the axis, by column, the most telling first."""
    found: dict[int, list[Mark]] = {}
    for mark in marks:
        if x.holds(mark.x):
            found.setdefault(x.near(mark.x, width), []).append(mark)
    for here in found.values():
        here.sort(key=lambda mark: _RANKS.get(mark.kind, len(_RANKS)))
    return found


def said(marks: Mapping[int, list[Mark]], column: int) -> str:
    """What happened at a column or right beside it."""
    for near in (column, column - 1, column + 1):
        if near in marks:
            texts = [mark.text or mark.kind.replace("_", " ") for mark in marks[near]]
            return "; ".join(dict.fromkeys(filter(None, texts)))
    return ""
