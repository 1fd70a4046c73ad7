"""Importing a person's own functions and classes, named as "module:name"."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from craft.config.plugins import module_files
from craft.errors import DataError


def import_named(reference: str, key: str, source_dir: Path | None) -> Any:
    """What "module:name" stands for; the module is looked for in `source_dir` first, then among what is installed.

    `key` is the setting that names it. Raises DataError, naming what the module raised. The folder stays on Python's
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
            raise DataError(f'{key} = "{reference}": there is no module {error.name}, {where}installed') from error
        raise DataError(
            f'{key} = "{reference}": {module_name} needs the module {error.name}, which is missing'
        ) from error
    except (Exception, SystemExit) as error:  # importing a person's module may raise anything, and leave
        raise DataError(f'{key} = "{reference}": importing it raised {type(error).__name__}: {error}') from error
    try:
        return getattr(module, name)
    except AttributeError as error:
        raise DataError(f'{key} = "{reference}": {module.__file__} has no {name}') from error


def _forget_others(files: list[Path], source_dir: Path) -> None:
    """Unload modules of the same names that were imported from elsewhere, as another run's copies are."""
    for file in files:
        parts = file.relative_to(source_dir).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        loaded = sys.modules.get(name)
        if loaded is not None and getattr(loaded, "__file__", None) != str(file):
            del sys.modules[name]
