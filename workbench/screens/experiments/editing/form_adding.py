"""What can be added to a form: callbacks, metrics, axes of a sweep. Which, is asked in a dialog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from craft.config import fields
from craft.config.editable import ABSENT
from workbench.dialogs.choose import Choice, ChooseScreen
from workbench.dialogs.prompt import PromptScreen
from workbench.screens.experiments.editing.form_edits import add_axis, add_named
from workbench.screens.experiments.editing.form_rows import Form, KeyPath, Row
from workbench.screens.experiments.editing.form_shown import said_of

if TYPE_CHECKING:
    from workbench.app import Workbench

_NOT_SWEPT = ("description", "why", *fields.INSTRUCTIONS, *fields.NAMED)


@dataclass(frozen=True)
class Addition:
    """What was decided on: how it changes the text, and which row shall be edited then."""

    edit: Callable[[str], str]
    why: str
    then: KeyPath = ()


Done = Callable[[Addition], None]


def _ask_callback(app: Workbench, form: Form, done: Done) -> None:
    there = {row.path[1] for row in form.rows if row.kind == "named" and row.path[0] == "callbacks"}
    craft = (kind for kind in fields.types_of("callbacks") if kind != fields.OWN_TYPE)
    kinds = [kind for kind in (*craft, *form.own.names("callbacks")) if kind not in there]
    choices = [Choice(kind, kind, form.own.about("callbacks", kind)) for kind in kinds]

    def add(kind: str | None) -> None:
        if kind is not None:
            done(Addition(lambda text: add_named(form, text, "callbacks", kind, kind), f"{kind} added"))

    app.push_screen(ChooseScreen("Which callback?", choices), add)


def _ask_metric(app: Workbench, form: Form, done: Done) -> None:
    def check(typed: str) -> str:
        name, _, kind = (part.strip() for part in typed.partition("="))
        return "" if name and ":" in kind else "a name and a class of your own: NAME = module:Class"

    def add(typed: str | None) -> None:
        if typed is not None:
            name, _, kind = (part.strip(" \"'") for part in typed.partition("="))
            done(Addition(lambda text: add_named(form, text, "metrics", name, kind), f"{name} added"))

    detail = "A figure of your own, recorded with each evaluation as val/NAME."
    app.push_screen(PromptScreen("Which metric?", detail=detail, placeholder="NAME = module:Class", check=check), add)


def _ask_axis(app: Workbench, form: Form, done: Done) -> None:
    swept = {row.path[2:] for row in form.rows if row.path[:2] == ("sweep", "axes")}
    rows = [row for row in form.rows if row.kind == "setting" and row.path[0] not in _NOT_SWEPT]
    rows.sort(key=lambda row: not row.is_set)  # what somebody thought of before is likelier meant
    choices = [Choice(row, ".".join(row.path), f"now {said_of(row.value)}") for row in rows if row.path not in swept]

    def add(row: Row | None) -> None:
        if row is not None:
            path, values = row.path, [] if row.value is ABSENT else [row.value]
            then = ("sweep", "axes", *path)
            done(Addition(lambda text: add_axis(form, text, path, values), f"axis {row.label}", then))

    app.push_screen(ChooseScreen("Sweep over which setting?", choices), add)


ASKS: dict[str, Callable[[Workbench, Form, Done], None]] = {
    "callbacks": _ask_callback,
    "metrics": _ask_metric,
    "sweep": _ask_axis,
}
"""What asks, by section."""
