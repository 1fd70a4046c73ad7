"""How much memory this process has taken at most."""

from __future__ import annotations

from pathlib import Path

_PROCESS = Path("/proc/self")


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
