"""All faults, in the order of docs/reliability.md."""

from __future__ import annotations

from benchmarks.faults import full_disk, kills
from benchmarks.faults.fault import Fault

FAULTS: list[Fault] = [
    kills.KILLS,
    full_disk.FULL_DISK,
]
