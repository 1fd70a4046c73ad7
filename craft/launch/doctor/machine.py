"""The machine around the runs: Python, processor, memory, clock, and what a logout does."""

from __future__ import annotations

import platform as python_platform
import re
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import craft
from craft import platform
from craft.launch.doctor.finding import Finding, Patient, plural, scratch

_OLDEST, _BEYOND = (3, 11), 10 * 365 * 86_400  # seconds past this file's own date that no clock can be right about
_LITTLE_MEMORY = 1 << 30
_SKEW = 2.0  # seconds between this machine and a file server; file times are no finer on some
# What makes matrix products fast, the widest first.
_VECTORS = ("amx_bf16", "avx512_bf16", "avx512_vnni", "avx512f", "avx_vnni", "avx2", "avx", "sve", "asimd", "neon")


def python(patient: Patient) -> Iterable[Finding]:
    """The interpreter."""
    version = python_platform.python_version()
    details = {"version": version, "executable": sys.executable, "craft": craft.__version__}
    text = f"Python {version}, Craft {craft.__version__}, {python_platform.system()} {python_platform.release()}"
    if sys.version_info < _OLDEST:
        yield Finding("python", "fault", text, "Craft needs Python 3.11 or newer", details)
    else:
        yield Finding("python", "ok", text, details=details)


def processor(patient: Patient) -> Iterable[Finding]:
    """The cores that training would use, within a container's limit, and the vector units that products run on."""
    import psutil

    cores = platform.usable_cores()
    physical = psutil.cpu_count(logical=False)
    name, flags = _cpu()
    units = [flag for flag in _VECTORS if flag in flags]
    text = f"{name}, {plural(cores, 'usable core')}" + (f", {units[0]}" if units else "")
    yield Finding("cpu", "ok", text, details={"name": name, "cores": cores, "physical": physical, "vectors": units})


def _cpu() -> tuple[str, set[str]]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return python_platform.processor() or python_platform.machine(), set()
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    return name[1].strip() if name else python_platform.machine(), set(flags[1].split()) if flags else set()


def memory(patient: Patient) -> Iterable[Finding]:
    """What there is, and what is left of it."""
    import psutil

    from craft.analysis.numbers import format_bytes

    whole, swap = psutil.virtual_memory(), psutil.swap_memory()
    free = platform.free_memory()
    free = whole.available if free is None else free
    details = {"total": whole.total, "free": free, "swap": swap.total, "swap_used": swap.used}
    text = f"{format_bytes(free)} free of {format_bytes(whole.total)}"
    if free < _LITTLE_MEMORY:
        yield Finding("memory", "warning", text, "a worker takes 0.3 GB before its model: end something", details)
    else:
        yield Finding("memory", "ok", text, details=details)


def clock(patient: Patient) -> Iterable[Finding]:
    """Whether the date can be right, and whether a file server has the same one."""
    now, made = time.time(), Path(__file__).stat().st_mtime
    shown = datetime.fromtimestamp(now).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
    if not made - 86_400 < now < made + _BEYOND:
        advice = "set the clock: runs are listed by when they were made, and certificates need it"
        yield Finding("clock", "warning", f"it says {shown}, which cannot be", advice, {"now": now})
        return
    skew = 0.0
    try:
        with scratch(patient.runs_dir) as folder:
            before = time.time()
            (folder / "now").touch()
            stamped = (folder / "now").stat().st_mtime
            skew = min(0.0, stamped - before + 0.02) + max(0.0, stamped - time.time())
    except OSError:
        pass  # the disk's check says it
    details = {"now": now, "file_server_skew": round(skew, 3)}
    if abs(skew) > _SKEW:
        text = f"the file server of {patient.runs_dir} is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
        yield Finding("clock", "warning", text, "let both machines keep network time", details)
    else:
        yield Finding("clock", "ok", shown, details=details)


def logout(patient: Patient) -> Iterable[Finding]:
    """What happens to runs when their user logs out."""
    found = platform.at_logout()
    details = {"kills": found.kills, "scope": bool(found.prefix)}
    yield Finding("logout", "warning" if found.advice else "ok", found.reason, found.advice, details)
