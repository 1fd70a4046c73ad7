"""A few metrics of a run as curves: eight bytes a number, where whole records take hundreds."""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from craft.runs.json_files import is_number
from craft.runs.jsonl import LineReader, Record, read_between
from craft.runs.metrics_index import AXES, BLOCK, Block, index_blocks, summed_up

# Bytes of a log, some 200,000 records: a shorter one is read whole, in less than a second.
_LONG = 24 << 20


class _Taken(NamedTuple):
    """A block whose points were taken: its first and last step, its bytes, and how many points of each
    metric came before it."""

    first: float
    last: float
    start: int
    stop: int
    before: list[int]


class CurvesReader:
    """Follows a metrics log and keeps some of its metrics over steps, and over time or tokens where asked.

    NaN where a value was not finite. Of a long log the past is four points of every 128 records, from its index where
    it has one, which is for drawing only: the extremes are there, but a plot's column that ends within a block may show
    its neighbour's, and runs have their points at steps of their own. `whole` reads every record, for who reckons;
    `exact` reads those around one step.
    """

    def __init__(
        self, path: Path, names: Sequence[str], axes: Sequence[str] = ("step",), *, whole: bool = False
    ) -> None:
        assert axes[0] == "step" and set(axes) <= set(AXES)
        self._lines, self._whole = LineReader(path), whole
        self._axes = tuple(axes)
        # Metric -> an array for each axis, then one of the values.
        self._points = {name: tuple(array("d") for _ in range(len(axes) + 1)) for name in names}
        self._blocks: list[_Taken] = []
        self._keys: set[str] = set()  # of records so far
        self.seen: dict[str, None] = {}
        """Every metric that was come across, in that order."""

    @property
    def thinned(self) -> bool:
        """Whether a part of the past is four points of every block."""
        return bool(self._blocks)

    @property
    def damaged(self) -> int:
        """Lines that could not be read."""
        return self._lines.damaged

    def poll(self) -> bool:
        """Read what came since the last call; whether any curve changed."""
        if not self._whole and self._lines.offset == 0 and self._is_long():
            return self._take_long()
        changed = False
        for record in self._records():
            changed |= self._take(record)
        return changed

    def _records(self) -> Iterator[Record]:
        """What came since the last call; what is known is forgotten when another file took the name."""
        restarts = self._lines.restarts
        for record in self._lines.stream():
            if self._lines.restarts != restarts:
                restarts = self._lines.restarts
                self._keep_until(-math.inf)
            yield record

    def curve(self, name: str, x: str = "step") -> tuple[Sequence[float], Sequence[float]]:
        """Places on an axis and values so far, as they are now: a copy, which later polls leave alone."""
        columns = self._points[name]
        return columns[self._axes.index(x)][:], columns[-1][:]

    def last(self, name: str) -> tuple[float, ...] | None:
        """The newest point: its place on every axis, then its value."""
        columns = self._points[name]
        return tuple(column[-1] for column in columns) if columns[-1] else None

    def _is_long(self) -> bool:
        try:
            return self._lines.path.stat().st_size >= _LONG
        except OSError:
            return False

    def _take_long(self) -> bool:
        """Take a long log: what its index holds, and the rest in blocks of the same size; whether there was any."""
        path = self._lines.path
        with suppress(OSError):  # gone meanwhile
            for block in index_blocks(path, self._points):
                self._take_block(block, () if not block.odd else read_between(path, block.start, block.stop))
                self._lines.offset = block.stop
        start, waiting = self._lines.offset, list[Record]()
        for record in self._lines.stream():
            waiting.append(record)
            if not self._keys.issuperset(record):
                self._see(record.keys())
            if len(waiting) == BLOCK:
                self._take_block(summed_up(waiting, start, self._lines.offset, wanted=self._points), waiting)
                start, waiting = self._lines.offset, []
        for record in waiting:
            self._take(record)
        return self._lines.offset > 0

    def exact(self, name: str, step: float) -> list[tuple[float, ...]]:
        """The points of a metric in the blocks that reach over a step, as they were recorded: step, the other axes,
        value. None where every point is kept anyway, or the log is gone."""
        found = []
        with suppress(OSError):
            for block in self._blocks:
                if block.first <= step <= block.last:
                    for record in read_between(self._lines.path, block.start, block.stop):
                        places = [_number(record.get(axis)) for axis in self._axes]
                        if name in record and not math.isnan(places[0]):
                            found.append((*places, _number(record[name])))
        return found

    def _take_block(self, block: Block, records: Iterable[Record]) -> None:
        """Take the four points of a block, or `records` where it is odd."""
        if block.odd:
            for record in records:
                self._take(record)
            return
        before = [len(columns[0]) for columns in self._points.values()]
        self._blocks.append(_Taken(*block.axes["step"], block.start, block.stop, before))
        self._see(block.names)
        for name, columns in self._points.items():
            if name not in block.points:
                continue
            four = block.points[name]
            first, *between, last = zip(four[::2], four[1::2], strict=True)
            for step, value in dict.fromkeys((first, *sorted(between), last)):
                for axis, column in zip(self._axes, columns, strict=False):
                    column.append(block.place(step, axis))
                columns[-1].append(value)

    def _see(self, names: Collection[str]) -> None:
        if not self._keys.issuperset(names):
            self._keys.update(names)
            self.seen.update(dict.fromkeys(name for name in names if "/" in name))

    def _take(self, record: Record) -> bool:
        resumed_from = _number(record.get("resumed_from"))
        if not math.isnan(resumed_from):
            return self._keep_until(resumed_from)
        step = _number(record.get("step"))
        if math.isnan(step):
            return False
        self._see(record.keys())
        found = [(columns, record[name]) for name, columns in self._points.items() if name in record]
        for columns, value in found:
            columns[0].append(step)
            for axis, column in zip(self._axes[1:], columns[1:], strict=False):
                column.append(_number(record.get(axis)))
            columns[-1].append(_number(value))
        return bool(found)

    def _keep_until(self, step: float) -> bool:
        """Drop what a resume supersedes: points after `step`."""
        dropped = False
        for columns in self._points.values():
            while columns[0] and columns[0][-1] > step:
                for column in columns:
                    column.pop()
                dropped = True
        while self._blocks and self._blocks[-1].last > step:
            cut = self._blocks.pop()
            for columns, size in zip(self._points.values(), cut.before, strict=True):
                for column in columns:
                    del column[size:]
            with suppress(OSError):  # gone meanwhile
                for record in read_between(self._lines.path, cut.start, cut.stop) if cut.first <= step else ():
                    if _number(record.get("step")) <= step:
                        self._take(record)
        return dropped


def _number(value: object) -> float:
    """`value` where it is a number that can be drawn, else NaN; a damaged log may hold 1e999 or `true`."""
    return float(value) if is_number(value) else math.nan
