"""Importing a person's own functions and classes, named as "module:name"."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

from craft.config.plugins import module_files
from craft.config.schema.base import OwnCode
from craft.errors import CraftError, OwnCodeError


def import_named(reference: str, key: str, source_dir: Path | None) -> Any:
    """What "module:name" stands for; the module is looked for in `source_dir` first, then among what is installed.

    `key` is the setting that names it. Raises OwnCodeError, naming what the module raised. The folder stays on Python's
    path, because such code may import more of its own later, when it is called.
    """
    module_name, _, name = reference.partition(":")
    if source_dir is not None and (files := module_files([module_name], source_dir)):
        _forget_others(files, source_dir)
        if str(source_dir) in sys.path:
            sys.path.remove(str(source_dir))
        sys.path.insert(0, str(source_dir))
        importlib.invalidate_caches()
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        where = f"neither in {source_dir} nor " if source_dir else "not "
        if error.name == module_name.partition(".")[0]:
            raise OwnCodeError(f'{key} = "{reference}": there is no module {error.name}, {where}installed') from error
        raise OwnCodeError(
            f'{key} = "{reference}": {module_name} needs the module {error.name}, which is missing'
        ) from error
    except (Exception, SystemExit) as error:  # importing a person's module may raise anything, and leave
        raise OwnCodeError(f'{key} = "{reference}": importing it raised {type(error).__name__}: {error}') from error
    try:
        return getattr(module, name)
    except AttributeError as error:
        raise OwnCodeError(f'{key} = "{reference}": {module.__file__} has no {name}') from error


def make_own(own: OwnCode, key: str, source_dir: Path | None, **given: Any) -> Any:
    """An instance of a person's own class, called with what Craft gives it and its `arguments`.

    `key` is the section that names it, such as "model" or "callbacks.mine". Raises OwnCodeError.
    """
    made_by = import_named(own.type, f"{key}.type", source_dir)
    return call_own(made_by, own, key, **given)


def call_own(made_by: Any, own: OwnCode, key: str, *positional: Any, **given: Any) -> Any:
    """What a person's own class or function makes of `positional`, `given` and its section's `arguments`."""
    if not callable(made_by):
        raise OwnCodeError(f'{key}.type = "{own.type}" is {type(made_by).__name__}, not a class')
    if taken := sorted(given.keys() & own.arguments.keys()):
        raise OwnCodeError(f"{key}.arguments: '{taken[0]}' is given to the class by Craft; leave it out")
    with contextlib.suppress(TypeError, ValueError):  # some callables in C have no signature
        signature = inspect.signature(made_by)
        try:
            signature.bind(*positional, **given, **own.arguments)
        except TypeError as error:
            raise OwnCodeError(
                f'{key}.type = "{own.type}" takes {signature}, which does not fit {key}.arguments: {error}'
            ) from error
    try:
        return made_by(*positional, **given, **own.arguments)
    except CraftError:
        raise
    except Exception as error:  # a person's own code may raise anything
        raise OwnCodeError(f'{key}.type = "{own.type}": it raised {type(error).__name__}: {error}') from error


def must_be(made: Any, kind: type, own: OwnCode, key: str) -> None:
    """Raise OwnCodeError unless a person's own object is of this kind."""
    if not isinstance(made, kind):
        raise OwnCodeError(
            f'{key}.type = "{own.type}" is {type(made).__name__}, which is no {kind.__name__}; '
            f"derive the class from {kind.__module__}.{kind.__name__}"
        )


def _forget_others(files: list[Path], source_dir: Path) -> None:
    """Unload modules of the same names that were imported from elsewhere, as another run's copies are."""
    for file in files:
        parts = file.relative_to(source_dir).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        loaded = sys.modules.get(name)
        if loaded is not None and getattr(loaded, "__file__", None) != str(file):
            del sys.modules[name]
