"""JSON as Craft writes it, and as it may be found: a file can be damaged, endless, or no file at all."""

from __future__ import annotations

import hashlib
import json
import math
import operator
import os
import stat
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

MAX_BYTES = 4 << 20  # run.json and its like have some kilobytes; a device or a wrong file has no end

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_encode_sorted = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode
# NaN and Infinity are no JSON, but Python reads them unless told otherwise.
_decode = json.JSONDecoder(parse_constant=lambda _: None).decode


def encode_line(record: dict[str, Any]) -> bytes:
    """One object as one line, whatever it holds: what is not finite becomes null, what is no JSON becomes text."""
    try:
        return _encode(record).encode() + b"\n"
    except (TypeError, ValueError):
        return _encode(_plain(record)).encode() + b"\n"


def encode_file(record: dict[str, Any] | list[dict[str, Any]]) -> bytes:
    """One object, or a list of them, as a file that a person may read."""
    return (json.dumps(_plain(record), indent=1, allow_nan=False) + "\n").encode()


SEAL = "sha256"
"""The key of a hash over the rest of an object, so that a digit that turned into another one does not go unnoticed."""


def sealed(record: dict[str, Any]) -> dict[str, Any]:
    """The object with its seal, as the last entry."""
    rest = _plain({key: value for key, value in record.items() if key != SEAL})
    return {**rest, SEAL: _seal_of(rest)}


def unsealed(record: dict[str, Any]) -> dict[str, Any]:
    """The object without its seal. Raises ValueError where that is another's; one without a seal is taken as it is."""
    rest = {key: value for key, value in record.items() if key != SEAL}
    if SEAL in record and record[SEAL] != _seal_of(rest):
        raise ValueError(
            "its sha256 is that of another text: it was damaged, or edited by hand and the line left there"
        )
    return rest


def _seal_of(record: dict[str, Any]) -> str:
    return hashlib.sha256(_encode_sorted(record).encode()).hexdigest()


def _plain(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth < 20:
        if isinstance(value, dict):
            return {str(key): _plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [_plain(item, depth + 1) for item in value]
    for number in (operator.index, float):  # a NumPy or torch scalar
        try:
            return _plain(number(value), depth)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            continue
    return str(value)


def decode_object(text: bytes) -> dict[str, Any]:
    """Read one object. Raises ValueError, in words, for anything else."""
    value = _decoded(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _decoded(text: bytes) -> Any:
    try:
        return _decode(text.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_object(path: Path | str) -> dict[str, Any]:
    """The object in a small file. Raises OSError when it cannot be opened, ValueError when it holds no object."""
    return decode_object(_small_file(path))


def read_objects(path: Path) -> list[dict[str, Any]]:
    """The list of objects in a small file. Raises OSError and ValueError as `read_object` does."""
    value = _decoded(_small_file(path))
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError("not a list of JSON objects")
    return value


def _small_file(path: Path | str) -> bytes:
    # Without waiting: a pipe by this name would never open.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("not a regular file")
        if found.st_size > MAX_BYTES:
            raise ValueError(f"{found.st_size:,} bytes, far too large")
        text = os.read(descriptor, found.st_size)
    finally:
        os.close(descriptor)
    if not text:
        raise ValueError("empty")
    return text


def why(error: OSError | ValueError) -> str:
    """What went wrong with a file, in words, without its name."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def is_number(value: Any) -> TypeGuard[float]:
    """Whether it is a number that can be drawn; a damaged or foreign log may hold 1e999, or an integer of a page."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def known_fields(data: dict[str, Any], cls: type) -> tuple[dict[str, Any], list[str]]:
    """The entries of `data` that fit the fields of a dataclass, and what is wrong with others of the same names.

    Fields are of plain types, perhaps `| None`. Names that the class does not know are ignored.
    """
    known, required = _fields(cls)
    values: dict[str, Any] = {}
    faults = [f"it has no {name}" for name in required if name not in data]
    for name, value in data.items():
        if name not in known:
            continue
        types, optional = known[name]
        kind = type(value)  # what JSON gives is of these very types, and a bool is no int
        if kind in types:
            if (kind is float or kind is int) and not -1e18 < value < 1e18:
                faults.append(f"{name} is no sensible number")
            else:
                values[name] = value
        elif value is None and optional:
            values[name] = None
        else:
            faults.append(f"{name} is {_shortly(value)}, not {_WORDS[types[-1]]}")
    return values, faults


_TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "dict": (dict,)}
_WORDS = {str: "text", int: "a whole number", float: "a number", dict: "a table"}


@cache
def _fields(cls: type) -> tuple[dict[str, tuple[tuple[type, ...], bool]], list[str]]:
    """The types of each field and whether it may be None; and the fields that must be there."""
    known = {}
    for one in fields(cls):
        annotation = str(one.type)
        types = _TYPES[annotation.partition(" ")[0].partition("[")[0]]
        known[one.name] = types, annotation.endswith("| None")
    required = [one.name for one in fields(cls) if one.default is MISSING and one.default_factory is MISSING]
    return known, required


def _shortly(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
