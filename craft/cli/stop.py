"""`craft stop`: end a run from outside."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from craft.cli.common import find_run, run_argument, runs_dir_option

if TYPE_CHECKING:
    from craft.runs.folder import RunFolder


@click.command()
@run_argument()
@click.option("--now", is_flag=True, help="Kill it: what came after the last checkpoint is lost.")
@runs_dir_option
def stop(name: str, now: bool, runs_dir: Path | None) -> int:
    """Let a run finish its step, save and leave; a run that waits is taken out of the queue.

    Returns when it has ended. Ctrl-C ends the waiting only.
    """
    from craft.errors import RunError
    from craft.launch import dispatch
    from craft.launch.follow import look_at
    from craft.launch.workers import kill

    folder = find_run(name, runs_dir)
    if now:
        dispatch.wait_while_starting(folder)
        if kill(folder):
            return _wait_for_end(folder)
    if now and (look := look_at(folder)).is_live:
        raise RunError(f"{folder.name} is trained by {look.status.host}: it can be killed only there")
    if dispatch.stop(folder):
        sys.stderr.write(f"{folder.name} is out of the queue\n")
        return 0
    sys.stderr.write(f"{folder.name} finishes its step and saves; 'craft stop {folder.name} --now' kills it\n")
    return _wait_for_end(folder)


def _wait_for_end(folder: RunFolder) -> int:
    from craft.launch.follow import ENDS, look_at
    from craft.runs.checkpoints import list_checkpoints

    while (look := look_at(folder)).phase not in ENDS or look.held:
        time.sleep(0.05)
    saved = list_checkpoints(folder)
    where = f"saved at step {saved[-1].step}" if saved else "with nothing saved"
    sys.stderr.write(f"{folder.name} {look.phase}, {where}\n")
    return 0
