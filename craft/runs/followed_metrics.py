"""A metrics log for one who looks on: what is new, the newest records, and the curves that are drawn.

A long log is not held in memory, and its past is not read where the index holds it: a run of a million records is
followed at once, in some megabytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from craft.runs.curves import CurvesReader
from craft.runs.jsonl import Record
from craft.runs.metrics import MetricsReader

DRAWN = ("train/loss", "val/loss")
AT_ONCE = 20_000
"""Records that one look gives."""
_KEPT = 2000
"""Records that are kept: a resume seldom goes back further, and then the newest are known again with the next one."""
_END = 1 << 18
"""Bytes at the end of a log in which the newest figures are looked for by who asks for what is new only."""


class FollowedMetrics(MetricsReader):
    """`records` holds the newest ones that count, and `series` all of the metrics in DRAWN.

    `only_new`: begin at the end of the log; the curves have its past all the same.
    """

    def __init__(self, path: Path, *, only_new: bool = False) -> None:
        super().__init__(path)
        self._curves = CurvesReader(path, DRAWN)
        if only_new:
            self._lines.offset = _line_near_the_end(path)
            self.poll()

    def poll(self, at_most: int | None = AT_ONCE) -> list[Record]:
        """The next new whole records: who falls behind catches up in several looks, and not in memory."""
        new = super().poll(at_most)
        if len(self.records) > 2 * _KEPT:
            del self.records[:-_KEPT]
        self._curves.poll()
        return new

    def series(self, name: str, x: str = "step") -> tuple[Sequence[float], Sequence[float | None]]:
        """One metric of DRAWN over steps; NaN where it was not finite."""
        assert name in DRAWN and x == "step"
        return self._curves.curve(name)

    def last(self, name: str) -> float | None:
        """The newest value of a metric; of one that is recorded seldom only when it is drawn."""
        value = super().last(name)
        if value is None and name in DRAWN:
            _, values = self._curves.curve(name)
            return values[-1] if values and values[-1] == values[-1] else None
        return value


def _line_near_the_end(path: Path) -> int:
    """Where a line begins, not far before the end; 0 for a short log, or none."""
    try:
        with path.open("rb") as file:
            start = file.seek(0, 2) - _END
            if start <= 0:
                return 0
            file.seek(start)
            return start + file.read(_END).find(b"\n") + 1
    except OSError:
        return 0
