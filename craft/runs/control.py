"""Requests to a worker: a file each, put there whole, taken in order between two steps."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from craft import platform
from craft.runs.folder import RunFolder


@dataclass(frozen=True)
class Request:
    """What is asked: `kind` is "stop", "checkpoint" or "evaluate"."""

    id: str
    kind: str
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """Why, in words."""
        return str(self.arguments.get("reason", "asked to"))


def request(folder: RunFolder, kind: str, **arguments: Any) -> str:
    """Ask a run's worker for something; returns the request's id, which the answering event names."""
    identifier = f"{time.time_ns():020d}-{secrets.token_hex(3)}"
    folder.control.mkdir(exist_ok=True)
    content = json.dumps({"kind": kind, "arguments": arguments}).encode()
    platform.write_file_atomic(folder.control / f"{identifier}.json", content)
    return identifier


def take(folder: RunFolder) -> list[Request]:
    """Requests in the order they were made; each is given once."""
    try:
        files = sorted(path for path in folder.control.iterdir() if path.suffix == ".json")
    except OSError:
        return []
    requests = []
    for path in files:
        try:
            data = json.loads(path.read_bytes())
            path.unlink()
            requests.append(Request(path.stem, str(data["kind"]), dict(data.get("arguments", {}))))
        except (OSError, ValueError, KeyError, TypeError):
            path.unlink(missing_ok=True)
    return requests
