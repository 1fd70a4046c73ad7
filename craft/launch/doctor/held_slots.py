"""The places to train of this machine: who has each, and whether a dead one's child keeps one."""

from __future__ import annotations

import signal
from collections.abc import Iterable

from craft import platform
from craft.launch.doctor.finding import Finding, Patient, plural, some
from craft.launch.queue import slots
from craft.launch.queue.slots import Slot


def held_slots(patient: Patient) -> Iterable[Finding]:
    """A line a slot that is not free."""
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
