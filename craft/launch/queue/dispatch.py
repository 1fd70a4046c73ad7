"""From the queue to a slot: the one way that a worker is started, by `craft run` itself and by the runner."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from craft import platform
from craft.errors import RunBusyError, RunError
from craft.launch import workers
from craft.launch.queue import slots
from craft.launch.queue.entries import Entry, Queue, Wait
from craft.launch.queue.waits import Holds
from craft.launch.standby import Standby
from craft.platform.files import put_back_on_error
from craft.runs.folder import RunFolder
from craft.runs.lock import end_left_behind
from craft.runs.status import StatusWriter, read_status

RUNNER = "craft.launch.queue.runner"
PAUSED = "the queue is paused: 'craft queue go' goes on"
_PATIENCE = 20.0  # seconds that a command waits for another one to let go of the queue: far more than it takes
_HANDING_OUT_PATIENCE = 5.0  # the same for the machine's slots: shorter, as the queue is held meanwhile


@dataclass(frozen=True)
class Started:
    """A worker that this process started."""

    folder: RunFolder
    process: platform.ProcessIdentity


def hold_queue(queue: Queue) -> platform.FileLock:
    """The queue's lock, held. Raises RunError when another process keeps it."""
    lock = queue.lock()
    if not lock.acquire(_PATIENCE):
        raise RunError(f"{lock.path} has been locked by another process for {_PATIENCE:.0f} s; try again")
    return lock


def submit(
    runs_dir: Path,
    runs: Sequence[tuple[RunFolder, str]],
    *,
    cpu_slots: int = 1,
    standby: Standby | None = None,
    after: Sequence[Wait] = (),
) -> Started | None:
    """Queue runs, each with its definition's device, in order, and see to it that they are started.

    When nobody else waits and a slot is free, the first is started right here, which is quickest; the rest is left
    to a runner. `after`: what has to end before they begin. Returns what was started here, which may be another run
    that waited before them. Raises RunError, with none of them queued, when the disk does not take them all or another
    process holds one of them.
    """
    queue = Queue(runs_dir)
    with hold_queue(queue):
        now, place = time.time(), queue.folder
        try:
            for folder, _ in runs:
                place = folder.lock
                _require_unheld(folder)
            place = runs_dir
            with put_back_on_error(*(folder.status for folder, _ in runs)):
                for folder, _ in runs:
                    place = folder.status
                    claim_queued(folder, cpu_slots)
                place = queue.folder
                queue.add(Entry(folder.name, device, cpu_slots, now, tuple(after)) for folder, device in runs)
        except OSError as error:
            raise RunError(f"{place}: nothing was queued: {error.strerror}") from error
        try:
            started = start_next(queue, standby=standby)
        except OSError:
            started = None  # they are queued all the same, and a runner tries again
        others_wait = has_work(queue, besides=started.folder.name if started else None)
    if others_wait:
        ensure_runner(runs_dir)
    return started


def _require_unheld(folder: RunFolder) -> None:
    """Raises RunBusyError when a process holds a run: it would be taken for its worker, and the entry dropped.

    Call with the queue's lock held, without which nobody takes a run that waits.
    """
    lock = platform.FileLock(folder.lock)
    if not lock.acquire(2.0 if end_left_behind(folder) else 0.0):
        raise RunBusyError(f"{folder.name} is held by another process, which trains it or tidies it up; try again")
    lock.release()


def claim_queued(folder: RunFolder, cpu_slots: int, **changes: Any) -> None:
    """Say of a run that it waits, before its entry is written or its worker started. Raises OSError.

    The entry goes when it begins; how many slots it was to have stays in the claim, for whoever lets it go on.
    Forced to disk where an older claim or a worker's trace would come back with a power cut: by them it would be taken
    for one that has begun, and its entry dropped. Of a run that was just made there are none.
    """
    before = read_status(folder)
    durable = folder.owner.exists() or (before is not None and before.phase != "queued")
    writer = StatusWriter(folder)
    writer.write(phase="queued", message=None, error=None, slots=cpu_slots, durable=durable, **changes)
    if writer.fault:
        raise writer.fault


def start_next(queue: Queue, *, only: str | None = None, standby: Standby | None = None) -> Started | None:
    """Start the first waiting run that a slot is free for. Call with the queue's lock held.

    Runs that wait for the same slots begin in their order; one that waits for a GPU does not hold up one that needs
    the CPU, and one that waits for another run holds up nobody. Entries whose run was taken over are dropped on the
    way. Nothing is started while the queue is paused. A run whose worker cannot be started, because its folder cannot
    be written, say, holds up nobody; raises its OSError when no other was started.
    """
    entries = queue.entries()
    if not entries or queue.is_paused():
        return None
    holds, given = Holds(queue.runs_dir, entries), _given(queue.runs_dir)
    full: set[str] = set()
    fault: OSError | None = None
    for entry in entries:
        if only is not None and entry.run != only:
            continue
        kind = slots.kind_of(entry.device, entry.visible)
        if kind in full or holds.of(entry) is not None:
            continue
        folder = RunFolder(queue.runs_dir / entry.run)
        candidates = slots.slots_for(entry.device, entry.cpu_slots, entry.visible)
        if was_taken_over(folder):
            queue.drop([entry.run])
            continue
        if entry.run in given:
            continue  # its worker has been started and lives
        if slots.first_free(candidates) is None:
            full.add(kind)
            continue
        try:
            if started := _start(folder, entry, candidates, standby):
                return started
            full.add(kind)  # another folder's run was quicker
        except TimeoutError:
            raise  # what is in the way of one is in the way of all
        except OSError as error:
            fault = fault or error
    if fault is not None:
        raise fault
    return None


def _start(folder: RunFolder, entry: Entry, candidates: list[slots.Slot], standby: Standby | None) -> Started | None:
    """Start a run's worker in the first free slot; None when there is none any more. Raises OSError."""
    platform.at_logout()  # looked at once a process, which may take seconds: other folders should not wait for it
    lock = slots.handing_out()
    if not lock.acquire(_HANDING_OUT_PATIENCE):
        words = f"has been locked by another process for {_HANDING_OUT_PATIENCE:.0f} s, so nothing can be started"
        raise TimeoutError(errno.ETIMEDOUT, words, str(lock.path))
    with lock:
        slot = slots.first_free(candidates)
        if slot is None:
            return None
        # Without room for it its worker would find none either, and its place would be lost.
        claim_queued(folder, entry.cpu_slots)
        # Whoever starts it may see other GPUs than whoever queued it.
        left = {} if entry.visible is None else {slots.VISIBLE: entry.visible}
        environment = {"CRAFT_SLOT": str(slot.path), **left, **slot.environment}
        process = workers.start_worker(folder, environment, standby)
        try:
            slot.give(folder.path, process)
        except OSError:  # without the note another would be started beside it
            process.send(signal.SIGKILL, group=True)
            raise
        return Started(folder, process)


def has_work(queue: Queue, besides: str | None = None) -> bool:
    """Whether a runner is of use: a run waits for a slot, or for something that ends by itself."""
    if queue.is_paused():
        return False
    entries = queue.entries()
    holds = Holds(queue.runs_dir, entries)
    return any((hold := holds.of(entry)) is None or hold.ends for entry in entries if entry.run != besides)


def was_taken_over(folder: RunFolder) -> bool:
    """Whether a worker has the run, or had it, or it is gone: then its place in the queue is no longer needed."""
    if platform.is_locked(folder.lock) or not folder.run_json.exists():
        return True
    status = read_status(folder)
    # Without a claim, as after a full disk, the worker's other trace tells.
    return folder.owner.exists() if status is None else status.phase != "queued"


def settle(started: Started) -> bool:
    """Take a started run out of the queue once its worker has it; a worker that died before that is recorded, or on a
    disk that does not take that the run waits on.

    False while it is still on its way.
    """
    alive = started.process.is_alive()
    if not was_taken_over(started.folder):
        if alive:
            return False
        try:
            workers.fail_to_start(started.folder)
        except OSError:
            return True
    queue = Queue(started.folder.path.parent)
    with hold_queue(queue):
        queue.drop([started.folder.name])
    return True


def withdraw(folder: RunFolder) -> bool:
    """Take a waiting run out of the queue, for good; False when it was not waiting or is just being started."""
    return bool(withdraw_all(folder.path.parent, [folder]))


def withdraw_all(
    runs_dir: Path, folders: Iterable[RunFolder], refused: dict[Path, RunError] | None = None
) -> list[RunFolder]:
    """Take those that wait out of the queue at once, so that none of them moves up meanwhile; returns them.

    One whose folder does not take it keeps its place: it would be queued by its claim still. It is put into `refused`,
    by its path; without that, RunError is raised once the others are out.
    """
    faults: dict[Path, RunError] = {} if refused is None else refused
    queue, chosen = Queue(runs_dir), {folder.name: folder for folder in folders}
    with hold_queue(queue):
        given = _given(runs_dir)
        leaving = [chosen[entry.run] for entry in queue.entries() if entry.run in chosen]
        leaving = [folder for folder in leaving if folder.name not in given and not was_taken_over(folder)]
        for folder in leaving:
            writer = StatusWriter(folder)
            writer.write(phase="stopped", message="taken out of the queue before it began", durable=True)
            if writer.fault:
                faults[folder.path] = RunError(f"{folder.name} waits on: {folder.status}: {writer.fault.strerror}")
        leaving = [folder for folder in leaving if folder.path not in faults]
        queue.drop(folder.name for folder in leaving)
    if refused is None and faults:
        raise next(iter(faults.values()))
    return leaving


def wait_while_starting(folder: RunFolder, patience: float = _PATIENCE) -> bool:
    """Wait until a worker that was just started for the run has taken it over, or died: as a rule within a second.

    False when it did neither in `patience` seconds: it hangs, in an import from a disk that does not answer, say.
    """
    deadline = time.monotonic() + patience
    while is_being_started(folder) and not was_taken_over(folder):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def end_starting(folder: RunFolder) -> bool:
    """Kill a worker that was started for the run and has not taken it over, and take the run out of the queue.

    False when there is none, or it is taking the run over now. Raises RunError when it cannot be killed.
    """
    queue, lock = Queue(folder.path.parent), platform.FileLock(folder.lock)
    with hold_queue(queue):
        try:
            if not lock.acquire(0.0):
                return False
        except OSError as error:
            raise RunError(f"{folder.lock}: {error.strerror}") from error
        try:  # with the lock held, it cannot take the run over, and nobody can take its end for a failure
            holder = slots.given().get(folder.path.resolve())
            if holder is None or not workers.kill(folder, holder.process):
                return False
            status = read_status(folder)
            if status is not None and status.phase == "queued":
                raise RunError(f"{folder.name} waits on, its worker is killed: {folder.status} cannot be written")
            queue.drop([folder.name])
        finally:
            lock.release()
    return True


def is_being_started(folder: RunFolder) -> bool:
    """Whether a worker that was given a slot for the run lives."""
    return folder.name in _given(folder.path.parent)


def _given(runs_dir: Path) -> set[str]:
    """The runs of a folder that were given a slot and whose workers live."""
    place = runs_dir.resolve()
    return {folder.name for folder in slots.given() if folder.parent == place}


@dataclass(frozen=True)
class Waiting:
    """A run of the queue, and why it waits."""

    entry: Entry
    position: int
    """From 1."""
    reason: str
    state: Literal["paused", "after", "slot", "starting"]
    ends: bool
    """Whether it goes on by itself: else a person has to do something."""


def waiting_runs(runs_dir: Path) -> list[Waiting]:
    """Who waits in a folder, in order, each with its reason in words. Runs that have begun are not among them."""
    queue = Queue(runs_dir)
    entries, paused, given = queue.entries(), queue.is_paused(), _given(runs_dir)
    holds = Holds(runs_dir, entries)
    reasons: dict[tuple[str, int, str | None], str] = {}
    found: list[Waiting] = []
    before: dict[str, int] = {}
    for entry in entries:
        place = len(found) + 1
        if was_taken_over(RunFolder(runs_dir / entry.run)):
            continue
        hold = holds.of(entry)
        if entry.run in given:
            found.append(Waiting(entry, place, "its worker is starting", "starting", ends=True))
        elif paused:
            reason = f"{PAUSED}; it {hold.reason}" if hold else PAUSED
            found.append(Waiting(entry, place, reason, "paused", ends=False))
        elif hold is not None:
            found.append(Waiting(entry, place, hold.reason, "after", ends=hold.ends))
        elif not os.access(runs_dir / entry.run, os.W_OK):  # it holds up nobody
            found.append(Waiting(entry, place, "its folder cannot be written", "slot", ends=False))
        else:
            needs = entry.device, entry.cpu_slots, entry.visible
            if needs not in reasons:
                reasons[needs] = _why_no_slot(*needs)
            kind = slots.kind_of(entry.device, entry.visible)
            first = before.get(kind, 0)
            before[kind] = first + 1
            reason = f"{reasons[needs]}; {first} queued before it" if first else reasons[needs]
            found.append(Waiting(entry, place, reason, "slot", ends=True))
    return found


def _why_no_slot(device: str, cpu_slots: int, visible: str | None) -> str:
    candidates = slots.slots_for(device, cpu_slots, visible)
    if slots.first_free(candidates) is not None:
        return "a slot is free: it begins in a moment"
    return slots.why_none_is_free(candidates)


def why_queued(runs_dir: Path) -> dict[str, str]:
    """What each waiting run of a folder waits for, in words; one that is not in it is in no queue."""
    return {waiting.entry.run: waiting.reason for waiting in waiting_runs(runs_dir)}


def ensure_runner(runs_dir: Path) -> None:
    """Start a runner, detached, when it is of use and none is there. Cheap enough for every command to call.

    Where it cannot be started, as on a full disk, the runs go on waiting: the next command tries again.
    """
    if platform.is_locked(runner_lock(runs_dir).path) or not has_work(Queue(runs_dir)):
        return
    log = runs_dir / ".craft" / "runner.log"
    with contextlib.suppress(OSError):
        platform.spawn_detached([sys.executable, "-P", "-m", RUNNER, str(runs_dir)], log)


def runner_lock(runs_dir: Path) -> platform.FileLock:
    """Held by the one runner of a runs folder."""
    return platform.FileLock(runs_dir / ".craft" / "runner.lock")
