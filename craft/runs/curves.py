"""A few metrics of a run as curves, for drawing: sixteen bytes a point, where whole records take hundreds."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from pathlib import Path

from craft.runs.jsonl import LineReader, Record


class CurvesReader:
    """Follows a metrics log and keeps some of its metrics over steps; NaN where a value was not finite."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self._lines = LineReader(path)
        self._points = {name: (array("d"), array("d")) for name in names}

    @property
    def damaged(self) -> int:
        """Lines that could not be read."""
        return self._lines.damaged

    def poll(self) -> bool:
        """Read what came since the last call; whether any curve changed."""
        changed = False
        restarts = self._lines.restarts
        for record in self._lines.stream():
            if self._lines.restarts != restarts:  # another file took the name
                restarts = self._lines.restarts
                self._keep_until(-math.inf)
            changed |= self._take(record)
        return changed

    def curve(self, name: str) -> tuple[Sequence[float], Sequence[float]]:
        """Steps and values so far, as they are now: a copy, which later polls leave alone."""
        steps, values = self._points[name]
        return steps[:], values[:]

    def _take(self, record: Record) -> bool:
        resumed_from = _number(record.get("resumed_from"))
        if not math.isnan(resumed_from):
            return self._keep_until(resumed_from)
        step = _number(record.get("step"))
        if math.isnan(step):
            return False
        found = [(points, record[name]) for name, points in self._points.items() if name in record]
        for (steps, values), value in found:
            steps.append(step)
            values.append(_number(value))
        return bool(found)

    def _keep_until(self, step: float) -> bool:
        """Drop what a resume supersedes: points after `step`."""
        dropped = False
        for steps, values in self._points.values():
            while steps and steps[-1] > step:
                steps.pop()
                values.pop()
                dropped = True
        return dropped


def _number(value: object) -> float:
    """`value` where it is a number that can be drawn, else NaN; a damaged log may hold 1e999 or `true`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
        return math.nan
    return float(value)
