"""How much memory there is, and how much this process has taken at most."""

from __future__ import annotations

from pathlib import Path

_PROCESS = Path("/proc/self")
_MACHINE = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def free_memory() -> int | None:
    """Bytes that can be taken without swapping, within the limit of a container; None where the system does not tell.

    proc_meminfo(5): MemAvailable counts what the kernel would give back of its caches.
    """
    try:
        lines = _MACHINE.read_text().splitlines()
    except OSError:
        return None
    kilobytes = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    if kilobytes is None:
        return None
    free = int(kilobytes) * 1024
    try:
        limit, used = ((_GROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        caches = dict(line.split() for line in (_GROUP / "memory.stat").read_text().splitlines())
        mine = int(used) - int(caches["inactive_file"])  # what the kernel gives back first
        return free if limit == "max" else max(0, min(free, int(limit) - mine))
    except (OSError, ValueError, KeyError):
        return free


def reset_peak_memory() -> bool:
    """Begin to look for the peak anew. False where the system cannot: then a peak says nothing about what comes."""
    try:
        (_PROCESS / "clear_refs").write_text("5")  # proc_pid_clear_refs(5): the peak is what is resident now
    except OSError:
        return False
    return True


def peak_memory() -> int | None:
    """Most bytes that were resident at once since the reset; None where the system does not tell."""
    try:
        lines = (_PROCESS / "status").read_text().splitlines()
    except OSError:
        return None
    kilobytes = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), None)
    return None if kilobytes is None else int(kilobytes) * 1024
