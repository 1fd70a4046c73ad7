"""What the form says of a row: what it is, what is wrong with it, and where its value comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.content import Content

from craft.config.editable import ABSENT
from craft.text import clean_line, shorten
from workbench.screens.experiments.editing.form_shown import said_of

if TYPE_CHECKING:
    from workbench.screens.experiments.editing.form_model import Row

EMPTY = '""'


def help_on(row: Row, fault: str | None = None) -> Content:
    """What a row is, what is wrong with it, and where its value comes from."""
    path = clean_line(".".join(row.path))
    if row.kind == "add":
        return Content.assemble((row.label, "bold"), "  enter or a asks which")
    lines: list[Any] = [(path, "bold")]
    if row.facts is not None:
        lines.append(f"  {row.facts.words}")
    said = row.fault if fault is None else fault
    if said:
        lines.append((f"\n! {clean_line(said)}", "$text-error"))
    about = row.facts.about if row.facts else row.note
    if about:
        lines.append(f"\n{clean_line(about)}")
    if row.kind == "setting":
        swept = f"{row.overridden}; " if row.overridden else ""
        lines.append((f"\n{swept}{clean_line(_source_of(row))}", "$foreground 60%"))
    return Content.assemble(*lines)


def _source_of(row: Row) -> str:
    if row.is_own:
        rest = f"without it {said_of(row.inherited) or EMPTY}" if row.inherited is not ABSENT else "nothing without it"
        source = f", {row.inherited_from}" if row.inherited_from not in ("", "default") else ", the default"
        return f"set {row.origin}; {rest}{source if row.inherited is not ABSENT else ''}; delete takes it away"
    if row.origin == "default":
        return "the schema's default; nothing sets it"
    return f"from {shorten(row.origin, 60)}" if row.origin else "not set"
