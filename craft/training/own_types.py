"""What a person's own class takes besides what Craft gives it, read from its signature and its docstrings."""

from __future__ import annotations

import inspect
import re
import types
import typing
from typing import Any, Literal

from torch import nn
from torch.optim import Optimizer as TorchOptimizer

from craft.config.own_settings import Json, OwnType, value_fault
from craft.data.tokenizers import Tokenizer
from craft.training.callbacks.base import Callback
from craft.training.evaluation import Metric
from craft.training.optimizers import Optimizer
from craft.training.schedulers import Scheduler
from craft.training.trainer import Trainer

KINDS: dict[str, tuple[tuple[type, ...], tuple[str, ...]]] = {
    "model": ((nn.Module,), ("vocab_size", "context_length")),
    "data": ((), ("split", "tokenizer", "context_length")),
    "tokenizer": ((Tokenizer,), ("texts",)),
    "optimizer": ((Optimizer, TorchOptimizer), ("model", "lr")),
    "scheduler": ((Scheduler,), ("max_steps",)),
    "callbacks": ((Callback,), ()),
    "metrics": ((Metric,), ()),
    "training": ((Trainer,), ()),
}
"""What a class must derive from, and what Craft calls it with besides its arguments. A dataset needs no base class."""


_PLAIN = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", tuple: "array"}
_SIMPLE = (bool, int, float, str)
_LISTED = re.compile(r"^(\s*)(?::param\s+)?(\w+)\s*(?:\([^)]*\))?\s*:\s+(\S.*)$")


def describe_class(made_by: Any, reference: str) -> OwnType:
    """What a class, or a function in place of one, takes besides what Craft gives it, in each section. Never raises."""
    try:
        about = " ".join((inspect.getdoc(made_by) or "").partition("\n\n")[0].split())
        arguments = {section: _schema(made_by, section) for section in KINDS if section != "training"}
        return OwnType(reference, tuple(_sections(made_by)), about, arguments)
    except Exception:  # a person's object may do anything when it is only looked at; nothing is known of it then
        return OwnType(reference)


def call_of(made_by: Any, section: str) -> tuple[Any, tuple[str, ...], tuple[str, ...]]:
    """What Craft calls in a section to make one, and what it gives it by place and by name."""
    if section == "tokenizer":
        return getattr(made_by, "train", None), (), KINDS[section][1]
    if section == "optimizer" and isinstance(made_by, type) and issubclass(made_by, TorchOptimizer):
        return made_by, ("params",), ("lr",)
    return made_by, (), KINDS[section][1]


def _sections(made_by: Any) -> typing.Iterator[str]:
    for section, (bases, _) in KINDS.items():
        if bases and isinstance(made_by, type) and issubclass(made_by, bases):
            yield section
    if all(hasattr(made_by, name) for name in ("__len__", "__getitem__")):
        yield "data"  # a dataset needs no base class


def _schema(made_by: Any, section: str) -> Json:
    """The JSON Schema of its `arguments`; an empty one, which refuses nothing, where there is no signature."""
    called, placed, given = call_of(made_by, section)
    signature = _signature(called) if callable(called) else None
    if signature is None:
        return {}
    kinds = inspect.Parameter
    taken = list(signature.parameters.values())
    if placed and taken and taken[0].kind != kinds.VAR_POSITIONAL:
        del taken[: len(placed)]
    asked = [
        one for one in taken if one.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY) and one.name not in given
    ]
    words = _words(called) | _words(made_by)
    return {
        "type": "object",
        "properties": {one.name: _property(one, words.get(one.name, "")) for one in asked},
        "required": [one.name for one in asked if one.default is one.empty],
        "additionalProperties": any(one.kind == kinds.VAR_KEYWORD for one in signature.parameters.values()),
    }


def _signature(called: Any) -> inspect.Signature | None:
    """Of some callables in C there is none."""
    try:
        return inspect.signature(called, eval_str=True)
    except Exception:  # names in annotations may be anything, also of modules that are not imported
        try:
            return inspect.signature(called)
        except Exception:
            return None


def _property(parameter: inspect.Parameter, about: str) -> Json:
    found: Json = {} if parameter.annotation is parameter.empty else _of_annotation(parameter.annotation)
    for one in getattr(parameter.annotation, "__metadata__", ()):
        about = one if isinstance(one, str) else getattr(one, "description", None) or about
    default = parameter.default
    if isinstance(default, _SIMPLE) or (
        isinstance(default, list | tuple) and all(isinstance(v, _SIMPLE) for v in default)
    ):
        default = list(default) if isinstance(default, tuple) else default
        # An annotation that its own default breaks is not meant.
        found = {"default": default} if value_fault(found, default) else {**found, "default": default}
    return {**found, **({"description": " ".join(about.split())} if about else {})}


def _of_annotation(annotation: Any) -> Json:
    """What TOML can say of an annotation; nothing where it says more."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _of_annotation(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) is Literal:
        values = [one for one in typing.get_args(annotation) if isinstance(one, _SIMPLE)]
        return {"enum": values} if values else {}
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        inner = [_of_annotation(one) for one in typing.get_args(annotation) if one is not type(None)]
        if len(inner) == 1:
            return inner[0]
        kinds = [one.get("type") for one in inner]
        return {"type": kinds} if all(isinstance(kind, str) for kind in kinds) else {}
    plain = typing.get_origin(annotation) or annotation
    return {"type": _PLAIN[plain]} if isinstance(plain, type) and plain in _PLAIN else {}


def _words(documented: Any) -> dict[str, str]:
    """What docstrings say of arguments, a line each: `width: how wide it is`; lines that go on are indented more."""
    found: dict[str, str] = {}
    sources = [documented, getattr(documented, "__init__", None)]
    for text in filter(None, (inspect.getdoc(one) for one in sources if one is not None)):
        name, depth = "", 0
        for line in text.splitlines():
            if listed := _LISTED.match(line):
                depth, name = len(listed[1]), listed[2]
                found.setdefault(name, listed[3])
            elif name and line.strip() and len(line) - len(line.lstrip()) > depth:
                found[name] += f" {line.strip()}"
            else:
                name = ""
    return found
