"""Changes of a queue as a person asks for them: checked, made under its lock, and a runner started where it helps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from craft.errors import RunError, UsageError
from craft.launch.queue import slots
from craft.launch.queue.dispatch import Waiting, ensure_runner, hold_queue, waiting_runs
from craft.launch.queue.entries import Entry, Queue
from craft.launch.queue.waits import waits_for
from craft.runs.folder import RunFolder
from craft.runs.store import RunStore

PLACES = ("first", "last", "before", "after")


def find_waiting(runs_dir: Path, name: str) -> str:
    """The waiting run that a name means; an experiment's name means its newest one that waits.

    Raises RunError for one that does not wait, UnknownRunError for no run at all.
    """
    waiting = [one.entry.run for one in waiting_runs(runs_dir)]
    if name in waiting:
        return name
    of_experiment = [run for run in waiting if re.fullmatch(rf"{re.escape(name)}-\d{{3,}}", run)]
    if of_experiment:
        return max(of_experiment, key=lambda run: (len(run), run))
    folder = RunStore(runs_dir).find(name)
    if folder.name in waiting and folder.path.parent.resolve() == runs_dir.resolve():
        return folder.name
    raise RunError(f"{folder.name} does not wait in the queue of {runs_dir}; {_who_waits(waiting)}")


def _who_waits(waiting: Sequence[str]) -> str:
    if not waiting:
        return "nothing waits there"
    more = f" and {len(waiting) - 5} more" if len(waiting) > 5 else ""
    return f"there wait {', '.join(waiting[:5])}{more}"


def move(runs_dir: Path, name: str, where: str, other: str | None) -> tuple[str, int, int]:
    """Put a waiting run elsewhere: `where` is one of PLACES, with `other` for the last two, or a number from 1.

    Returns its name, its new number and how many wait. Raises UsageError for a place that there is not.
    """
    run = find_waiting(runs_dir, name)
    beside = _beside(runs_dir, run, where, other)
    queue = Queue(runs_dir)
    with hold_queue(queue):
        known = [one.entry.run for one in _require(runs_dir, run)]
        others = [waiting for waiting in known if waiting != run]
        if beside is not None and beside not in others:
            raise RunError(f"{beside} has just begun, so nothing can be put beside it")
        place = _place(where, beside, others, len(known))
        # Entries of runs that have begun may still lie in front: places are counted among those that wait.
        files = [entry.run for entry in queue.entries() if entry.run != run]
        queue.move(run, files.index(others[place]) if place < len(others) else len(files))
    return run, place + 1, len(known)


def _beside(runs_dir: Path, run: str, where: str, other: str | None) -> str | None:
    if where in ("before", "after"):
        if other is None:
            raise UsageError(f"'{where}' needs the name of another waiting run")
        beside = find_waiting(runs_dir, other)
        if beside == run:
            raise UsageError(f"{run} cannot be put {where} itself")
        return beside
    if other is not None:
        raise UsageError(f"'{where}' takes no other run; 'before {other}' and 'after {other}' do")
    if where not in PLACES and not where.isdecimal():
        raise UsageError(f"'{where}' is no place: first, last, before RUN, after RUN, or a number from 1")
    return None


def _place(where: str, beside: str | None, others: Sequence[str], count: int) -> int:
    """How many of the others are to be before it."""
    if beside is not None:
        return others.index(beside) + (where == "after")
    if where in PLACES:
        return 0 if where == "first" else len(others)
    number = int(where[:9])
    if not 1 <= number <= count:
        raise UsageError(f"{number} is no place: {count} {'runs wait' if count != 1 else 'run waits'}")
    return number - 1


def wait_for(runs_dir: Path, name: str, others: Sequence[RunFolder], *, whatever: bool = False) -> str:
    """Let a waiting run begin only after others ended, instead of those it waited for; none: let it begin.

    Returns its name. Raises UsageError where that would never end.
    """
    run = find_waiting(runs_dir, name)
    queue = Queue(runs_dir)
    with hold_queue(queue):
        _require(runs_dir, run)
        entries = queue.entries()
        after = waits_for(runs_dir, run, others, entries, whatever=whatever)
        queue.change(replace(_entry(entries, run), after=after))
    ensure_runner(runs_dir)
    return run


def set_slots(runs_dir: Path, number: int) -> int:
    """How many may train on the CPU at once while one of those that wait now does; returns how many were told."""
    queue = Queue(runs_dir)
    with hold_queue(queue):
        waiting = [one.entry for one in waiting_runs(runs_dir) if one.state != "starting"]
        told = [entry for entry in waiting if slots.kind_of(entry.device, entry.visible) == "cpu"]
        for entry in told:
            if entry.cpu_slots != number:
                queue.change(replace(entry, cpu_slots=number))
    ensure_runner(runs_dir)
    return len(told)


def pause(runs_dir: Path) -> bool:
    """Start nothing any more; False when it was paused already. What trains goes on."""
    if not runs_dir.is_dir():
        raise RunError(f"{runs_dir}: no such folder, so there is no queue to pause")
    queue = Queue(runs_dir)
    with hold_queue(queue):  # from when this returns, nobody is just about to start one
        was_paused = queue.is_paused()
        if not was_paused:
            queue.pause()
    return not was_paused


def go(runs_dir: Path) -> bool:
    """Start what waits again; False when the queue was not paused."""
    was_paused = Queue(runs_dir).go()
    ensure_runner(runs_dir)
    return was_paused


def _require(runs_dir: Path, run: str) -> list[Waiting]:
    """Who waits, now that the queue is held. Raises RunError when `run` is not among them any more."""
    waiting = waiting_runs(runs_dir)
    own = next((one for one in waiting if one.entry.run == run), None)
    if own is None or own.state == "starting":
        raise RunError(f"{run} has just begun; it does not wait any more")
    return waiting


def _entry(entries: Sequence[Entry], run: str) -> Entry:
    return next(entry for entry in entries if entry.run == run)
