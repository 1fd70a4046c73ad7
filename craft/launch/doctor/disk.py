"""The disk under the runs and under the machine's own state: room, speed, and whether it keeps what it is told to."""

from __future__ import annotations

import errno
import os
import statistics
import time
from collections.abc import Iterable
from pathlib import Path

from craft import platform
from craft.analysis.numbers import format_bytes
from craft.launch.doctor.finding import Finding, Patient, nearest, scratch
from craft.platform.file_systems import file_system

_NO_ROOM, _LITTLE_ROOM = 100 << 20, 2 << 30  # bytes: a log of a long run; some checkpoints of a small model
_FEW_FILES = 1000
_WRITTEN = 8 << 20
_FORCES = 5
_SLOW = 0.2  # seconds: a run forces its log once a second, and beside it a checkpoint's files


def disk(patient: Patient) -> Iterable[Finding]:
    """Both places, with what was tried there."""
    for check, place in (("disk", patient.runs_dir), ("state", platform.state_dir())):
        there = nearest(place)
        if place.exists() and there != place:
            yield Finding(
                check, "fault", f"{place} is no folder", "move it away, or name another", {"path": str(place)}
            )
            continue
        try:
            with scratch(place) as folder:
                yield _tried(check, place, folder)
        except OSError as error:
            advice = "free some room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else f"make {there} writable"
            text = f"nothing can be written in {there}: {error.strerror or error}"
            if check == "state":
                advice += ", or let CRAFT_STATE_DIR name another folder"
            yield Finding(check, "fault", text, advice, {"path": str(there), "errno": error.errno})


def _tried(check: str, place: Path, folder: Path) -> Finding:
    system, found = file_system(folder), os.statvfs(folder)
    free, files = found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None
    rate, force = _speed(folder)
    broken = _broken_promises(folder)
    details = {
        "path": str(place),
        "file_system": system.kind,
        "mounted_at": str(system.mounted_at),
        "free": free,
        "free_files": files,
        "forced_bytes_per_second": round(rate),
        "force_seconds": round(force, 6),
    }
    text = f"{place}: {system.kind or 'unknown file system'}, {format_bytes(free)} free"
    text += f", {format_bytes(rate)}/s forced to disk, {force * 1000:.1f} ms a force"
    if broken:
        return Finding(check, "fault", f"{place}: {broken}", "keep the runs on another file system", details)
    if free < _NO_ROOM or files == 0:
        what = "no room" if files != 0 else "no room for one more file"
        return Finding(check, "fault", f"{text}: {what}", "free some: 'craft prune' names what takes it", details)
    advice = []
    if free < _LITTLE_ROOM or (files is not None and files < _FEW_FILES):
        advice.append("there is little room: 'craft prune' names what takes it")
    if system.locks_stay_here:
        advice.append(
            "other machines may write here too, and do not see the locks that are taken here (nolock, local_lock): "
            "start and queue these runs from one machine only"
        )
    elif system.is_shared:
        advice.append(
            "other machines may write here too, and locks need not reach them: let a run be trained by one machine at "
            "a time; a run of another one is shown, and never signalled"
        )
    if system.is_volatile:
        advice.append("a restart of the machine empties it")
    if force > _SLOW:
        advice.append("it is slow to force to disk: saving will be felt")
    return Finding(check, "warning" if advice else "ok", text, "; ".join(advice), details)


def _speed(folder: Path) -> tuple[float, float]:
    """Bytes a second that a forced write takes, and seconds for a force of little. Raises OSError."""
    block, took = bytes(1 << 20), []
    started = time.perf_counter()
    with (folder / "large").open("wb", buffering=0) as file:
        for _ in range(_WRITTEN // len(block)):
            if file.write(block) < len(block):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file.fileno())
    rate = _WRITTEN / (time.perf_counter() - started)
    with (folder / "small").open("wb", buffering=0) as file:
        for _ in range(_FORCES):
            started = time.perf_counter()
            file.write(b"a record of some hundred bytes" * 8)
            platform.sync_data(file.fileno())
            took.append(time.perf_counter() - started)
    (folder / "large").unlink()
    return rate, statistics.median(took)


def _broken_promises(folder: Path) -> str:
    """What does not work of all that a run's files rely on; empty when it does. Raises OSError."""
    file, other = folder / "file", folder / "other"
    platform.write_file_durable(file, b"before")
    platform.write_file_durable(other, b"after")
    with file.open("rb") as opened:
        platform.replace(other, file)
        if file.read_bytes() != b"after" or other.exists() or opened.read() != b"before":
            return "a file cannot be replaced at once here"
    filled, place = folder / "filled", folder / "place"
    filled.mkdir()
    (filled / "file").write_bytes(b"whole")
    platform.rename(filled, place)
    if filled.exists() or (place / "file").read_bytes() != b"whole":
        return "a folder cannot be renamed at once here"
    for path in (place, folder):
        platform.fsync_dir(path)
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return ""
    os.close(descriptor)
    return "two processes can make the same file here"
