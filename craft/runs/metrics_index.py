"""The index of a long metrics log: for every 128 records where they lie, and four points of each metric.

    metrics.idx     {"index": 1, "head": 1234567}                                   what log it belongs to
                    {"from": 0, "to": 41812, "step": [0, 2550], "time": [0, 31.2], "tokens": [0, 391680],
                     "of": {"train/loss": [0, 4.55, 2540, 2.104, 10, 4.56, 2550, 2.11], ...}}
                    {"from": 41812, "to": 83011, "odd": true}                       to be read record by record

The four are step and value of the first, the least, the greatest and the last, which is what a pixel column of a plot
needs (M4, craft/analysis/decimate.py). The index is a function of the log and can be deleted at any time. The worker
extends it behind the log, once what it speaks of is on disk, so that no power cut leaves an index of records that are
lost. A block with a resume, a value that is not finite, or a line that cannot be read is odd.
"""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import gt
from pathlib import Path
from typing import Any

from craft import platform
from craft.runs.json_files import decode_object, encode_line, is_number
from craft.runs.jsonl import LineReader, Record

BLOCK = 128
NAME = "metrics.idx"
AXES = ("step", "time", "tokens")
_HEAD_BYTES, _CHUNK = 4096, 1 << 20
_NUMBERS = frozenset((int, float))  # and not bool


@dataclass
class Block:
    """What the index says of some records that follow each other."""

    start: int
    """Bytes of the log before them."""
    stop: int
    odd: bool = False
    axes: dict[str, tuple[float, float]] = field(default_factory=dict)
    """"step", "time", "tokens": of the first and the last record."""
    points: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Metric -> step and value of its first, least, greatest and last."""
    names: Collection[str] = ()
    """Every metric in it, also those whose points were not asked for."""

    def place(self, step: float, axis: str) -> float:
        """Where a step of the block lies on an axis: between its ends in proportion, which within a block is exact
        to what a plot shows."""
        if axis == "step":
            return step
        (first, last), (low, high) = self.axes["step"], self.axes[axis]
        return low + (high - low) * (step - first) / (last - first) if last > first else high

    def as_json(self) -> dict[str, Any]:
        """A line of the index."""
        if self.odd:
            return {"from": self.start, "to": self.stop, "odd": True}
        return {"from": self.start, "to": self.stop, **self.axes, "of": self.points}

    @classmethod
    def from_json(cls, line: Record, wanted: Collection[str] | None = None) -> Block:
        """Read what `as_json` gave, the points of all metrics or of those that are `wanted`.

        Raises KeyError, TypeError or ValueError for anything else.
        """
        start, stop = int(line["from"]), int(line["to"])
        if line.get("odd"):
            return cls(start, stop, odd=True)
        axes = {name: _floats(line[name], 2) for name in AXES}
        of = line["of"]
        points = {name: _floats(of[name], 8) for name in (of if wanted is None else wanted) if name in of}
        return cls(start, stop, False, axes, points, of.keys())  # type: ignore[arg-type]


class IndexWriter:
    """Extends the index of a log; made by whoever writes the log."""

    def __init__(self, log: Path) -> None:
        self.log, self.path = log, log.with_name(NAME)
        self._descriptor = -1
        self._read = self._open_from = 0
        self._open: list[Record] = []
        self._odd = False

    def extend(self, stop: int, *, at_most: int | None = None) -> bool:
        """Index the whole blocks up to byte `stop` of the log, where a line ends and which is on disk.

        With `at_most`, only so many bytes of it: the rest is for the next call, and whether there is any is the answer.
        A disk that takes no index is no reason to stop: the next call tries again.
        """
        try:
            if self._descriptor < 0 and not self._begin():
                return False
            began = self._read
            for block in self._whole_blocks(stop if at_most is None else min(stop, began + at_most)):
                line = encode_line(block.as_json())
                if os.write(self._descriptor, line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        except OSError:
            self.close()
            return False
        return began < self._read < stop

    def close(self) -> None:
        """Let go of the file; another `extend` looks at what lies there and goes on from it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _begin(self) -> bool:
        """Go on where the index that lies there ends; a damaged or foreign one is made anew. False without a log."""
        head = _head_of(self.log)
        if head is None:
            return False
        known = read_index(self.log)
        # Written again, so that nothing of a torn line or of another log's index stays.
        lines = [{"index": 1, "head": head}, *(block.as_json() for block in known)]
        platform.write_file_atomic(self.path, b"".join(map(encode_line, lines)))
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._read = self._open_from = known[-1].stop if known else 0
        self._open, self._odd = [], False
        return True

    def _whole_blocks(self, stop: int) -> Iterator[Block]:
        with self.log.open("rb") as file:
            file.seek(self._read)
            while self._read < stop and (piece := file.read(min(_CHUNK, stop - self._read))):
                whole = piece[: piece.rfind(b"\n") + 1]
                if not whole:
                    break  # a line of a megabyte is nothing that Craft wrote
                file.seek(self._read + len(whole))
                for line in whole.splitlines(keepends=True):
                    self._read += len(line)
                    try:
                        self._open.append(decode_object(line))
                    except ValueError:
                        self._odd = True
                    if len(self._open) == BLOCK:
                        yield summed_up(self._open, self._open_from, self._read, odd=self._odd)
                        self._open, self._open_from, self._odd = [], self._read, False


def summed_up(
    records: Sequence[Record], start: int, stop: int, *, odd: bool = False, wanted: Collection[str] | None = None
) -> Block:
    """The block of these records, which lie in the log's bytes `start` to `stop`; of metrics that are `wanted`."""
    first, last = records[0], records[-1]
    axes = {name: (first.get(name), last.get(name)) for name in AXES}
    if odd or not all(is_number(end) for ends in axes.values() for end in ends):
        return Block(start, stop, odd=True)
    steps: list[Any] = [record.get("step") for record in records]
    if not _are_numbers(steps) or any(map(gt, steps, steps[1:])):
        return Block(start, stop, odd=True)
    if wanted is None and any("nonfinite" in record for record in records):
        return Block(start, stop, odd=True)
    points: dict[str, tuple[float, ...]] = {}
    for name in dict.fromkeys(chain.from_iterable(records)) if wanted is None else wanted:
        if "/" not in name:
            continue
        values = [record[name] for record in records if name in record]
        if not values:
            continue
        if not _are_numbers(values):
            return Block(start, stop, odd=True)
        at = steps if len(values) == len(steps) else [record["step"] for record in records if name in record]
        least, greatest = min(values), max(values)
        low, high = at[values.index(least)], at[values.index(greatest)]
        points[name] = (at[0], values[0], low, least, high, greatest, at[-1], values[-1])
    return Block(start, stop, False, axes, points)  # type: ignore[arg-type]


def _are_numbers(values: Sequence[Any]) -> bool:
    """Whether `is_number` holds for each, at the speed of C: a viewer asks it of a million records."""
    return _NUMBERS.issuperset(map(type, values)) and min(values) > -1e300 and max(values) < 1e300


def read_index(log: Path) -> list[Block]:
    """The blocks of a log, which follow each other from its beginning; none where there is no index that fits it.

    What lies after the last of them is to be read from the log itself. A damaged line ends the list.
    """
    return list(index_blocks(log))


def index_blocks(log: Path, wanted: Collection[str] | None = None) -> Iterator[Block]:
    """What `read_index` gives, one by one, and with the points of the metrics that are `wanted` only: those of thirty
    metrics of a million records would take more memory than a viewer has."""
    path = log.with_name(NAME)
    try:
        size = log.stat().st_size
    except OSError:
        return
    lines = LineReader(path).stream()
    head = next(lines, None)
    if head is None or head.get("index") != 1 or head.get("head") != _head_of(log):
        return
    end = 0
    for line in lines:
        try:
            block = Block.from_json(line, wanted)
        except (KeyError, TypeError, ValueError, AttributeError):
            return
        if block.start != end or not block.start < block.stop <= size:
            return
        end = block.stop
        yield block


def _head_of(log: Path) -> int | None:
    """What tells a log from another: its first line, in short; None while there is none."""
    try:
        with log.open("rb") as file:
            line = file.readline(_HEAD_BYTES)
    except OSError:
        return None
    return zlib.crc32(line) if line.endswith(b"\n") or len(line) == _HEAD_BYTES else None


def _floats(values: Any, count: int) -> tuple[float, ...]:
    if len(values) != count or not all(map(is_number, values)):
        raise ValueError("no numbers")
    return tuple(map(float, values))
