"""`craft stop`: end runs from outside."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from craft.cli.asking import Asking, is_picked
from craft.cli.common import find_runs, group_option, runs_argument, runs_dir_option, say

if TYPE_CHECKING:
    from craft.errors import CraftError
    from craft.runs.folder import RunFolder

_HUNG = "is out of the queue: its worker hung before it began, and is killed"
_KILL_PATIENCE = 2.0  # seconds that a worker that was just started is given to take its run over


@click.command()
@runs_argument()
@group_option
@click.option("--discard", is_flag=True, help="Leave at the end of the step without saving.")
@click.option("--now", is_flag=True, help="Kill it: what came after the last checkpoint is lost.")
@runs_dir_option
def stop(names: tuple[str, ...], group: str | None, discard: bool, now: bool, runs_dir: Path | None) -> int:
    """Let runs finish their step, save and leave; what waits is taken out of the queue.

    Returns when they have ended. Ctrl-C ends the waiting only.
    """
    from craft.errors import UsageError
    from craft.launch.groups.several import stop_all

    if now and discard:
        raise UsageError("--now kills it, and so discards as well; give one of them")
    folders = find_runs(names, group, runs_dir)
    if now:
        return kill_all(folders, names, group)
    if discard:
        return _discard(folders, names, group)
    asked, refused = [], []
    for one in stop_all(folders):
        if one.what == "withdrawn":
            say(f"{one.folder.name} is out of the queue")
        elif one.what == "hung":
            say(f"{one.folder.name} {_HUNG}")
        elif one.what == "refused":
            refused.append(one.reason)
        else:
            asked.append(one.folder)
    for reason in refused:
        say(f"craft: {reason}")
    for folder in asked:
        say(f"{folder.name} finishes its step and saves; 'craft kill {folder.name}' ends it at once")
    _wait_for_ends(asked)
    return _status(len(refused), len(folders), picked=is_picked(names, group))


def kill_all(folders: Sequence[RunFolder], names: Sequence[str], group: str | None) -> int:
    """Kill those that train, take those that wait out of the queue, and wait until all have ended."""
    from craft.errors import CraftError
    from craft.launch.groups.several import withdraw_each

    killed, failed = [], 0
    gone, faults = withdraw_each(folders)
    deadline = time.monotonic() + _KILL_PATIENCE
    for folder in folders:
        if folder.path in gone:
            say(f"{folder.name} is out of the queue")
            continue
        try:
            if _kill(folder, deadline, faults.get(folder.path)):
                killed.append(folder)
        except CraftError as error:  # it does not keep the others
            failed += 1
            say(f"craft: {error}")
    _wait_for_ends(killed)
    return _status(failed, len(folders), picked=is_picked(names, group))


def _kill(folder: RunFolder, deadline: float, fault: CraftError | None) -> bool:
    """Kill a run; False when it had not begun, which is said. Raises CraftError, `fault` if there is one."""
    from craft.errors import RunError
    from craft.launch.follow import look_at
    from craft.launch.groups.several import end_if_it_hangs
    from craft.launch.queue.dispatch import withdraw
    from craft.launch.workers import kill

    if fault is None:
        if end_if_it_hangs(folder, deadline):
            say(f"{folder.name} {_HUNG}")
            return False
        if withdraw(folder):
            say(f"{folder.name} is out of the queue")
            return False
    if kill(folder):
        return True
    if fault is not None:
        raise fault
    look = look_at(folder)
    elsewhere = f"is trained by {look.status.host}: it can be killed only there"
    raise RunError(f"{folder.name} {elsewhere if look.is_live else f'is {look.phase}: nothing to kill'}")


def _discard(folders: Sequence[RunFolder], names: Sequence[str], group: str | None) -> int:
    from craft.launch.follow import look_at
    from craft.launch.groups.several import end_if_it_hangs, withdraw_each

    asking = Asking("stop", "stop", lambda _, answer: str(answer.event.get("text")))
    gone, faults = withdraw_each(folders)
    deadline = time.monotonic() + _KILL_PATIENCE
    left = []
    for folder in folders:
        if folder.path in gone:
            say(f"{folder.name} is out of the queue")
        elif folder.path in faults and not look_at(folder).is_live:
            asking.refuse(str(faults[folder.path]))
        elif end_if_it_hangs(folder, deadline):
            gone.add(folder.path)
            say(f"{folder.name} {_HUNG}")
        else:
            left.append(folder)
    asking.done = len(gone)
    asking.ask(left, save=False, reason="asked to stop")
    return asking.status(picked=is_picked(names, group))


def _wait_for_ends(folders: Sequence[RunFolder]) -> None:
    """Say of each run, as it ends, how it ended and what is saved."""
    from craft.launch.follow import ENDS, look_at
    from craft.runs.checkpoints import list_checkpoints

    left = list(folders)
    while left:
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
            time.sleep(0.05)


def _status(failed: int, of: int, *, picked: bool) -> int:
    return 2 if failed and not (picked and failed < of) else 0
