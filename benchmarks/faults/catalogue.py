"""All faults, in the order of docs/reliability.md."""

from __future__ import annotations

from benchmarks.faults import (
    claims,
    clock,
    damaged_records,
    deleted_live,
    exact_resumes,
    flips,
    full_disk,
    full_disk_queueing,
    hang_ups,
    kills,
    live_change,
    live_tail,
    many_runs,
    queue_kills,
    read_only,
    strangers,
    two_resumes,
)
from benchmarks.faults.fault import Fault

FAULTS: list[Fault] = [
    kills.KILLS,
    hang_ups.HANG_UPS,
    queue_kills.WORKBENCH_KILLS,
    queue_kills.RUNNER_KILLS,
    claims.CLAIMS,
    two_resumes.TWO_RESUMES,
    strangers.REBOOT,
    strangers.OTHER_HOST,
    clock.CLOCK,
    exact_resumes.EXACT_RESUMES,
    flips.FLIPS,
    flips.CUTS,
    damaged_records.DAMAGED_RECORDS,
    live_change.LIVE_CHANGE,
    full_disk.FULL_DISK,
    full_disk_queueing.FULL_DISK_QUEUEING,
    read_only.READ_ONLY,
    many_runs.MANY_RUNS,
    live_tail.LIVE_TAIL,
    deleted_live.DELETED_LIVE,
]
