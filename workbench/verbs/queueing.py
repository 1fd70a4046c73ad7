"""The queue: what waits and why, its order, what it waits for, and whether anything is started at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from craft.errors import CraftError
from craft.launch.queue import changes, slots
from craft.launch.queue.dispatch import Waiting, runner_lock, waiting_runs
from craft.launch.queue.entries import Queue
from craft.platform import is_locked
from craft.runs.folder import RunFolder
from craft.runs.liveness import observe
from workbench.verbs.telling import Telling


@dataclass(frozen=True)
class Held:
    """A slot of this machine that is taken."""

    slot: str
    run: str
    """The run's name; what is known where there is none."""
    here: bool
    """Whether it is one of this project."""
    phase: str = ""
    step: int = 0
    max_steps: int = 0
    left: float | None = None


@dataclass(frozen=True)
class QueueState:
    """A queue at one look."""

    waiting: list[Waiting]
    paused: bool
    runner: bool
    """Whether somebody starts what waits."""
    slots: list[Held]
    damaged: list[str]
    """Runs whose entries cannot be read."""


def read_queue(runs_dir: Path) -> QueueState:
    """Look at the queue of a runs folder, and at what trains on this machine."""
    queue = Queue(runs_dir)
    damaged = [path.name[21:].removesuffix(".json") for path in queue.damaged()]
    runner = is_locked(runner_lock(runs_dir).path)
    return QueueState(waiting_runs(runs_dir), queue.is_paused(), runner, _held(runs_dir), damaged)


def _held(runs_dir: Path) -> list[Held]:
    found = []
    for slot in slots.taken():
        holder = slot.holder()
        if holder is None:
            found.append(Held(slot.name, "a process that left no word of itself", here=False))
            continue
        look = observe(RunFolder(holder.folder))
        claim = look.status
        phase = "starting" if look.phase == "queued" else look.phase
        here = holder.folder.parent == runs_dir.resolve()
        left = claim.eta_seconds if look.is_live else None
        found.append(Held(slot.name, holder.folder.name, here, phase, claim.step, claim.max_steps, left))
    return found


def move(runs_dir: Path, names: Sequence[str], where: str, told: Telling) -> None:
    """Put waiting runs "up", "down", "first" or "last"; several keep their order among each other."""
    order = [one.entry.run for one in waiting_runs(runs_dir)]
    chosen = sorted((name for name in names if name in order), key=order.index)
    if not chosen:
        told.refuse(f"{', '.join(names[:3])}: nothing of this waits")
    for name in reversed(chosen) if where in ("first", "down") else chosen:
        try:
            place = order.index(name) + 1
            wanted = {"up": str(max(place - 1, 1)), "down": str(min(place + 1, len(order)))}.get(where, where)
            run, position, count = changes.move(runs_dir, name, wanted, None)
        except CraftError as error:
            told.refuse(str(error))
            continue
        order = [one.entry.run for one in waiting_runs(runs_dir)]
        told.say(f"{run} is number {position} of {count} that wait")


def hold(runs_dir: Path, told: Telling) -> None:
    """Start nothing any more; what trains goes on."""
    try:
        now = "is paused" if changes.pause(runs_dir) else "was paused already"
    except (CraftError, OSError) as error:
        told.refuse(f"the queue was not paused: {error}")
        return
    told.say(f"the queue {now}: nothing is started; what trains goes on")


def go(runs_dir: Path, told: Telling) -> None:
    """Start what waits again."""
    try:
        was_paused = changes.go(runs_dir)
    except OSError as error:
        told.refuse(f"the queue is paused still: {error}")
        return
    told.say("the queue goes on" if was_paused else "the queue was not paused")


def after(runs_dir: Path, name: str, others: Sequence[str], told: Telling, *, whatever: bool = False) -> None:
    """Let a waiting run begin only after others; after none: when a slot is free."""
    try:
        run = changes.wait_for(runs_dir, name, [RunFolder(runs_dir / other) for other in others], whatever=whatever)
    except CraftError as error:
        told.refuse(str(error))
        return
    ended = "ended, however that is" if whatever else "finished"
    has = "has" if len(others) == 1 else "have"
    told.say(f"{run} begins when {' and '.join(others)} {has} {ended}" if others else f"{run} waits for a slot only")


def after_any_end(runs_dir: Path, name: str, others: Sequence[str], told: Telling) -> None:
    """The same, also where one of the others fails or is stopped."""
    after(runs_dir, name, others, told, whatever=True)


def set_slots(runs_dir: Path, number: int, told: Telling) -> None:
    """How many may train on the CPU at once while those that wait now do."""
    try:
        count = changes.set_slots(runs_dir, number)
    except CraftError as error:
        told.refuse(str(error))
        return
    told.say(f"{count} that wait for the CPU: at most {number} at once")
