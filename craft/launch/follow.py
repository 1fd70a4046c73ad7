"""A run as it is watched: what is new since the last look, and where it stands."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from craft import platform
from craft.launch.queue.dispatch import why_queued
from craft.runs.folder import RunFolder
from craft.runs.followed_metrics import AT_ONCE, FollowedMetrics
from craft.runs.jsonl import LineReader, Record
from craft.runs.liveness import SILENT_AFTER, Observed, observe

LOST = "it was queued, but is in no queue any more"
"""Why a run is interrupted whose place in the queue was lost: resuming it queues it again."""
ENDS = ("finished", "stopped", "failed", "interrupted")
# Seconds that reasons serve for all runs that are followed: with hundreds waiting, each look costs milliseconds.
_REASONS_SERVE = 0.5
_known: dict[Path, tuple[float, Mapping[str, str]]] = {}


@dataclass
class News:
    """What one look found."""

    observed: Observed
    records: list[Record] = field(default_factory=list)
    """New lines of the metrics log, in the order they were written."""
    events: list[Record] = field(default_factory=list)
    """New events."""
    behind: bool = False
    """Whether there is more in the metrics log than one look takes."""

    @property
    def phase(self) -> str:
        return self.observed.phase

    @property
    def has_ended(self) -> bool:
        """Whether no worker is at the run and none is on its way, and all was read: one that is leaving still holds
        the lock."""
        return self.observed.phase in ENDS and not self.observed.held and not self.behind


def look_at(
    folder: RunFolder,
    started: platform.ProcessIdentity | None = None,
    reasons: Mapping[str, str] | None = None,
) -> Observed:
    """What a run is doing, and for one that is queued what it waits for.

    `reasons` is what `why_queued` gave for all of them, where many are looked at.

    `started` is the worker's process where this one started it: until it holds the lock, the folder alone shows
    the run as it was before.
    """
    observed = observe(folder)
    if not folder.path.is_dir():
        return replace(observed, phase="interrupted", reason="its folder is gone")
    for look in range(2):
        if observed.phase != "queued":
            return observed
        if started is not None and started.is_alive():
            return replace(observed, phase="starting", reason="its worker is starting")
        known = _reasons(folder.path.parent, anew=look > 0) if reasons is None else reasons
        if folder.name in known:
            return replace(observed, reason=known[folder.name])
        reasons = None  # older than the second look
        observed = observe(folder)  # it may have left the queue between the two looks
    if observed.phase != "queued":
        return observed
    return in_no_queue(folder, observed)


def in_no_queue(folder: RunFolder, observed: Observed) -> Observed:
    """What is true of a run that says it waits, while it is in no queue: its place was lost, as on a full disk.

    One without any claim is only being made, if its folder is young enough for that.
    """
    if not observed.status.updated:
        try:
            age = time.time() - folder.path.stat().st_mtime
        except OSError:
            age = 0.0
        if abs(age) < SILENT_AFTER:
            return observed
    return replace(observed, phase="interrupted", reason=LOST)


def _reasons(runs_dir: Path, *, anew: bool) -> Mapping[str, str]:
    found = _known.get(runs_dir)
    if anew or found is None or time.monotonic() - found[0] > _REASONS_SERVE:
        found = _known[runs_dir] = time.monotonic(), why_queued(runs_dir)
    return found[1]


class Follower:
    """Reads a run's folder as it grows. Looking costs a fraction of a millisecond and disturbs nobody.

    `only_new`: what the folder holds already is no news; curves have it all the same.
    """

    def __init__(self, folder: RunFolder, *, only_new: bool = False) -> None:
        self.folder = folder
        self.started: platform.ProcessIdentity | None = None
        """The run's worker, where this process started it."""
        self.metrics = FollowedMetrics(folder.metrics, only_new=only_new)
        self._events = LineReader(folder.events)
        self._last_record_at = time.monotonic()
        if only_new:
            self._events.poll()

    def look(self) -> News:
        """What is new. The phase is read first, so that an end is seen with everything that came before it."""
        observed = look_at(self.folder, self.started)
        records = self.metrics.poll()
        if records or observed.phase == "paused":  # its clock stands still
            self._last_record_at = time.monotonic()
        return News(observed, records, self._events.poll(), behind=len(records) == AT_ONCE)

    def trained_seconds(self, phase: str) -> float | None:
        """Seconds of training so far: the last record's, and the time since while it goes on."""
        if not self.metrics.records:
            return None
        seconds = self.metrics.records[-1].get("time")
        if not isinstance(seconds, int | float):
            return None
        going_on = phase in ("running", "evaluating", "stopping")
        return seconds + (time.monotonic() - self._last_record_at if going_on else 0.0)
