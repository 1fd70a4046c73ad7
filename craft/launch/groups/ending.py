"""The ends of several runs: killed at once, ended without saving, and waited for until each has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from craft.errors import CraftError, RunError
from craft.launch import workers
from craft.launch.follow import ENDS, look_at
from craft.launch.groups.asking import Asking
from craft.launch.groups.several import end_if_it_hangs, withdraw_each
from craft.launch.queue.dispatch import withdraw
from craft.runs.checkpoints import list_checkpoints
from craft.runs.folder import RunFolder

WITHDRAWN = "is out of the queue"
HUNG = "is out of the queue: its worker hung before it began, and is killed"
ELSEWHERE = "was asked to stop through its folder: it ends once its worker on {host} takes that"
_PATIENCE = 2.0  # seconds that a worker that was just started is given to take its run over
_LOOK_EVERY = 0.05


def kill_all(
    folders: Sequence[RunFolder],
    *,
    say: Callable[[str], None],
    refuse: Callable[[str], None],
) -> tuple[list[RunFolder], int]:
    """Kill those that train, and take those that wait out of the queue: those that were killed, and how many not."""
    killed, failed = [], 0
    gone, faults = withdraw_each(folders)
    deadline = time.monotonic() + _PATIENCE
    for folder in folders:
        if folder.path in gone:
            say(f"{folder.name} {WITHDRAWN}")
            continue
        try:
            if words := _end_at_once(folder, deadline, faults.get(folder.path)):
                say(f"{folder.name} {words}")
            else:
                killed.append(folder)
        except CraftError as error:  # it does not keep the others
            failed += 1
            refuse(str(error))
    return killed, failed


def _end_at_once(folder: RunFolder, deadline: float, fault: CraftError | None) -> str:
    """Kill a run; in words, what became of one that had not begun. Raises CraftError, `fault` if there is one."""
    if fault is None:
        if end_if_it_hangs(folder, deadline):
            return HUNG
        if withdraw(folder):
            return WITHDRAWN
    if workers.kill(folder):
        return ""
    if fault is not None:
        raise fault
    look = look_at(folder)
    elsewhere = f"is trained by {look.status.host}: it can be killed only there"
    raise RunError(f"{folder.name} {elsewhere if look.is_live else f'is {look.phase}: nothing to kill'}")


def discard_all(folders: Sequence[RunFolder], asking: Asking, say: Callable[[str], None]) -> None:
    """Let runs leave at the end of their step without saving, as `asking` tells; what waits leaves the queue."""
    gone, faults = withdraw_each(folders)
    deadline = time.monotonic() + _PATIENCE
    left = []
    for folder in folders:
        if folder.path in gone:
            say(f"{folder.name} {WITHDRAWN}")
        elif folder.path in faults and not look_at(folder).is_live:
            asking.refuse(str(faults[folder.path]))
        elif end_if_it_hangs(folder, deadline):
            gone.add(folder.path)
            say(f"{folder.name} {HUNG}")
        else:
            left.append(folder)
    asking.done = len(gone)
    asking.ask(left, save=False, reason="asked to stop")


def wait_for_ends(
    folders: Sequence[RunFolder], say: Callable[[str], None], cancelled: Callable[[], bool] = lambda: False
) -> None:
    """Say of each run, as it ends, how it ended and what is saved."""
    left = list(folders)
    while left and not cancelled():
        for folder in list(left):
            look = look_at(folder)
            if look.phase not in ENDS or look.held:
                continue
            left.remove(folder)
            saved = list_checkpoints(folder)
            if look.phase == "interrupted":
                on = f"goes on from step {saved[-1].step}" if saved else "begins anew"
                say(f"{folder.name} killed; 'craft resume {folder.name}' {on}")
            else:
                where = f"saved at step {saved[-1].step}" if saved else "with nothing saved"
                say(f"{folder.name} {look.phase}, {where}")
        if left:
            time.sleep(_LOOK_EVERY)
