"""What the schema says of a setting, in words: what it is, what it may be, and what it is unless set.

Imports pydantic: first from a thread.
"""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import annotated_types
from pydantic.fields import FieldInfo

from craft.config import fields
from craft.config.schema import ExperimentConfig
from craft.config.toml_values import write_value

Shape = Literal["switch", "choice", "number", "text", "toml"]
"""How a setting is edited: as TOML where nothing simpler fits."""


@dataclass(frozen=True)
class Facts:
    """One setting. `path` begins at the experiment's own table."""

    path: tuple[str, ...]
    shape: Shape
    what: str
    """What it may be: "an integer, at least 1"."""
    about: str = ""
    """Its field's description."""
    choices: tuple[str, ...] = ()
    """Texts that it may be; with others beside them unless `shape` is "choice"."""
    default: Any = None
    """What it is unless set; None where it must be set, or has no default of its own."""
    is_whole: bool = False
    """Whether a number may have no fraction."""

    @property
    def words(self) -> str:
        """All that the types say, for a line of help."""
        says = self.default is not None and self.default != ""
        return self.what + (f"; {write_value(self.default)} unless set" if says else "")


_DEVICES = ("auto", "cpu", "cuda", "mps")
_FIGURES = ("val/loss", "val/perplexity", "val/bits_per_byte", "val/accuracy", "train/loss")
_KNOWN = {"device": _DEVICES, "monitor": _FIGURES}
"""Settings that are texts of a pattern, and what is mostly written there."""
_INSTRUCTIONS = {
    ("extends",): ("a name or a list of names", "Templates and experiments to begin with, left to right."),
    ("unset",): ("a setting or a list of settings", "Settings that go back to the schema's default."),
    ("sweep",): ("a table", "One experiment, run at several points. Never inherited."),
    ("sweep", "strategy"): (
        "grid, list or random",
        "grid: every combination of axes. list: each of runs. random: trials draws from axes.",
    ),
    ("sweep", "axes"): ("a table", "Settings and their values: a list; at random also { low, high, log }."),
    ("sweep", "runs"): ("a list of tables", "A table of settings a run."),
    ("sweep", "trials"): ("an integer, at least 1", "Draws of a random sweep."),
    ("sweep", "seeds"): ("a list of integers", "Every point once with each of these seeds."),
    ("sweep", "seed"): ("an integer", "Decides the draws of a random sweep."),
    ("project", "runs_dir"): ("a text", "The folder of the runs, relative to this file."),
    ("project", "include"): ("a list of texts", "Files whose templates and defaults lie under this one's."),
    ("plugins",): ("a list of texts", "Python files beside this one whose classes can be named as types."),
    ("craft",): ("1", "The format of this file."),
}
SWEEP_KEYS = tuple(path[1] for path in _INSTRUCTIONS if path[0] == "sweep" and len(path) == 2)
PROJECT_KEYS = tuple(path[1] for path in _INSTRUCTIONS if path[0] == "project")


@cache
def facts_of(path: tuple[str, ...], kind: str | None = None) -> Facts | None:
    """The setting at `path`, in a section of type `kind` (None: not known); None when there is no such setting."""
    if path in _INSTRUCTIONS:
        what, about = _INSTRUCTIONS[path]
        if path == ("sweep", "strategy"):
            return Facts(path, "choice", what, about, ("grid", "list", "random"), "grid")
        return Facts(path, "toml", what, about)
    if path[:2] == ("sweep", "axes") and len(path) > 2:
        return Facts(path, "toml", "a list of values, or { low, high, log }", "Values of this setting, a run each.")
    if not path or path[0] not in ExperimentConfig.model_fields:
        return None
    section = path[0]
    if len(path) == 1:
        if section in fields.sections():
            return Facts(path, "toml", "a table", _sections_help(section, kind))
        return _of_field(path, ExperimentConfig.model_fields[section])
    inside = path[2:] if section in fields.NAMED else path[1:]
    if section in fields.NAMED and not inside:
        return Facts(path, "toml", "a table", class_help(section, kind))
    if inside == ("type",):
        return _of_type(path, section, kind)
    return _inside(path, section, inside, kind)


def _inside(path: tuple[str, ...], section: str, inside: tuple[str, ...], kind: str | None) -> Facts | None:
    cls = fields.class_of(section, kind)
    for one in [cls] if cls else fields.types_of(section).values():
        if inside[0] in one.model_fields:
            if len(inside) == 1:
                return _of_field(path, one.model_fields[inside[0]])
            return Facts(path, "toml", "a value")
    return None


def class_help(section: str, kind: str | None) -> str:
    """The first words on a type of a section."""
    cls = fields.class_of(section, kind)
    return " ".join((cls.__doc__ or "").strip().partition("\n\n")[0].split()) if cls else ""


def _sections_help(section: str, kind: str | None) -> str:
    if kind is not None and (words := class_help(section, kind)):
        return words
    names = [name for name in fields.types_of(section) if name]
    return f"One of {', '.join(names)}." if names else class_help(section, "")


def _of_type(path: tuple[str, ...], section: str, kind: str | None) -> Facts:
    names = tuple(name for name in fields.types_of(section) if name and name != fields.OWN_TYPE)
    what = ", ".join(names)
    if fields.OWN_TYPE in fields.types_of(section):
        what += ', or "module:Class" of your own'
    shape: Shape = "choice" if fields.OWN_TYPE not in fields.types_of(section) else "text"
    return Facts(path, shape, what, class_help(section, kind), names, fields.default_type(section))


def _of_field(path: tuple[str, ...], field: FieldInfo) -> Facts:
    about = " ".join((field.description or "").split())
    default = None if field.is_required() else field.default
    members = _members(field.annotation)
    choices = tuple(value for one in members for value in typing.get_args(one) if typing.get_origin(one) is Literal)
    rest = [one for one in members if typing.get_origin(one) is not Literal]
    words = [*choices, *(_words(one) for one in rest)]
    what = (", ".join(words[:-1]) + " or " + words[-1]) if len(words) > 1 else words[0]
    what += _bounds(field.metadata)
    if choices and not rest:
        return Facts(path, "choice", what, about, choices, default)
    choices = choices or _KNOWN.get(path[-1], ())
    if members == [bool]:
        return Facts(path, "switch", "true or false", about, ("true", "false"), default)
    if all(_plain(one) in (int, float) for one in rest) and len(rest) == 1:
        return Facts(path, "number", what, about, choices, default, _plain(rest[0]) is int)
    if members == [str]:
        return Facts(path, "text", what, about, choices, default)
    return Facts(path, "toml", what, about, choices, default)


def _members(annotation: Any) -> list[Any]:
    """The alternatives of an annotation."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [member for one in typing.get_args(annotation) for member in _members(one)]
    if typing.get_origin(annotation) is typing.Annotated and typing.get_origin(_plain(annotation)) in (
        typing.Union,
        types.UnionType,
    ):
        return _members(_plain(annotation))
    return [annotation]


def _plain(annotation: Any) -> Any:
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is typing.Annotated else annotation


def _words(annotation: Any) -> str:
    plain = _plain(annotation)
    bounds = ""
    if plain is not annotation:
        bounds = _bounds(
            [
                part
                for one in annotation.__metadata__
                for part in ([one] if not isinstance(one, FieldInfo) else one.metadata)
            ]
        )
    if typing.get_origin(plain) is list:
        return f"a list of {_several(typing.get_args(plain)[0])}{bounds}"
    if typing.get_origin(plain) is dict:
        return f"a table of {_several(typing.get_args(plain)[1])}"
    if isinstance(plain, type):
        return {bool: "true or false", int: "an integer", float: "a number", str: "a text"}.get(
            plain, "a table"
        ) + bounds
    return "a value"


def _several(annotation: Any) -> str:
    return {int: "integers", float: "numbers", str: "texts", bool: "switches"}.get(_plain(annotation), "values")


def _bounds(metadata: list[Any]) -> str:
    words: list[str] = []
    for one in metadata:
        match one:
            case annotated_types.Ge(ge=bound):
                words.append(f"at least {_number(bound)}")
            case annotated_types.Gt(gt=bound):
                words.append(f"more than {_number(bound)}")
            case annotated_types.Le(le=bound) if bound != 2**63 - 1:
                words.append(f"at most {_number(bound)}")
            case annotated_types.Lt(lt=bound) if bound != 2**63:
                words.append(f"less than {_number(bound)}")
    return "".join(f", {word}" for word in words)


def _number(bound: Any) -> str:
    return f"{bound:g}" if isinstance(bound, float) else f"{bound}"
