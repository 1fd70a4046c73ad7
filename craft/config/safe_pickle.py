"""Pickles without running what is in them.

A pickle is a program: loading one calls whatever functions it names. Plain containers, numbers and text need none, so
a file of those can be read by refusing every name; and what another file would call can be told without calling it.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

from craft.errors import DataError


class _NoCode(pickle.Unpickler):
    """Plain Python values only."""

    def find_class(self, module: str, name: str) -> Any:
        raise DataError(f"it would run {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise DataError("it refers to something outside itself")


def load_plain(path: Path) -> Any:
    """What a pickle of plain containers, numbers and text holds. Raises DataError for any other, having run nothing."""
    content = _read(path)
    try:
        return _NoCode(io.BytesIO(content)).load()
    except DataError as error:
        raise DataError(f"{path}: not read: {error}; only plain values are read from this file") from error
    except Exception as error:  # a damaged pickle may raise anything
        raise DataError(f"{path}: no pickle that can be read: {type(error).__name__}: {error}") from error


def names_in(path: Path) -> list[str]:
    """What a pickle would import and may call, as "module.name", without running it. Raises DataError for no pickle."""
    found: dict[str, None] = {}
    strings: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(_read(path)):
            if opcode.name == "GLOBAL" and isinstance(argument, str):
                found[argument.replace(" ", ".")] = None
            elif opcode.name == "STACK_GLOBAL":
                found[".".join(strings[-2:])] = None
            elif isinstance(argument, str):
                strings.append(argument)
    except Exception as error:  # what is no pickle may raise anything
        raise DataError(f"{path}: no pickle: {error}") from error
    return list(found)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
