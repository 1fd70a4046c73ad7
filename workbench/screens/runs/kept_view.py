"""What a person asked to see of the runs, kept for the next time."""

from __future__ import annotations

from workbench.memory import Memory
from workbench.screens.runs.arrange import View


def kept_view(session: Memory) -> View:
    """As it was left."""
    return View(
        session.get("runs.filter", ""),
        session.get("runs.sort", ""),
        session.get("runs.turned", False),
        session.get("runs.fold", False),
        frozenset(session.texts("runs.open_groups")),
    )


def keep_view(session: Memory, view: View) -> None:
    """Keep it."""
    session.set("runs.filter", view.words)
    session.set("runs.sort", view.sort)
    session.set("runs.turned", view.turned)
    session.set("runs.fold", view.fold)
    session.set("runs.open_groups", sorted(view.open_groups))
