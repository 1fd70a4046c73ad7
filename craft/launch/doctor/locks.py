"""Whether locks work where Craft needs them, tried with a second process: the truth about every run rests on them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from craft import platform
from craft.launch.doctor.finding import Finding, Patient, scratch
from craft.platform.file_systems import file_system

# It says what it gets of a held lock, and then of a free one, which it keeps to its end.
_OTHER = """
import sys
from pathlib import Path
from craft.platform import FileLock
lock = FileLock(Path(sys.argv[1]))
print(lock.acquire(), flush=True)
sys.stdin.readline()
print(lock.acquire(2.0), flush=True)
sys.stdin.readline()
"""
_PATIENCE = 2.0  # seconds for the kernel to free the lock of a process that was ended


def locks(patient: Patient) -> Iterable[Finding]:
    """In the folder of the runs, and in that of the machine's slots."""
    for what, place in (("runs", patient.runs_dir), ("slots", platform.slots_dir())):
        try:
            with scratch(place) as folder:
                wrong, system = _wrong(folder / "a.lock"), file_system(folder)
        except OSError as error:
            wrong, system = f"cannot be tried: {error.strerror or error}", file_system(Path("/"))
        details = {"of": what, "path": str(place), "file_system": system.kind, "work": not wrong}
        if wrong:
            advice = "keep the runs" if what == "runs" else "let CRAFT_STATE_DIR name a folder"
            text = f"of {what}: {wrong} ({system.kind or 'unknown file system'})"
            yield Finding("locks", "fault", text, f"{advice} on a disk of this machine", details)
        else:
            yield Finding("locks", "ok", f"of {what}: held, seen and freed by two processes", details=details)


def _wrong(path: Path) -> str:
    """What two processes see that they should not; empty when all is well. Raises OSError where there are no locks."""
    lock = platform.FileLock(path)
    if not lock.acquire():
        return "one that nobody has cannot be taken"
    with (
        lock,
        subprocess.Popen(
            [sys.executable, "-P", "-c", _OTHER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,  # closing must write nothing: it may have ended
        ) as other,
    ):
        try:
            if (said := _answer(other)) != "False":
                return "two processes hold the same one" if said == "True" else "a second process could not try them"
            lock.release()
            _ask(other)
            if _answer(other) != "True":
                return "one that was given back stays taken"
            if not platform.is_locked(path):
                return "nobody sees that one is held"
        finally:
            other.kill()
        other.wait()
        deadline = time.monotonic() + _PATIENCE
        while platform.is_locked(path):
            if time.monotonic() > deadline:
                return "one stays held after its process was killed"
            time.sleep(0.01)
        return ""


def _answer(other: subprocess.Popen[bytes]) -> str:
    assert other.stdout is not None
    return other.stdout.readline().decode(errors="replace").strip()


def _ask(other: subprocess.Popen[bytes]) -> None:
    assert other.stdin is not None
    with contextlib.suppress(OSError):  # it ended: it will not answer
        other.stdin.write(b"\n")
