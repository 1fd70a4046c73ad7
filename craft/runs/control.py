"""Requests to a worker: a file each, put there whole, taken in order between two steps."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any

from craft import platform
from craft.errors import RunError
from craft.runs.folder import RunFolder
from craft.runs.json_files import encode_file, read_object, why


@dataclass(frozen=True)
class Request:
    """What is asked: `kind` is "stop", "checkpoint" or "evaluate"."""

    id: str
    kind: str
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """Why, in words."""
        return str(self.arguments.get("reason", "asked to stop"))


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


def take(folder: RunFolder) -> list[Request]:
    """Requests in the order they were made; each is given once, and what is no request is removed.

    A file that cannot be removed is not given: it would be obeyed again and again.
    """
    try:
        files = sorted(path for path in folder.control.iterdir() if path.suffix == ".json" and path.name[0] != ".")
    except OSError:
        return []
    requests = []
    for path in files:
        try:
            data = read_object(path)
        except (OSError, ValueError):
            data = {}
        try:
            path.unlink()
        except OSError:
            continue
        kind, arguments = data.get("kind"), data.get("arguments", {})
        if isinstance(kind, str) and isinstance(arguments, dict):
            requests.append(Request(path.stem, kind, arguments))
    return requests
