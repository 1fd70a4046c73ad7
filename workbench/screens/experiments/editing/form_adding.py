"""What can be added to a form: callbacks, metrics, axes and runs of a sweep. Which, is asked in a dialog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from craft.config import fields
from craft.config.editable import ABSENT
from workbench.dialogs.choose import Choice, ChooseScreen
from workbench.dialogs.prompt import PromptScreen
from workbench.screens.experiments.editing.form_edits import add_axis, add_named, add_run, set_setting
from workbench.screens.experiments.editing.form_model import Form, KeyPath, Row
from workbench.screens.experiments.editing.form_shown import said_of
from workbench.screens.experiments.editing.form_sweep import RUNS, setting_in_run

if TYPE_CHECKING:
    from workbench.bench import Bench

_NOT_SWEPT = ("description", "why", *fields.INSTRUCTIONS, *fields.NAMED)


@dataclass(frozen=True)
class Addition:
    """What was decided on: how it changes the text, and which row shall be edited then."""

    edit: Callable[[str], str]
    why: str
    then: KeyPath = ()


Done = Callable[[Addition], None]


def _ask_callback(app: Bench, form: Form, at: Row, done: Done) -> None:
    there = {row.path[1] for row in form.rows if row.kind == "named" and row.path[0] == "callbacks"}
    craft = (kind for kind in fields.types_of("callbacks") if kind != fields.OWN_TYPE)
    kinds = [kind for kind in (*craft, *form.own.names("callbacks")) if kind not in there]
    choices = [Choice(kind, kind, form.own.about("callbacks", kind)) for kind in kinds]

    def add(kind: str | None) -> None:
        if kind is not None:
            done(Addition(lambda text: add_named(form, text, "callbacks", kind, kind), f"{kind} added"))

    app.push_screen(ChooseScreen("Which callback?", choices), add)


def _ask_metric(app: Bench, form: Form, at: Row, done: Done) -> None:
    def check(typed: str) -> str:
        name, _, kind = (part.strip() for part in typed.partition("="))
        return "" if name and ":" in kind else "a name and a class of your own: NAME = module:Class"

    def add(typed: str | None) -> None:
        if typed is not None:
            name, _, kind = (part.strip(" \"'") for part in typed.partition("="))
            done(Addition(lambda text: add_named(form, text, "metrics", name, kind), f"{name} added"))

    detail = "A figure of your own, recorded with each evaluation as val/NAME."
    app.push_screen(PromptScreen("Which metric?", detail=detail, placeholder="NAME = module:Class", check=check), add)


def _ask_setting(app: Bench, form: Form, question: str, taken: set[KeyPath], then: Callable[[Row], None]) -> None:
    """Ask which setting a sweep is about."""
    rows = [row for row in form.rows if row.kind == "setting" and row.path[0] not in _NOT_SWEPT]
    rows.sort(key=lambda row: not row.is_set)  # what somebody thought of before is likelier meant
    choices = [Choice(row, ".".join(row.path), f"now {said_of(row.value)}") for row in rows if row.path not in taken]
    app.push_screen(ChooseScreen(question, choices), lambda row: then(row) if row is not None else None)


def _ask_axis(app: Bench, form: Form, at: Row, done: Done) -> None:
    swept = {row.path[2:] for row in form.rows if row.path[:2] == ("sweep", "axes")}

    def add(row: Row) -> None:
        path, values = row.path, [] if row.value is ABSENT else [row.value]
        then = ("sweep", "axes", *path)
        done(Addition(lambda text: add_axis(form, text, path, values), f"axis {row.label}", then))

    _ask_setting(app, form, "Sweep over which setting?", swept, add)


def _ask_run(app: Bench, form: Form, at: Row, done: Done) -> None:
    """One more run, which begins as the last one; or, at a run, one more setting of it."""
    runs = [row for row in form.rows if row.path[:2] == RUNS and len(row.path) > 3]
    if at.path[:2] == RUNS and len(at.path) > 2:
        number = at.path[2]
        taken = {setting_in_run(row.path) for row in runs if row.path[2] == number}

        def add(row: Row) -> None:
            path = (*RUNS, number, ".".join(row.path))
            done(Addition(lambda text: set_setting(form, text, path, _begun(row)), f"{row.label} added", path))

        _ask_setting(app, form, f"Which setting of run {int(number) + 1}?", taken, add)
        return
    last = str(max((int(row.path[2]) for row in runs), default=-1))
    settings = {".".join(setting_in_run(row.path)): row.value for row in runs if row.path[2] == last}
    place = (*RUNS, str(int(last) + 1))
    if settings:
        done(Addition(lambda text: add_run(form, text, settings), "run added", (*place, next(iter(settings)))))
        return

    def begin(row: Row) -> None:
        name = ".".join(row.path)
        done(Addition(lambda text: add_run(form, text, {name: _begun(row)}), "run added", (*place, name)))

    _ask_setting(app, form, "A run with which setting?", set(), begin)


def _begun(row: Row) -> Any:
    return row.value if row.value is not ABSENT else 0


def _ask_sweep(app: Bench, form: Form, at: Row, done: Done) -> None:
    is_list = any(row.path == ("sweep", "strategy") and row.value == "list" for row in form.rows)
    (_ask_run if is_list or at.path[:2] == RUNS else _ask_axis)(app, form, at, done)


ASKS: dict[str, Callable[[Bench, Form, Row, Done], None]] = {
    "callbacks": _ask_callback,
    "metrics": _ask_metric,
    "sweep": _ask_sweep,
}
"""What asks, by section."""
