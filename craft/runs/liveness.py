"""What a run is doing, derived from its lock and its worker's claim. A pid alone is never believed.

| lock | claim | shown |
|---|---|---|
| held | moved within 30 s | the claim's phase |
| held | older | silent |
| free | finished, stopped, failed | that |
| free | queued or none | queued |
| free | anything else | interrupted: resumable |

A run whose claim comes from another host is shown by its claim: its lock means nothing here.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from craft import platform
from craft.runs.folder import RunFolder
from craft.runs.status import OUTCOMES, Status, read_status

SILENT_AFTER = 30.0
LIVE = ("starting", "preparing", "running", "evaluating", "paused", "stopping", "silent")


@dataclass(frozen=True)
class Observed:
    """A phase, and why it is believed."""

    phase: str
    reason: str
    status: Status
    held: bool

    @property
    def is_live(self) -> bool:
        """Whether a worker is at it."""
        return self.phase in LIVE


def observe(folder: RunFolder, *, now: float | None = None) -> Observed:
    """Look at one run. `now` is seconds since 1970, for tests."""
    claim = read_status(folder)
    status = claim or Status()
    held = platform.is_locked(folder.lock)
    now = time.time() if now is None else now
    if held:
        # A clock set back makes a claim seem to come from the future: that is no silence.
        age = now - max(status.updated, status.progressed)
        if status.phase in OUTCOMES or status.phase == "queued":
            return Observed("starting", "a worker has just taken it", status, held)
        if age > SILENT_AFTER:
            return Observed("silent", f"its worker lives but has said nothing for {age:.0f} s", status, held)
        return Observed(status.phase, status.message or "its worker says so", status, held)
    if status.phase in OUTCOMES:
        return Observed(status.phase, status.error or status.message or status.phase, status, held)
    if claim is None and folder.status.exists():
        return Observed("interrupted", "status.json is damaged and no worker holds the lock", status, held)
    if status.phase == "queued":
        return Observed("queued", status.message or "waiting for a slot", status, held)
    if status.host and status.host != platform.hostname():
        return Observed(status.phase, f"claimed by {status.host}", status, held)
    return Observed("interrupted", "its worker ended without saying so; it can be resumed", status, held)
