"""Reading run folders again and again, without doing again what cannot have changed. Used from worker threads."""

from __future__ import annotations

import math
import operator
import os
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from craft.launch.follow import in_no_queue
from craft.launch.queue.dispatch import why_queued
from craft.launch.queue.entries import Queue
from craft.runs.folder import RunFolder, is_or_was_a_run
from craft.runs.liveness import observe
from craft.runs.notes import NAME as NOTES
from craft.runs.notes import Notes, read_notes
from craft.runs.store import RunStore, RunSummary

Stamp = tuple[int, int] | None

_SETTLES_NS = 100_000_000  # far more than the step in which a file system's times move
_WHY_EACH, _WHY_MOST = 0.005, 5.0  # seconds until it is asked again what the queue waits for: each run's part, and all
_NO_NOTES = Notes()


@dataclass(frozen=True)
class ListedRun(RunSummary):
    """A run as it is listed: with what a person said of it."""

    notes: Notes = field(default_factory=Notes)


class RunsReader:
    """The runs as they are listed: those being trained, then those that wait, in their order, then the others.

    Among equals the newest is first. A run that no worker is at is read again only when something in its folder was
    replaced: what Craft writes there comes by a rename, which the folder's own time tells. So of ten thousand runs a
    look costs a `stat` each.
    """

    def __init__(self, runs_dir: Path) -> None:
        self.store = RunStore(runs_dir)
        self._known: dict[str, tuple[Stamp, ListedRun]] = {}
        self._beside_queue: dict[str, tuple[ListedRun, ListedRun]] = {}
        self._read: list[RunSummary] = []
        self._reasons: Mapping[str, str] = {}
        self._next_why = 0.0
        self._lock = threading.Lock()

    def read(self) -> list[RunSummary]:
        """Look at every folder once. A run without news is the same object as before, and so is a list of such runs."""
        with self._lock:
            known: dict[str, tuple[Stamp, ListedRun]] = {}
            for name, stamp in self._folders():
                before, place = self._known.get(name), f"{self.store.runs_dir}/{name}"
                if before and stamp is not None and before[0] == stamp and _is_quiet(before[1]):
                    known[name] = before
                elif before or is_or_was_a_run(place):
                    # The stamp is older than what is read after it, so a change in between is seen next time.
                    known[name] = (stamp, self._fresh(name, before[1] if before else None))
            self._known = known
            places = self._look_at_queue()
            judged = self._beside_queue
            runs: list[RunSummary] = [judged[name][1] if name in judged else run for name, (_, run) in known.items()]
        runs.sort(key=lambda run: (run.created, run.name), reverse=True)
        live: list[RunSummary] = []
        waiting: list[RunSummary] = []
        over: list[RunSummary] = []
        for run in runs:
            (live if run.observed.is_live else waiting if run.phase == "queued" else over).append(run)
        waiting.sort(key=lambda run: (places.get(run.name, math.inf), run.created, run.name))
        runs = [*live, *waiting, *over]
        if len(runs) != len(self._read) or not all(map(operator.is_, runs, self._read)):
            self._read = runs
        return self._read

    def _folders(self) -> Iterator[tuple[str, Stamp]]:
        """The names of what may be a run, each with its folder's stamp; None for one that changed a moment ago."""
        now = time.time_ns()
        try:
            with os.scandir(self.store.runs_dir) as entries:
                for entry in entries:
                    if entry.name[0] == ".":
                        continue
                    try:
                        found = entry.stat()
                    except OSError:
                        continue
                    if stat.S_ISDIR(found.st_mode):
                        # Times move in steps: what was written within one of them could be written again unseen.
                        is_settled = abs(now - found.st_mtime_ns) > _SETTLES_NS
                        yield entry.name, (found.st_mtime_ns, found.st_ino) if is_settled else None
        except OSError:
            return

    def _fresh(self, name: str, before: ListedRun | None) -> ListedRun:
        summary = self.store.summary(RunFolder(self.store.runs_dir / name))
        # Most runs have no notes, and to find that out by opening them takes ten times as long.
        has_notes = os.path.lexists(summary.folder.at(NOTES))
        run = ListedRun(**vars(summary), notes=read_notes(summary.folder) if has_notes else _NO_NOTES)
        return before if before is not None and run == before else run

    def _look_at_queue(self) -> dict[str, int]:
        """What is true of those that say they wait; returns the places in the queue."""
        queued = [(name, run) for name, (_, run) in self._known.items() if run.phase == "queued"]
        before, self._beside_queue = self._beside_queue, {}
        if not queued:
            return {}
        if time.monotonic() >= self._next_why:
            self._next_why = time.monotonic() + min(_WHY_EACH * len(queued), _WHY_MOST)
            self._reasons = why_queued(self.store.runs_dir)
        places = {entry.run: place for place, entry in enumerate(Queue(self.store.runs_dir).entries())}
        for name, run in queued:
            known = before.get(name)
            now = run.observed
            if name in places:
                now = replace(now, reason=self._reasons.get(name, now.reason))
            else:
                if known is None or known[0] is not run:
                    now = observe(run.folder)  # it may have left the queue between the two looks
                if now.phase == "queued":
                    now = in_no_queue(run.folder, now)
            same = known is not None and known[0] is run and known[1].observed == now
            self._beside_queue[name] = known if known is not None and same else (run, replace(run, observed=now))
        return places


def _is_quiet(run: RunSummary) -> bool:
    """Whether nothing becomes of a run without a word in its folder."""
    return run.fault is None and not run.observed.held and not run.observed.is_live
