"""`craft stop`: end runs from outside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from craft.cli.asking import asking_for, exit_status, is_picked, refused
from craft.cli.common import find_runs, group_option, runs_argument, runs_dir_option, say

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
    from craft.launch.groups.ending import ELSEWHERE, HUNG, WITHDRAWN, wait_for_ends
    from craft.launch.groups.several import stop_all

    if now and discard:
        raise UsageError("--now kills it, and so discards as well; give one of them")
    folders = find_runs(names, group, runs_dir)
    if now:
        return kill_all(folders, names, group)
    if discard:
        return _discard(folders, names, group)
    asked, reasons = [], []
    for one in stop_all(folders):
        if one.what in ("withdrawn", "hung"):
            say(f"{one.folder.name} {WITHDRAWN if one.what == 'withdrawn' else HUNG}")
        elif one.what == "refused":
            reasons.append(one.reason)
        else:
            asked.append(one)
    for reason in reasons:
        refused(reason)
    for one in asked:
        here = f"finishes its step and saves; 'craft kill {one.folder.name}' ends it at once"
        say(f"{one.folder.name} {ELSEWHERE.format(host=one.host) if one.host else here}")
    wait_for_ends([one.folder for one in asked], say)
    return _status(len(reasons), len(folders), picked=is_picked(names, group))


def kill_all(folders: Sequence[RunFolder], names: Sequence[str], group: str | None) -> int:
    """Kill those that train, take those that wait out of the queue, and wait until all have ended."""
    from craft.launch.groups import ending

    killed, failed = ending.kill_all(folders, say=say, refuse=refused)
    ending.wait_for_ends(killed, say)
    return _status(failed, len(folders), picked=is_picked(names, group))


def _discard(folders: Sequence[RunFolder], names: Sequence[str], group: str | None) -> int:
    from craft.launch.groups.ending import discard_all

    asking = asking_for("stop", "stop", lambda _, answer: str(answer.event.get("text")))
    discard_all(folders, asking, say)
    return exit_status(asking, picked=is_picked(names, group))


def _status(failed: int, of: int, *, picked: bool) -> int:
    return 2 if failed and not (picked and failed < of) else 0
