"""The places to train of this machine: who has each, and whether a dead one's child keeps one."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from pathlib import Path

from craft import platform
from craft.launch.doctor.finding import Finding, Patient, plural, some
from craft.launch.queue import slots
from craft.launch.queue.slots import Slot

_LONGEST_STEP = 2.0  # seconds that a slot may be handed out in: it takes milliseconds


def held_slots(patient: Patient) -> Iterable[Finding]:
    """A line a slot that is not free, and one when nothing can be put into any."""
    if (path := _kept_from_all()) is not None:
        keepers = [pid for pid, _ in platform.lock_holders(path)]
        yield Finding(
            "slots",
            "fault",
            f"process {some(map(str, keepers)) if keepers else 'that is not known'} keeps {path}: no run can begin",
            "let it go on (kill -CONT, where it is suspended) or end it",
            {"processes": keepers},
        )
    taken = slots.taken()
    for slot in taken:
        holder = slot.holder()
        details = {"slot": slot.name, "run": str(holder.folder) if holder else None}
        if holder is not None:
            yield Finding("slots", "ok", f"{slot.name}: {holder}", details={**details, "pid": holder.pid})
        elif left := _left_behind(slot):
            numbers = some(str(process.pid) for process in left)
            yield Finding(
                "slots",
                "fault",
                f"{slot.name}: kept by process {numbers}, which a worker left behind that is gone",
                "craft doctor --fix ends it",
                {**details, "processes": [process.pid for process in left]},
                repair=lambda slot=slot: _end(slot),  # type: ignore[misc]
            )
        else:
            yield Finding("slots", "ok", f"{slot.name}: a run that does not say which", details=details)
    if not taken:
        there = plural(len(slots.nvidia_gpus()), "GPU") if slots.nvidia_gpus() else "the CPU"
        yield Finding("slots", "ok", f"nothing trains on {there}")


def _kept_from_all() -> Path | None:
    """The lock under which slots are handed out, when it is held longer than it ever takes."""
    path = slots.handing_out().path
    deadline = time.monotonic() + _LONGEST_STEP
    while platform.is_locked(path):
        if time.monotonic() >= deadline:
            return path
        time.sleep(0.02)
    return None


def _left_behind(slot: Slot) -> list[platform.ProcessIdentity]:
    """Processes that have a copy of the slot's lock, of a taker that is gone."""
    known = {pid: platform.ProcessIdentity.of(pid, 0) for pid, _ in platform.lock_holders(slot.path)}
    holders = platform.lock_holders(slot.path)
    if any(taker == pid for pid, taker in holders):
        return []
    return [known[pid] for pid, _ in holders if pid in known and known[pid].start_ticks]


def _end(slot: Slot) -> list[str]:
    left = _left_behind(slot)
    ended = [process.pid for process in left if process.send(signal.SIGKILL)]
    return [f"ended process {some(map(str, ended))}, which kept {slot.name}"] if ended else []
