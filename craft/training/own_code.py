"""Whether a definition's own classes can be imported and take their arguments; nothing is made of them.

Free of what they do: a class that breaks only when it is called is found when the run starts.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from craft.config.check import Problems, dotted
from craft.config.experiments import PlannedRun
from craft.config.faults import Fault
from craft.config.own_code import import_named
from craft.config.own_settings import argument_faults
from craft.config.plugins import code_dir, named_code
from craft.config.positions import Path as KeyPath
from craft.config.schema import ExperimentConfig
from craft.config.schema.base import OwnCode
from craft.config.schema.model import HFConfig
from craft.config.tree import Source, find
from craft.errors import OwnCodeError, Problem
from craft.models.hf import config_fault
from craft.training.own_types import KINDS, call_of, describe_class


def own_code_problems(runs: Iterable[PlannedRun]) -> list[Problem]:
    """What is wrong with the classes that definitions name, each where it was written."""
    problems = Problems()
    for run in runs:
        found = own_code_faults(run.config, code_dir(run.source.absolute()))
        # A callback's type need not be written: its table's name may be it.
        faults = [fault if find(run.tree, fault.path) else fault._replace(path=fault.path[:-1]) for fault in found]
        problems.add_faults(run.tree, faults, Source("default", None, ()), run.experiment)
    return problems.all()


def own_code_faults(config: ExperimentConfig, search: Path | None) -> Iterator[Fault]:
    """What is wrong with the classes that a definition names, each at the setting that names it; also with a model of
    the transformers library, whose settings only that library knows."""
    if isinstance(config.model, HFConfig) and (fault := config_fault(config.model, config.data.context_length)):
        yield Fault(*fault)
    for path, reference in named_code(config).items():
        setting = dotted(path)
        try:
            found = import_named(reference, setting, search)
        except OwnCodeError as error:
            yield Fault(path, str(error).removeprefix(f"{setting} = "))
            continue
        if path[1] != "processors":
            yield from _class_faults(found, path, reference, config)


def _class_faults(found: Any, path: KeyPath, reference: str, config: ExperimentConfig) -> Iterator[Fault]:
    kind = str(path[0])
    bases = KINDS[kind][0]
    if not callable(found):
        yield Fault(path, f"{reference} is {type(found).__name__}, not a class")
        return
    if bases and isinstance(found, type) and not issubclass(found, bases):
        names = " or ".join(f"{base.__module__}.{base.__name__}" for base in bases)
        yield Fault(path, f"{reference} does not derive from {names}")
        return
    section: Any = config
    for part in path[:-1]:
        section = section[part] if isinstance(section, dict) else getattr(section, str(part))
    if not isinstance(section, OwnCode):
        return
    faults = list(argument_faults(describe_class(found, reference), section.arguments, (*path[:-1], "arguments")))
    if faults:
        yield from faults
        return
    called, placed, given = call_of(found, kind)
    if not callable(called):
        yield Fault(path, f"{reference} has no class method train(texts, **arguments), which makes the tokenizer")
        return
    try:
        signature = inspect.signature(called)
    except Exception:
        return  # some callables in C have none
    try:
        signature.bind(*placed, **dict.fromkeys(given), **section.arguments)
    except TypeError as error:
        words = f"{reference} takes {signature}, which does not fit: {error}"
        yield Fault((*path[:-1], "arguments") if section.arguments else path, words)
