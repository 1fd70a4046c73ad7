"""All faults, in the order of docs/reliability.md."""

from __future__ import annotations

from benchmarks.faults import (
    damaged_records,
    deleted_live,
    exact_resumes,
    flips,
    full_disk,
    full_disk_queueing,
    kills,
    live_change,
)
from benchmarks.faults.fault import Fault

FAULTS: list[Fault] = [
    kills.KILLS,
    exact_resumes.EXACT_RESUMES,
    flips.FLIPS,
    flips.CUTS,
    damaged_records.DAMAGED_RECORDS,
    live_change.LIVE_CHANGE,
    full_disk.FULL_DISK,
    full_disk_queueing.FULL_DISK_QUEUEING,
    deleted_live.DELETED_LIVE,
]
