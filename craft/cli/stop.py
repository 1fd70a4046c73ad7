"""`craft stop`: end runs from outside."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from craft.cli.asking import Asking, is_picked
from craft.cli.common import find_runs, group_option, runs_argument, runs_dir_option
from craft.text import clean

if TYPE_CHECKING:
    from craft.runs.folder import RunFolder


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
            _say(f"{one.folder.name} is out of the queue")
        elif one.what == "refused":
            refused.append(one.reason)
        else:
            asked.append(one.folder)
    for reason in refused:
        _say(f"craft: {reason}")
    for folder in asked:
        _say(f"{folder.name} finishes its step and saves; 'craft kill {folder.name}' ends it at once")
    _wait_for_ends(asked)
    return _status(len(refused), len(folders), picked=is_picked(names, group))


def kill_all(folders: Sequence[RunFolder], names: Sequence[str], group: str | None) -> int:
    """Kill those that train, take those that wait out of the queue, and wait until all have ended."""
    from craft.launch.follow import look_at
    from craft.launch.queue import dispatch
    from craft.launch.workers import kill

    killed, failed = [], 0
    places = dict.fromkeys(folder.path.parent for folder in folders)
    gone = {waiting.path for place in places for waiting in dispatch.withdraw_all(place, _of(folders, place))}
    for folder in folders:
        dispatch.wait_while_starting(folder)
        if folder.path in gone or dispatch.withdraw(folder):
            _say(f"{folder.name} is out of the queue")
        elif kill(folder):
            killed.append(folder)
        else:
            look, failed = look_at(folder), failed + 1
            elsewhere = f"is trained by {look.status.host}: it can be killed only there"
            _say(f"craft: {folder.name} {elsewhere if look.is_live else f'is {look.phase}: nothing to kill'}")
    _wait_for_ends(killed)
    return _status(failed, len(folders), picked=is_picked(names, group))


def _discard(folders: Sequence[RunFolder], names: Sequence[str], group: str | None) -> int:
    from craft.launch.queue import dispatch

    asking = Asking("stop", "stop", lambda _, answer: str(answer.event.get("text")))
    gone = set()
    for place in dict.fromkeys(folder.path.parent for folder in folders):
        for folder in dispatch.withdraw_all(place, _of(folders, place)):
            gone.add(folder.path)
            _say(f"{folder.name} is out of the queue")
    asking.done = len(gone)
    asking.ask([folder for folder in folders if folder.path not in gone], save=False, reason="asked to stop")
    return asking.status(picked=is_picked(names, group))


def _of(folders: Sequence[RunFolder], place: Path) -> list[RunFolder]:
    return [folder for folder in folders if folder.path.parent == place]


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
                _say(f"{folder.name} killed; 'craft resume {folder.name}' {on}")
            else:
                where = f"saved at step {saved[-1].step}" if saved else "with nothing saved"
                _say(f"{folder.name} {look.phase}, {where}")
        if left:
            time.sleep(0.05)


def _status(failed: int, of: int, *, picked: bool) -> int:
    return 2 if failed and not (picked and failed < of) else 0


def _say(words: str) -> None:
    sys.stderr.write(f"{clean(words)}\n")
