"""How many cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Cores that this process may run on, within what a container or a service manager allows of their time.

    Less than two cores' time is one: a second thread would be put to sleep in the middle of each step.
    """
    try:
        cores = len(os.sched_getaffinity(0))  # what taskset, Slurm or a cpuset left
    except AttributeError:  # macOS has no such thing
        cores = os.cpu_count() or 1
    return max(1, min(cores, int(_quota())))


def _quota() -> float:
    """Cores' worth of time that the groups of this process are given; infinity without a limit.

    cgroups(7): every group above sets a limit too. Version 2 has one file, version 1 two in a tree of its own.
    """
    least = 1e9
    try:
        lines = _OWN_GROUP.read_text().splitlines()
    except OSError:
        return least
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, place = rest.partition(":")
        if number != "0" and "cpu" not in controllers.split(","):
            continue
        tree = _GROUPS if number == "0" else _GROUPS / "cpu"
        own = tree / place.lstrip("/")
        for group in (own, *own.parents):
            if group.is_relative_to(tree):
                least = min(least, _limit_of(group))
    return least


def _limit_of(group: Path) -> float:
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 and int(period) > 0 else 1e9
    except (OSError, ValueError):  # no limit is written as "max" or -1
        return 1e9
