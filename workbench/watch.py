"""Reading run folders again and again, without doing again what cannot have changed. Used from worker threads."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from craft.analysis.plots import Series
from craft.runs.curves import CurvesReader
from craft.runs.folder import RunFolder
from craft.runs.status import OUTCOMES
from craft.runs.store import RunStore, RunSummary

LOSSES = {"train": "train/loss", "val": "val/loss"}

Stamp = tuple[int, int, int] | None


class RunsReader:
    """The runs as they are listed: those being trained, then those that wait, in their order, then the others.

    Among equals the newest is first. A run with an outcome is read again only when its claim is replaced.
    """

    def __init__(self, runs_dir: Path) -> None:
        self.store = RunStore(runs_dir)
        self._known: dict[Path, tuple[Stamp, RunSummary]] = {}
        self._lock = threading.Lock()

    def read(self) -> list[RunSummary]:
        """Look at every folder once."""
        with self._lock:
            known: dict[Path, tuple[Stamp, RunSummary]] = {}
            for folder in self.store.folders():
                stamp = _stamp(folder.status)
                before = self._known.get(folder.path)
                if before and before[0] == stamp and _is_over(before[1]):
                    known[folder.path] = before
                else:
                    # The stamp is older than what is read after it, so a change in between is seen next time.
                    known[folder.path] = (stamp, self.store.summary(folder))
            self._known = known
            summaries = [summary for _, summary in known.values()]
        summaries.sort(key=lambda run: (run.created, run.name), reverse=True)
        live = [run for run in summaries if run.observed.is_live]
        waiting = [run for run in reversed(summaries) if run.phase == "queued"]
        return [*live, *waiting, *(run for run in summaries if not run.observed.is_live and run.phase != "queued")]


@dataclass(frozen=True)
class Curve:
    """A run's losses as they are to be drawn."""

    folder: RunFolder
    series: list[Series] = field(default_factory=list)
    damaged: int = 0
    """Lines of the metrics log that cannot be read."""
    waiting: str = ""
    """What a queued run waits for."""


class CurveReader:
    """The curves of the runs looked at last; their logs are read on from where they were left."""

    KEPT = 4

    def __init__(self) -> None:
        self._readers: OrderedDict[Path, CurvesReader] = OrderedDict()
        self._lock = threading.Lock()

    def read(
        self, folder: RunFolder, *, waiting: str = "", only_new: bool = False, wanted: Callable[[], bool]
    ) -> Curve | None:
        """The curve of `folder`; None when `only_new` and nothing came, or when it is no longer `wanted`."""
        with self._lock:
            if not wanted():
                return None
            reader = self._readers.pop(folder.path, None) or CurvesReader(folder.metrics, list(LOSSES.values()))
            self._readers[folder.path] = reader
            while len(self._readers) > self.KEPT:
                self._readers.popitem(last=False)
            if not reader.poll() and only_new and not waiting:
                return None
            series = [Series(label, *reader.curve(name)) for label, name in LOSSES.items()]
            return Curve(folder, [one for one in series if one.xs], reader.damaged, waiting)


def tail_of(path: Path, size: int) -> str:
    """The last whole lines of a text file, `size` bytes of it at most; what is not UTF-8 becomes marks."""
    try:
        with path.open("rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - size)
            file.seek(start)
            data = file.read(size)
    except OSError:
        return ""
    text = data.decode(errors="replace")
    return text.partition("\n")[2] if start else text


def _is_over(summary: RunSummary) -> bool:
    return summary.fault is None and summary.phase in OUTCOMES and not summary.observed.held


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
