"""The curves, marks and metrics of one run, read on from where they were left."""

from __future__ import annotations

import math
import threading
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from craft.analysis.plots import Mark, Series
from craft.runs.curves import CurvesReader
from craft.runs.folder import RunFolder, load_identity
from craft.runs.json_files import decode_object, is_number
from craft.runs.jsonl import LineReader, Record
from craft.runs.metrics_index import AXES
from craft.text import clean_line
from workbench.screens.runs.details.events import kind_of
from workbench.screens.runs.details.metric_help import writer_of
from workbench.screens.runs.details.panels import Panel

MARKED = ("checkpoint", "resumed", "changed", "warning", "rolled_back", "nonfinite", "paused", "forked")
_LOSSES = ("train/loss", "val/loss")
_HEAD, _TAIL = 1 << 16, 1 << 18
_READERS = 4
_LOOSE = 50_000  # new points of a curve, kept one by one, after which a long log is better read anew from its index
_MOST_MARKS = 400


@dataclass
class Look:
    """What one look at a run found."""

    names: list[str] = field(default_factory=list)
    curves: dict[str, list[Series]] = field(default_factory=dict)
    """Of each chart that was asked for; the same objects as before where nothing came."""
    marks: list[Mark] = field(default_factory=list)
    axis: str = "step"
    """What the curves are drawn over."""
    no_axis: str = ""
    """Why that is not the axis that was asked for."""
    damaged: int = 0
    is_gone: bool = False
    """Whether there is no log at all."""


class RunCurves:
    """Only what is shown is read and kept: a run of a million records and thirty metrics would fill the memory."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._readers: OrderedDict[tuple[str, ...], CurvesReader] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._names: dict[str, None] = {}
        self._events = LineReader(folder.events)
        self._happened: list[tuple[float, str, str]] = []
        self._last_step = 0.0
        self._flops: float | None = None
        self._fork: tuple[float, str] | None = None
        self._series: dict[tuple[str, str], tuple[tuple[float, ...], Series]] = {}

    def names(self) -> list[str]:
        """Every metric that was come across; before anything was read, those at both ends of the log."""
        if not self._names:
            self._names = dict.fromkeys(_names_at_the_ends(self.folder.metrics))
        for reader in self._readers.values():
            self._names.update(reader.seen)
        return list(self._names)

    def look(self, panels: Sequence[Panel], axis: str) -> Look:
        """Read on, and give the curves of these charts. A look that nobody waits for any more may still be under way:
        this one comes after it."""
        with self._lock:
            return self._look(panels, axis)

    def _look(self, panels: Sequence[Panel], axis: str) -> Look:
        wanted = dict.fromkeys(name for panel in panels for name in panel.names)
        readers = self._readers_of(list(wanted))
        for reader in set(readers.values()):
            reader.poll()
        look = Look(self.names())
        look.is_gone = not look.names and not self.folder.metrics.exists()
        look.axis, look.no_axis = self._possible(axis, readers)
        for panel in panels:
            pairs = zip(panel.names, panel.labels, strict=True)
            series = [self._curve(readers[name], name, label, look.axis) for name, label in pairs]
            look.curves[panel.key] = [one for one in series if one.xs]
        look.damaged = max((reader.damaged for reader in readers.values()), default=0)
        look.marks = self._marks(readers, look.axis)
        return look

    def _readers_of(self, names: Sequence[str]) -> dict[str, CurvesReader]:
        """A reader for each metric; those not read yet share a new one."""
        readers: dict[str, CurvesReader] = {}
        for held, reader in list(self._readers.items()):
            mine = [name for name in held if name in names]
            if mine and self._is_loose(reader, mine[0]):
                del self._readers[held]
            elif mine:
                self._readers.move_to_end(held)
                readers.update(dict.fromkeys(mine, reader))
        missing = tuple(name for name in names if name not in readers)
        if missing:
            self._readers[missing] = CurvesReader(self.folder.metrics, missing, AXES)
            readers.update(dict.fromkeys(missing, self._readers[missing]))
        while len(self._readers) > _READERS and next(iter(self._readers.values())) not in readers.values():
            self._readers.popitem(last=False)
        return readers

    def _is_loose(self, reader: CurvesReader, name: str) -> bool:
        count = len(reader.curve(name)[0])
        first = self._sizes.setdefault(name, count)
        if reader.thinned and count > first + _LOOSE:
            self._sizes.pop(name)
            return True
        return False

    # --- curves ---

    def _possible(self, axis: str, readers: dict[str, CurvesReader]) -> tuple[str, str]:
        """The axis that is drawn over, and why it is not the one that was asked for."""
        if axis == "flops":
            if self._flops is None:
                identity, _ = load_identity(self.folder)
                self._flops = identity.flops_per_token if identity and is_number(identity.flops_per_token) else None
            if not self._flops:
                why = "FLOPs a token are known from a run's first start on, and not for a model of one's own"
                return "step", f"FLOPs of this run are not known: {why}"
        column = "tokens" if axis == "flops" else axis
        for name, reader in readers.items():
            places, values = reader.curve(name, column)
            if len(values) and all(map(math.isnan, places)):
                return "step", f"this run's metrics do not say their {column}"
        return axis, ""

    def _curve(self, reader: CurvesReader, name: str, label: str, axis: str) -> Series:
        xs, ys = reader.curve(name, "tokens" if axis == "flops" else axis)
        now = (float(len(xs)), xs[-1] if xs else 0.0, ys[-1] if ys and ys[-1] == ys[-1] else 0.0)
        known = self._series.get((name, axis))
        if known and known[0] == now:
            return known[1]
        if axis == "flops" and self._flops:
            flops = self._flops
            xs = array("d", (place * flops for place in xs))
        series = Series(label, xs, ys, writer_of(name))
        if len(self._series) > 64:
            self._series.clear()
        self._series[name, axis] = now, series
        return series

    # --- marks ---

    def _marks(self, readers: dict[str, CurvesReader], axis: str) -> list[Mark]:
        restarts = self._events.restarts
        for event in self._events.stream():
            if self._events.restarts != restarts:
                restarts = self._events.restarts
                self._happened.clear()
            self._take_event(event)
        if self._fork is None:
            identity, _ = load_identity(self.folder)
            self._fork = -1, ""
            if identity and identity.parent_run and is_number(identity.parent_step):
                self._fork = float(identity.parent_step), identity.parent_run
        happened = self._happened
        if self._fork[1] and not any(kind == "forked" for _, kind, _ in happened):
            happened = [(self._fork[0], "forked", f"forked from {self._fork[1]}"), *happened]
        if axis == "step":
            return [Mark(step, text, kind) for step, kind, text in happened]
        places = self._places(readers, axis)
        return [Mark(x, text, kind) for step, kind, text in happened if (x := places(step)) is not None]

    def _take_event(self, event: Record) -> None:
        kind, step = kind_of(event), event.get("step")
        if is_number(step):
            self._last_step = float(step)
        if kind not in MARKED:
            return
        # A warning says no step: it came after what was said before it.
        said = next((event[name] for name in ("text", "reason") if isinstance(event.get(name), str)), "")
        self._happened.append((self._last_step, kind, clean_line(f"{kind} {said}".rstrip())[:120]))
        if len(self._happened) > _MOST_MARKS:
            del self._happened[0]

    def _places(self, readers: dict[str, CurvesReader], axis: str) -> Places:
        longest: tuple[Sequence[float], Sequence[float]] = ((), ())
        for name, reader in readers.items():
            steps, _ = reader.curve(name)
            if len(steps) > len(longest[0]):
                longest = steps, reader.curve(name, "tokens" if axis == "flops" else axis)[0]
        return Places(*longest, self._flops or 1.0 if axis == "flops" else 1.0)


@dataclass(frozen=True)
class Places:
    """Where steps lie on another axis, by a curve's own points."""

    steps: Sequence[float]
    places: Sequence[float]
    times: float = 1.0

    def __call__(self, step: float) -> float | None:
        """In proportion between two points; None where no point says."""
        if not self.steps:
            return None
        after = bisect_left(self.steps, step)
        if after == 0 or after == len(self.steps):
            place = self.places[min(after, len(self.steps) - 1)]
        else:
            (low, high), (left, right) = self.steps[after - 1 : after + 1], self.places[after - 1 : after + 1]
            place = left + (right - left) * (step - low) / (high - low) if high > low else right
        return None if math.isnan(place) else place * self.times


def _names_at_the_ends(log: Path) -> list[str]:
    """The metrics in the first and in the last records of a log, the losses first."""
    found: dict[str, None] = {}
    try:
        if not log.is_file():  # a pipe would never open
            return []
        with log.open("rb") as file:
            pieces = [file.read(_HEAD)]
            size = file.seek(0, 2)
            if size > _HEAD:
                file.seek(max(_HEAD, size - _TAIL))
                pieces.append(file.read(_TAIL))
    except OSError:
        return []
    for line in b"\n".join(pieces).split(b"\n"):
        try:
            found.update(dict.fromkeys(name for name in decode_object(line) if "/" in name))
        except ValueError:
            continue  # cut, or damaged; whoever reads the log says so
    losses = [name for name in _LOSSES if name in found]
    return list(dict.fromkeys((*losses, *found)))
