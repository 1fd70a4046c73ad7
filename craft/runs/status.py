"""`status.json`: the worker's claim about its run. What is shown is derived from it and the lock (`liveness`)."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, fields, replace

from craft import platform
from craft.runs.folder import RunFolder

OUTCOMES = ("finished", "stopped", "failed")


@dataclass(frozen=True)
class Status:
    """`phase` is the worker's own word; `updated` and `progressed` are seconds since 1970."""

    phase: str = "queued"
    step: int = 0
    max_steps: int = 0
    tokens: int = 0
    tokens_per_second: float | None = None
    eta_seconds: float | None = None
    train_loss: float | None = None
    val_loss: float | None = None
    best: float | None = None
    best_step: int | None = None
    message: str | None = None
    error: str | None = None
    host: str | None = None
    updated: float = 0.0
    progressed: float = 0.0


class StatusWriter:
    """Replaces `status.json` at once for every reader. A disk that does not take it is no reason to stop."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        known = read_status(folder)
        self.status = replace(known or Status(), host=platform.hostname())
        self.failed_writes = 0

    def write(self, *, progressed: bool = False, durable: bool = False, **changes: object) -> None:
        """Change some fields and write. `durable` forces it to disk, for outcomes."""
        now = time.time()
        self.status = replace(self.status, **changes, updated=now)  # type: ignore[arg-type]
        if progressed:
            self.status = replace(self.status, progressed=now)
        content = json.dumps(asdict(self.status), indent=1).encode()
        try:
            if durable:
                platform.write_file_durable(self.folder.status, content)
            else:
                platform.write_file_atomic(self.folder.status, content)
        except OSError:
            self.failed_writes += 1


def read_status(folder: RunFolder) -> Status | None:
    """The claim; None when there is none or it is damaged."""
    try:
        data = json.loads(folder.status.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(data, dict) or not isinstance(data.get("phase"), str):
        return None
    known = {f.name for f in fields(Status)}
    return Status(**{name: value for name, value in data.items() if name in known})
