"""Requests to a worker: a file each, put there whole, taken in order between two steps."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field
from typing import Any

from craft import platform
from craft.errors import RunError
from craft.runs.folder import RunFolder
from craft.runs.json_files import encode_file, read_object, why

KINDS = ("stop", "pause", "continue", "checkpoint", "sample", "evaluate", "set")
"""What can be asked. A stop may have `save`, false to leave without saving, and `reason`; set has `values` by path."""


_LONGEST, _MOST_VALUES = 200, 200  # characters and settings; a file may hold anything


@dataclass(frozen=True)
class Request:
    """What is asked: `kind` is one of KINDS, unless `fault` says what is wrong with it."""

    id: str
    kind: str
    arguments: dict[str, Any] = field(default_factory=dict)
    fault: str | None = None

    @property
    def reason(self) -> str:
        """Why, in words."""
        given = self.arguments.get("reason")
        return given[:_LONGEST] if isinstance(given, str) else "asked to stop"

    @property
    def saves(self) -> bool:
        """Whether a stop saves first."""
        return self.arguments.get("save") is not False


def request(folder: RunFolder, kind: str, **arguments: Any) -> str:
    """Ask a run's worker for something; returns the request's id, which the answering event names.

    Raises RunError when the folder does not take it.
    """
    identifier = f"{time.time_ns():020d}-{os.urandom(3).hex()}"
    try:
        folder.control.mkdir(exist_ok=True)
        content = encode_file({"kind": kind, "arguments": arguments})
        platform.write_file_atomic(folder.control / f"{identifier}.json", content)
    except OSError as error:
        raise RunError(f"{folder.name}: cannot ask its worker to {kind}: {why(error)}: {folder.control}") from error
    return identifier


def withdraw(folder: RunFolder, identifier: str) -> None:
    """Take back a request that nobody took."""
    with contextlib.suppress(OSError):
        (folder.control / f"{identifier}.json").unlink()


def take(folder: RunFolder) -> list[Request]:
    """Requests in the order they were made, each given once; what is no request has a `fault`, so that it can be said.

    A file that cannot be removed is not given: it would be obeyed again and again.
    """
    try:
        files = sorted(path for path in folder.control.iterdir() if path.suffix == ".json" and path.name[0] != ".")
    except OSError:
        return []
    requests = []
    for path in files:
        try:
            data, fault = read_object(path), None
        except (OSError, ValueError) as error:
            data, fault = {}, why(error)
        try:
            path.unlink()
        except OSError:
            continue
        requests.append(_read(os.fsencode(path.stem).decode(errors="backslashreplace"), data, fault))
    return requests


def _read(identifier: str, data: dict[str, Any], fault: str | None) -> Request:
    kind, arguments = data.get("kind"), data.get("arguments", {})
    if not isinstance(kind, str) or not isinstance(arguments, dict):
        return Request(identifier, "", fault=fault or "it says not what is asked")
    values = arguments.get("values")
    if kind not in KINDS:
        fault = f"a worker of this version does not know it; it knows {', '.join(KINDS)}"
    elif kind == "stop" and not isinstance(arguments.get("save", True), bool):
        fault = "save is neither true nor false"
    elif kind == "set" and not (isinstance(values, dict) and values and all(map(_is_number, values.values()))):
        fault = "its values are no table of numbers"
    elif isinstance(values, dict) and len(values) > _MOST_VALUES:
        fault = f"{len(values):,} values are more than a definition has"
    return Request(identifier, kind[:_LONGEST], arguments, fault)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
