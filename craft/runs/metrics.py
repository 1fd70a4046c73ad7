"""The metrics log: one record a line, appended while training, read while it grows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from craft.runs.folder import RunFolder
from craft.runs.json_files import is_number
from craft.runs.jsonl import LineReader, LineWriter, Record
from craft.runs.metrics_index import IndexWriter

INDEXED_AT_ONCE = 1 << 20
"""Bytes, some tenths of a second: a long log that has no index gets it piece by piece, and is forced in between."""


class MetricsLog:
    """The worker's side. A record has `step` and `time`; a value that is not finite becomes null, and is named."""

    def __init__(self, folder: RunFolder) -> None:
        self._index = IndexWriter(folder.metrics)
        self._lines = LineWriter(folder.metrics, partial(self._index.extend, at_most=INDEXED_AT_ONCE))

    @property
    def held_back(self) -> int:
        """Records that wait for room on the disk."""
        return len(self._lines.held_back)

    @property
    def dropped(self) -> int:
        """Records given up because the disk stayed full too long."""
        return self._lines.dropped

    def append(self, record: Record) -> None:
        """Write one record; on a full disk it waits in memory. NumPy's and torch's scalars are numbers too."""
        bad = [
            name
            for name, value in record.items()
            if (not math.isfinite(value) if isinstance(value, float) else _is_odd_nonfinite(value))
        ]
        if bad:
            record = {**record, **dict.fromkeys(bad), "nonfinite": bad}
        self._lines.append(record)

    def resumed(self, step: int) -> None:
        """Say that what follows goes on from `step`: records of later steps so far are superseded."""
        self._lines.append({"resumed_from": step})

    def sync(self) -> None:
        """Force everything to disk, before a checkpoint is committed. Raises OSError when the disk fails."""
        self._lines.sync()

    def close(self) -> None:
        """Force and close. Raises OSError when that fails, or when records found no room to the last."""
        try:
            self._lines.close()
        finally:
            self._index.close()


class MetricsReader:
    """The reader's side: records as they come, with what a resume superseded dropped."""

    def __init__(self, path: Path) -> None:
        self._lines = LineReader(path)
        self.records: list[Record] = []

    @property
    def damaged(self) -> int:
        """Lines that could not be read."""
        return self._lines.damaged

    def poll(self, at_most: int | None = None) -> list[Record]:
        """New whole records, or the next of them. `records` holds those that count, in the order of their steps."""
        restarts = self._lines.restarts
        new = list(islice(self._lines.stream(), at_most))
        if self._lines.restarts != restarts:
            self.records.clear()
        for record in new:
            resumed_from = record.get("resumed_from")
            if is_number(resumed_from):
                while self.records and self.records[-1]["step"] > resumed_from:
                    self.records.pop()
            elif isinstance(record.get("step"), int) and is_number(record["step"]):
                self.records.append(record)
        return new

    def series(self, name: str, x: str = "step") -> tuple[Sequence[float], Sequence[float | None]]:
        """One metric over `x`: "step", "time" or "tokens". None where the value was not finite."""
        pairs = [(r[x], r[name]) for r in self.records if name in r and is_number(r.get(x))]
        kept = [(place, value) for place, value in pairs if value is None or is_number(value)]
        return [place for place, _ in kept], [value for _, value in kept]

    def names(self) -> list[str]:
        """Every metric that was recorded, in order of first appearance."""
        seen: dict[str, None] = {}
        for record in self.records:
            seen.update(dict.fromkeys(key for key in record if "/" in key))
        return list(seen)

    def last(self, name: str) -> float | None:
        """The newest value of a metric."""
        for record in reversed(self.records):
            if name in record:
                value = record[name]
                return value if is_number(value) else None
        return None


def _is_odd_nonfinite(value: Any) -> bool:
    if value is None or isinstance(value, int | str):
        return False
    try:
        return not math.isfinite(value)
    except (TypeError, ValueError, RuntimeError):
        return False
