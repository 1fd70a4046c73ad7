"""What the form does to the text: one setting, table or axis at a time; comments and order stay.

Every function gives the new text, or raises ConfigError in words.
"""

from __future__ import annotations

import tomllib
from typing import Any

from craft.config import fields
from craft.config.edit import append, delete, set_value
from craft.config.editable import ABSENT, Editable
from craft.config.faults import value_at
from craft.config.toml_values import write_value
from craft.errors import ConfigError
from workbench.screens.experiments.editing.facts import Facts
from workbench.screens.experiments.editing.form_model import Form, KeyPath
from workbench.screens.experiments.editing.form_sweep import RUNS, place_in_file


def value_of(typed: str, facts: Facts | None) -> Any:
    """The value that a person means by what is typed into a setting's row. Raises ConfigError when it is none."""
    shape = facts.shape if facts else "toml"
    if shape in ("text", "choice"):
        return typed
    written = typed.strip()
    if facts and written in facts.choices and shape != "switch":
        return written
    if not written:
        raise ConfigError("nothing is typed; delete takes the own value away")
    if "\n" in written:
        raise ConfigError("a value stands on one line here")
    try:
        found = tomllib.loads(f"value = {written}")
    except (tomllib.TOMLDecodeError, ValueError, RecursionError):
        found = {}
    if found.keys() == {"value"}:
        return found["value"]
    if facts and shape == "number":
        raise ConfigError(f"{facts.what}: {typed!r} is none")
    if facts and facts.what.startswith(("a text", "a name", "a setting")) and written[:1] not in "[{\"'":
        return written  # a text or a list of texts: one text without its quotes
    raise ConfigError("not a TOML value; a text stands in quotes, a list in [ ], a table in { }")


def typed_of(value: Any, facts: Facts | None) -> str:
    """A value as a person types it into its row."""
    if isinstance(value, str) and facts and (facts.shape in ("text", "choice") or value in facts.choices):
        return value
    return write_value(value)


def home_in(text: str, form: Form) -> KeyPath:
    """The path of the form's table in a text that has it: one that is gone is not begun again by a setting of it."""
    if form.fault:
        raise ConfigError(f"not written: {form.fault}")
    if form.kind != "defaults" and Editable(text).get(form.home) is ABSENT:
        raise ConfigError(f"not written: there is no {form.kind} '{form.name}' in the file")
    return form.home


def set_setting(form: Form, text: str, path: KeyPath, value: Any) -> str:
    """The text with a setting of the form's table set."""
    return set_value(text, (*home_in(text, form), *place_in_file(path)), value)


def reset_setting(form: Form, text: str, path: KeyPath) -> str:
    """The text without the own value, so that the inherited one holds again."""
    return delete(text, (*home_in(text, form), *place_in_file(path)))


def set_type(form: Form, text: str, table: KeyPath, kind: str) -> tuple[str, list[str]]:
    """The text with another type of a section, and the own settings that went because that type has none of them."""
    text = set_value(text, (*home_in(text, form), *table, "type"), kind)
    cls = fields.class_of(table[0], form.own.short.get(kind, kind))
    gone: list[str] = []
    if cls is not None:
        own = value_at(tomllib.loads(text), (*form.home, *table))
        for key in own if isinstance(own, dict) else ():
            if key != "type" and key not in cls.model_fields:
                text = delete(text, (*form.home, *table, key))
                gone.append(key)
    return text, gone


def add_named(form: Form, text: str, section: str, name: str, kind: str) -> str:
    """The text with one more callback or metric."""
    table = {} if kind == name else {"type": kind}
    return set_value(text, (*home_in(text, form), section, name), table)


def add_axis(form: Form, text: str, setting: KeyPath, values: list[Any]) -> str:
    """The text with one more axis of the sweep, which is begun when there is none."""
    return set_value(text, (*home_in(text, form), "sweep", "axes", *setting), values)


def add_run(form: Form, text: str, settings: dict[str, Any]) -> str:
    """The text with one more run in the sweep's list."""
    return append(text, (*home_in(text, form), *RUNS), settings)
