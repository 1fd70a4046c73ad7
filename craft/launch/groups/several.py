"""Several runs at once: a sweep stopped so that none of its waiting runs moves up, what failed going on again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from craft.errors import CraftError, RunError
from craft.launch import workers
from craft.launch.follow import look_at
from craft.launch.going_on.resume import Resumption, plan_resume, resume
from craft.launch.queue.dispatch import (
    end_starting,
    ensure_runner,
    wait_while_starting,
    why_queued,
    withdraw,
    withdraw_all,
)
from craft.runs.folder import RunFolder
from craft.runs.liveness import host_elsewhere, was_killed
from craft.runs.status import read_status
from craft.runs.store import RunStore, RunSummary

BROKEN = ("failed", "interrupted")
_PATIENCE = 20.0  # seconds that the workers that were just started are given to take their runs over


@dataclass(frozen=True)
class Stopped:
    """What became of the wish that a run stops."""

    folder: RunFolder
    what: Literal["withdrawn", "hung", "asked", "refused"]
    """It left the queue; its worker hung before it began, and was killed; it was asked to save and leave; none."""
    reason: str = ""
    """Why it was refused."""
    host: str = ""
    """The other machine whose worker was asked, through the folder; only that can end it."""


def stop_all(folders: Sequence[RunFolder]) -> list[Stopped]:
    """Stop runs, of whatever folders: those that wait leave the queue before any of those that train is asked.

    So no slot that becomes free is taken by one of them. One that cannot be stopped does not keep the others.
    """
    withdrawn, faults = withdraw_each(folders)
    deadline = time.monotonic() + _PATIENCE
    stopped = []
    for folder in folders:
        if folder.path in withdrawn:
            stopped.append(Stopped(folder, "withdrawn"))
        else:
            stopped.append(_stop_begun(folder, deadline, faults.get(folder.path)))
    return stopped


def withdraw_each(folders: Sequence[RunFolder]) -> tuple[set[Path], dict[Path, RunError]]:
    """Take those that wait out of the queues of their folders; the paths of these, and why others could not be.

    Of the others some may train: where a queue is locked by a process that hangs, nobody knows.
    """
    withdrawn: set[Path] = set()
    faults: dict[Path, RunError] = {}
    for runs_dir in dict.fromkeys(folder.path.parent for folder in folders):
        mine = [folder for folder in folders if folder.path.parent == runs_dir]
        try:
            withdrawn |= {folder.path for folder in withdraw_all(runs_dir, mine, faults)}
        except RunError as error:
            faults |= {folder.path: error for folder in mine}
    return withdrawn, faults


def end_if_it_hangs(folder: RunFolder, deadline: float) -> bool:
    """Kill a run's worker that has not taken the run over by `deadline`, of the monotonic clock; whether it was."""
    return not wait_while_starting(folder, deadline - time.monotonic()) and end_starting(folder)


def _stop_begun(folder: RunFolder, deadline: float, fault: RunError | None) -> Stopped:
    try:
        if fault is None and end_if_it_hangs(folder, deadline):
            return Stopped(folder, "hung")
        if fault is None and withdraw(folder):  # its worker died on the way, and it would be started again
            return Stopped(folder, "withdrawn")
        workers.ask_to_stop(folder)
    except RunError as error:
        return Stopped(folder, "refused", str(fault or error))
    return Stopped(folder, "asked", host=host_elsewhere(folder, read_status(folder)) or "")


def broken_runs(folders: Iterable[RunFolder], runs_dir: Path) -> list[RunFolder]:
    """Those of some runs of a folder that failed or were interrupted, in the order given."""
    reasons = why_queued(runs_dir)
    return [folder for folder in folders if look_at(folder, reasons=reasons).phase in BROKEN]


def may_go_on(run: RunSummary) -> bool:
    """Whether a run that broke off is let go on among others: none that a person killed, or that lost its identity."""
    return not run.is_robbed and not was_killed(run.status)


def all_broken_runs(runs_dir: Path) -> list[RunFolder]:
    """Every run of a folder that failed or was interrupted, the oldest first; not those that a person killed, and
    not those that have lost their `run.json`."""
    runs = RunStore(runs_dir).list()
    return broken_runs((run.folder for run in runs if may_go_on(run)), runs_dir)


def plan_retry(folders: Iterable[RunFolder]) -> tuple[list[Resumption], list[tuple[RunFolder, CraftError]]]:
    """How each run would go on from its newest checkpoint, and which cannot, with the reason. Changes nothing."""
    plans, refused = [], []
    for folder in folders:
        try:
            plans.append(plan_resume(folder, ()))
        except CraftError as error:
            refused.append((folder, error))
    return plans, refused


def retry(plans: Sequence[Resumption], *, cpu_slots: int | None = None) -> list[tuple[RunFolder, CraftError]]:
    """Queue runs so that they go on; returns those that another command was quicker with, or the disk refused."""
    refused: list[tuple[RunFolder, CraftError]] = []
    for plan in plans:
        try:
            resume(plan, cpu_slots=cpu_slots)
        except CraftError as error:
            refused.append((plan.folder, error))
        except OSError as error:
            refused.append((plan.folder, RunError(f"{plan.folder.name}: {error.strerror}: {error.filename}")))
    for runs_dir in dict.fromkeys(plan.folder.path.parent for plan in plans):
        ensure_runner(runs_dir)
    return refused
