"""A JSON Schema of experiments files for editors: completion, help and red lines while typing.

It is made from the Pydantic schema and is weaker than it on purpose. A table of an experiments file is a part of a
definition, the rest of which stands elsewhere, so no setting is required, and a section without `type` may hold the
settings of every type. What needs the whole definition is `craft validate`'s.

A file names its schema in its first line: `#:schema ./.craft/experiments.schema.json`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from craft import platform
from craft.config import fields
from craft.config.plugins import own_types
from craft.config.schema import ExperimentConfig
from craft.config.schema.base import Section
from craft.config.structure import FORMAT

FILE = ".craft/experiments.schema.json"
"""Where the schema lies, from the experiments file's folder."""
FIRST_LINE = f"#:schema ./{FILE}"

Json = dict[str, Any]

_TEXTS: Json = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}


def editor_schema(short_names: Iterable[str] = ()) -> Json:
    """The schema of a whole file, in JSON Schema draft 7, which every TOML editor reads.

    `short_names` are those that the file's plugins bring.
    """
    own_type = "|".join([":", *(f"^{re.escape(name)}$" for name in short_names)])
    own = ExperimentConfig.model_json_schema()["properties"]
    settings = {name: _section(name, own_type) if name in fields.sections() else _plain(own[name]) for name in own}
    shared = {name: value for name, value in settings.items() if name not in fields.NOT_INHERITED}
    entry = {**settings, **_instructions()}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Craft experiments",
        "type": "object",
        "required": ["craft"],
        "additionalProperties": False,
        "properties": {
            "craft": {"const": FORMAT, "description": "The format of this file."},
            "project": _table(
                "What concerns the file as a whole.",
                {
                    "runs_dir": {
                        "type": "string",
                        "default": "runs",
                        "description": "The folder of the runs, relative to this file.",
                    },
                    "include": {
                        "type": "array",
                        "items": {"type": "string"},
                        "description": "Files whose templates and defaults lie under this one's.",
                    },
                },
            ),
            "plugins": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Python files beside this one whose classes can be named as types.",
            },
            "defaults": _table("Settings under every template and experiment.", shared),
            "template": _by_name("Named settings to extend; a template never runs.", {"$ref": "#/definitions/entry"}),
            "experiment": _by_name("What can be run, by name.", {"$ref": "#/definitions/entry"}),
        },
        "definitions": {"entry": _table("A template or an experiment.", entry)},
    }


def write_editor_schema(experiments: Path) -> Path:
    """Put the schema where an experiments file finds it, and return its path. It can be made again at any time."""
    path = experiments.parent / FILE
    path.parent.mkdir(exist_ok=True)
    schema = editor_schema(_plugin_types(experiments))
    platform.write_file_atomic(path, (json.dumps(schema, indent=2) + "\n").encode())
    return path


def _plugin_types(experiments: Path) -> Iterable[str]:
    """The short names that a file's plugins bring; none from a file that cannot be read, which others will say."""
    try:
        names = tomllib.loads(experiments.read_text()).get("plugins", [])
    except (OSError, ValueError):
        return ()
    if not isinstance(names, list):
        return ()
    return own_types([name for name in names if isinstance(name, str)], experiments.parent)[0]


def _section(name: str, own_type: str) -> Json:
    """One section in part: all settings of all its types, and for each type that is given, only its own.

    `own_type` is the pattern of names that mean a person's own class.
    """
    classes = fields.types_of(name)
    tables = {kind: _properties(cls) for kind, cls in classes.items()}
    known = dict.fromkeys(key for properties in tables.values() for key in properties)
    merged = {
        key: _merged({kind: properties[key] for kind, properties in tables.items() if key in properties})
        for key in known
    }
    if "" not in classes:
        merged["type"] = _types(name, classes, own_type)
    words = " | ".join(filter(None, (_first_paragraph(cls) for cls in classes.values())))
    if name in fields.NAMED:
        # The type is the table's name unless it is given.
        title = f"{name.capitalize()}, by name."
        return {"type": "object", "description": title, "additionalProperties": _table(words, merged)}
    table = _table(words, merged)
    if len(classes) > 1:
        table["allOf"] = [
            {
                "if": {"required": ["type"], "properties": {"type": _is(kind, own_type)}},
                "then": {"propertyNames": {"enum": list(properties)}},
            }
            for kind, properties in tables.items()
        ]
    return table


def _properties(cls: type[Section]) -> dict[str, Json]:
    schema = cls.model_json_schema()
    assert "$defs" not in schema, f"{cls.__name__} holds another section, which this schema has no place for"
    return {key: _plain(value) for key, value in schema["properties"].items()}


def _merged(by_type: dict[str, Json]) -> Json:
    """One setting of several types. Where they differ, each may be what any of them may be."""
    distinct: list[Json] = []
    for value in by_type.values():
        if value not in distinct:
            distinct.append(value)
    if len(distinct) == 1:
        return distinct[0]
    shapes: list[Json] = []
    words: dict[str, list[str]] = {}
    for kind, value in by_type.items():
        shape = {key: part for key, part in value.items() if key not in ("description", "default")}
        if shape not in shapes:
            shapes.append(shape)
        default = f" Default: {json.dumps(value['default'])}." if "default" in value else ""
        words.setdefault(value.get("description", "") + default, []).append(kind)
    description = "\n".join(f"{', '.join(kinds)}: {text}" for text, kinds in words.items())
    return {**(shapes[0] if len(shapes) == 1 else {"anyOf": shapes}), "description": description}


def _types(section: str, classes: Iterable[str], own_type: str) -> Json:
    names = [kind for kind in classes if kind != fields.OWN_TYPE]
    found: Json = {"enum": names}
    if fields.OWN_TYPE in classes:
        found = {"anyOf": [found, {"type": "string", **_is(fields.OWN_TYPE, own_type)}]}
    default = fields.default_type(section)
    return {**found, **({"default": default} if default else {}), "description": f"Which kind of {section}."}


def _is(kind: str, own_type: str) -> Json:
    return {"pattern": own_type} if kind == fields.OWN_TYPE else {"const": kind}


def _instructions() -> dict[str, Json]:
    """What makes a definition and is not part of it."""
    paths = [name for name in ExperimentConfig.model_fields if name not in fields.NOT_INHERITED]
    for section in fields.sections():
        if section not in fields.NAMED:
            keys = dict.fromkeys(key for cls in fields.types_of(section).values() for key in cls.model_fields)
            paths += [f"{section}.{key}" for key in keys]
    # Of these the names further down are a person's own.
    known: Json = {
        "anyOf": [{"enum": paths}, {"type": "string", "pattern": r"^(callbacks|metrics|\w+\.arguments)\..+"}]
    }
    return {
        "extends": {**_TEXTS, "description": "Templates and experiments to begin with, left to right."},
        "unset": {
            "anyOf": [known, {"type": "array", "items": known}],
            "description": "Settings that go back to the schema's default.",
        },
        "sweep": _sweep(),
    }


def _sweep() -> Json:
    settings: Json = {"type": "object", "propertyNames": {"anyOf": [{"enum": _heads()}, {"pattern": r"^\w+\."}]}}
    strategies = ["grid", "list", "random"]
    numbers: Json = {"type": "array", "items": {"type": "integer"}, "minItems": 1}
    return _table(
        "One experiment, run at several points. Never inherited.",
        {
            "strategy": {
                "enum": strategies,
                "default": "grid",
                "description": "grid: every combination of axes. list: each of runs. random: trials draws from axes.",
            },
            "axes": {
                **settings,
                "description": "Settings and their values: a list; at random also { low, high, log } or { choices }.",
            },
            "runs": {"type": "array", "items": settings, "minItems": 1, "description": "A table of settings a run."},
            "trials": {"type": "integer", "minimum": 1, "description": "Draws of a random sweep."},
            "seeds": {**numbers, "description": "Every point once with each of these seeds."},
            "seed": {"type": "integer", "default": 0, "description": "Decides the draws of a random sweep."},
        },
    )


def _heads() -> list[str]:
    return [name for name in ExperimentConfig.model_fields if name not in fields.NOT_INHERITED]


def _by_name(description: str, inside: Json) -> Json:
    return {"type": "object", "description": description, "additionalProperties": inside}


def _table(description: str, properties: dict[str, Json]) -> Json:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "properties": properties,
    }


def _plain(value: Any) -> Any:
    """Without Pydantic's titles, which say a key again, and without the bound that every integer of TOML has."""
    if isinstance(value, dict):
        return {
            key: _plain(inner)
            for key, inner in value.items()
            if not (key == "title" and isinstance(inner, str)) and not (key == "maximum" and inner == 2**63 - 1)
        }
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _first_paragraph(cls: type[Section]) -> str:
    return " ".join((cls.__doc__ or "").strip().partition("\n\n")[0].split())
