"""From the queue to a slot: the one way that a worker is started, by `craft run` itself and by the runner."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from craft import platform
from craft.errors import RunError
from craft.launch import slots, workers
from craft.launch.queue import Entry, Queue
from craft.launch.standby import Standby
from craft.runs.folder import RunFolder
from craft.runs.status import StatusWriter, read_status

RUNNER = "craft.launch.runner"
_PATIENCE = 20.0  # seconds that a command waits for another one to let go of the queue: far more than it takes


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
) -> Started | None:
    """Queue runs, each with its definition's device, in order, and see to it that they are started.

    When nobody else waits and a slot is free, the first is started right here, which is quickest; the rest is left
    to a runner. Returns what was started here.
    """
    queue = Queue(runs_dir)
    with hold_queue(queue):
        nobody_waits = queue.is_empty()
        now = time.time()
        for folder, _ in runs:
            StatusWriter(folder).write(phase="queued", message=None, error=None)
        queue.add(Entry(folder.name, device, cpu_slots, now) for folder, device in runs)
        started = start_next(queue, only=runs[0][0].name, standby=standby) if nobody_waits else None
    if len(runs) > 1 or started is None:
        ensure_runner(runs_dir)
    return started


def start_next(queue: Queue, *, only: str | None = None, standby: Standby | None = None) -> Started | None:
    """Start the first waiting run that a slot is free for. Call with the queue's lock held.

    A run that waits for a GPU does not hold up one that needs the CPU. Entries whose run was taken over are dropped
    on the way.
    """
    for entry in queue.entries():
        if only is not None and entry.run != only:
            continue
        candidates = slots.slots_for(entry.device, entry.cpu_slots)
        if slots.first_free(candidates) is None:
            continue
        folder = RunFolder(queue.runs_dir / entry.run)
        if was_taken_over(folder):
            queue.drop([entry.run])
            continue
        if is_being_started(folder, entry):
            continue
        with slots.handing_out():
            slot = slots.first_free(candidates)
            if slot is not None:
                environment = {"CRAFT_SLOT": str(slot.path), **slot.environment}
                process = workers.start_worker(folder, environment, standby)
                slot.give(folder.path, process)
                return Started(folder, process)
    return None


def was_taken_over(folder: RunFolder) -> bool:
    """Whether a worker has the run, or had it, or it is gone: then its place in the queue is no longer needed."""
    if platform.is_locked(folder.lock) or not folder.run_json.exists():
        return True
    status = read_status(folder)
    # Without a claim, as after a full disk, the worker's other trace tells.
    return folder.owner.exists() if status is None else status.phase != "queued"


def settle(started: Started) -> bool:
    """Take a started run out of the queue once its worker has it; a worker that died before that is recorded.

    False while it is still on its way.
    """
    alive = started.process.is_alive()
    if not was_taken_over(started.folder):
        if alive:
            return False
        workers.fail_to_start(started.folder)
    queue = Queue(started.folder.path.parent)
    with hold_queue(queue):
        queue.drop([started.folder.name])
    return True


def withdraw(folder: RunFolder) -> bool:
    """Take a waiting run out of the queue, for good; False when it was not waiting or is just being started."""
    queue = Queue(folder.path.parent)
    with hold_queue(queue):
        entry = next((entry for entry in queue.entries() if entry.run == folder.name), None)
        if entry is None or was_taken_over(folder) or is_being_started(folder, entry):
            return False
        queue.drop([folder.name])
        StatusWriter(folder).write(phase="stopped", message="taken out of the queue before it began", durable=True)
    return True


def stop(folder: RunFolder) -> bool:
    """Take a run out of the queue (True), or ask its worker to finish the step, save and leave (False).

    Raises RunError when it neither waits nor trains.
    """
    wait_while_starting(folder)
    if withdraw(folder):
        return True
    workers.ask_to_stop(folder)
    return False


def wait_while_starting(folder: RunFolder) -> None:
    """Return when a worker that was just started for the run has taken it over, or died: a second at most."""
    queue = Queue(folder.path.parent)
    while not was_taken_over(folder):
        entry = next((entry for entry in queue.entries() if entry.run == folder.name), None)
        if entry is None or not is_being_started(folder, entry):
            return
        time.sleep(0.02)


def is_being_started(folder: RunFolder, entry: Entry) -> bool:
    """Whether a worker for the run has been started and lives."""
    candidates = slots.slots_for(entry.device, entry.cpu_slots)
    return any((holder := slot.holder()) and holder.folder == folder.path for slot in candidates)


def why_queued(runs_dir: Path) -> dict[str, str]:
    """What each waiting run of a folder waits for, in words; one that is not in it is in no queue."""
    reasons: dict[str, str] = {}
    seen: dict[tuple[str, int], tuple[set[Path], str]] = {}
    before = 0
    for entry in Queue(runs_dir).entries():
        needs = entry.device, entry.cpu_slots
        if needs not in seen:
            candidates = slots.slots_for(*needs)
            given = {holder.folder for slot in candidates if (holder := slot.holder())}
            seen[needs] = given, slots.why_none_is_free(candidates)
        given, reason = seen[needs]
        if runs_dir / entry.run in given:
            reasons[entry.run] = "its worker is starting"
        else:
            reasons[entry.run] = f"{reason}; {before} queued before it" if before else reason
            before += 1
    return reasons


def ensure_runner(runs_dir: Path) -> None:
    """Start a runner, detached, when runs wait and none is there. Cheap enough for every command to call."""
    if Queue(runs_dir).is_empty() or platform.is_locked(runner_lock(runs_dir).path):
        return
    log = runs_dir / ".craft" / "runner.log"
    platform.spawn_detached([sys.executable, "-P", "-m", RUNNER, str(runs_dir)], log)


def runner_lock(runs_dir: Path) -> platform.FileLock:
    """Held by the one runner of a runs folder."""
    return platform.FileLock(runs_dir / ".craft" / "runner.lock")
