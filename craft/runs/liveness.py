"""What a run is doing, derived from its lock and its worker's claim. A pid alone is never believed.

| lock | claim | shown |
|---|---|---|
| held | from before the lock was taken | starting |
| held | moved within 30 s | the claim's phase |
| held | older, and its log goes on | the claim's phase, and that its figures are old |
| held | older | silent |
| free | finished, stopped, failed | that |
| free | queued or none | queued |
| free | anything else | interrupted: resumable |

Held means by a worker: a child that it left behind does not count, and one whose lock file was removed does. A run that
another host works on is shown by its claim: its lock need not be seen here.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from craft import platform
from craft.runs.disk import free_space
from craft.runs.folder import RunFolder
from craft.runs.lock import keeps_lock, load_owner, owner_here, owner_without_lock_file
from craft.runs.status import KILLED, OUTCOMES, WORKING, Status, load_status

SILENT_AFTER = 30.0
_STALE_AFTER = 5.0  # seconds; a claim is written every second or so, unless the disk does not take it
_FULL = 1 << 16  # bytes that are free on a disk that takes nothing more
LIVE = (*WORKING, "silent")


@dataclass(frozen=True)
class Observed:
    """A phase, and why it is believed."""

    phase: str
    reason: str
    status: Status
    held: bool
    """Whether a worker has the run's lock."""
    fault: str | None = None
    """What is wrong with status.json."""

    @property
    def is_live(self) -> bool:
        """Whether a worker is at it."""
        return self.phase in LIVE


def observe(folder: RunFolder, *, now: float | None = None, clock: float | None = None) -> Observed:
    """Look at one run. For tests: `now` is seconds since 1970, `clock` seconds of this machine's monotonic clock."""
    claim, fault, held = _look(folder)
    status = claim or Status()
    age = _age(folder, status, time.time() if now is None else now, time.monotonic() if clock is None else clock)
    stray = keeps_lock(folder) if held else []
    phase, reason = _judge(folder, claim, fault, held and not stray, age)
    if stray:
        reason += f"; process {stray[0].pid}, which it left behind, keeps its lock"
    return Observed(phase, reason, status, held and not stray, fault)


def _look(folder: RunFolder) -> tuple[Status | None, str | None, bool]:
    """Claim, fault and lock of one moment: a free lock beside a working claim counts once both are seen twice."""
    seen = None
    while True:
        held = platform.is_locked(folder.at("worker.lock"))
        claim, fault = load_status(folder)
        if held or claim is None or claim.phase not in WORKING:
            return claim, fault, held
        if claim == seen:
            return claim, fault, owner_without_lock_file(folder) is not None
        seen = claim


def _judge(folder: RunFolder, claim: Status | None, fault: str | None, held: bool, age: float) -> tuple[str, str]:
    if held:
        if _is_from_before(folder, claim) or (claim and claim.phase == "queued"):
            return "starting", "a worker has just taken it"
        if claim is None:
            return ("running", f"its worker lives, but {fault}") if fault else ("starting", "a worker takes it")
        if claim.phase in OUTCOMES:
            return claim.phase, "its worker is leaving"
        unwritten, goes_on = _why_unwritten(folder, age) if age > _STALE_AFTER else ("", False)
        if age > SILENT_AFTER and not goes_on:
            return "silent", "; ".join(filter(None, (_why_silent(folder, age), unwritten)))
        if unwritten:
            return claim.phase, unwritten
        standstill = age + claim.updated - claim.progressed
        if claim.progressed and standstill > SILENT_AFTER and claim.phase != "paused":
            return claim.phase, f"no progress for {_words(standstill)}"
        return claim.phase, claim.message or "its worker says so"
    if claim is None:
        return ("interrupted", f"no worker is at it, and {fault}") if fault else ("queued", "not started yet")
    if claim.phase in OUTCOMES:
        return claim.phase, claim.error or claim.message or claim.phase
    if claim.phase == "queued":
        return "queued", claim.message or "waiting for a slot"
    if host := host_elsewhere(folder, claim):
        return claim.phase, f"{host} works on it, and said so {_words(age)} ago"
    how = "it was killed" if was_killed(claim) else "its worker ended without a word"
    return "interrupted", f"{how} while {claim.phase}, at step {claim.step}; it can be resumed"


def was_killed(claim: Status) -> bool:
    """Whether a person killed the worker that made this claim."""
    return (claim.message or "").startswith(KILLED)


def host_elsewhere(folder: RunFolder, claim: Status | None) -> str | None:
    """The other machine that says it works on this run; None when there is none.

    Such a run is never signalled, and not resumed here unless a person insists: its lock need not reach this far.
    """
    if claim is None or claim.phase not in WORKING or not claim.host:
        return None
    owner = load_owner(folder)
    its_owner = owner if owner and owner.process.host == claim.host else None
    if claim.host == platform.hostname():
        machines = {its_owner.machine if its_owner else "", platform.machine_id()}
        return f"another machine named {claim.host}" if len(machines - {""}) > 1 else None
    if its_owner and its_owner.process.boot_id == platform.boot_id() != "unknown":
        return None  # the same kernel by another name: renamed since, or a container
    return claim.host


def _why_unwritten(folder: RunFolder, age: float) -> tuple[str, bool]:
    """Why a worker's claim is old although it goes on, as far as can be seen from outside; and whether its log shows
    that it does."""
    try:
        ahead = folder.log.stat().st_mtime - folder.status.stat().st_mtime
    except OSError:
        ahead = 0.0
    goes_on = ahead > max(_STALE_AFTER, age - SILENT_AFTER)
    free = free_space(folder.path)
    if free is not None and free < _FULL:
        return f"the disk is full: what is shown is {_words(age)} old, and it goes on once there is room", goes_on
    if goes_on:
        return f"its log goes on, but its status.json is {_words(age)} old, as where a disk takes no more", True
    return "", False


def _why_silent(folder: RunFolder, age: float) -> str:
    owner = owner_here(folder)
    if owner is not None and platform.is_suspended(owner.pid):
        return f"its worker was suspended {_words(age)} ago; `kill -CONT {owner.pid}` lets it go on"
    return f"its worker lives but has said nothing for {_words(age)}"


def _is_from_before(folder: RunFolder, claim: Status | None) -> bool:
    """Whether what status.json says was written before the present holder took the lock and wrote owner.json.

    By the monotonic clock where both have it: the times of files follow a clock that is set.
    """
    owner = load_owner(folder)
    if claim and claim.clock and owner and owner.clock and owner.process.is_here:
        return not owner.clock <= claim.clock <= time.monotonic()  # later than now is from before a restart
    try:
        taken = folder.owner.stat().st_mtime_ns
    except OSError:
        return False
    try:
        return folder.status.stat().st_mtime_ns < taken
    except OSError:
        return True


def _age(folder: RunFolder, status: Status, now: float, clock: float) -> float:
    """Seconds since the claim was written, by the monotonic clock where it is this machine's."""
    if 0 < status.clock <= clock and host_elsewhere(folder, status) is None:
        return clock - status.clock
    return max(0.0, now - max(status.updated, status.progressed))


def _words(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
