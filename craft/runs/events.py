"""What happened in a run, one event a line: started, resumed, checkpoint, evaluated, changed, warning, stopped ..."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from craft.runs.folder import RunFolder
from craft.runs.jsonl import Record, read_lines


def append_event(folder: RunFolder, kind: str, **fields: Any) -> None:
    """Add an event, by one write. Raises OSError when the disk does not take it."""
    record = {"time": round(time.time(), 3), "kind": kind, **fields}
    line = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    descriptor = os.open(folder.events, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def read_events(folder: RunFolder) -> list[Record]:
    """All events, oldest first."""
    return read_lines(folder.events)
