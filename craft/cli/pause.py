"""`craft pause` and `craft continue`: let a run stand still where it is, and go on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from craft.cli.asking import asking_for, exit_status, is_picked, no_wait_option
from craft.cli.common import find_runs, group_option, runs_argument, runs_dir_option

if TYPE_CHECKING:
    from craft.runs.asking import Answer
    from craft.runs.folder import RunFolder
    from craft.runs.liveness import Observed


@click.command()
@runs_argument()
@group_option
@no_wait_option
@runs_dir_option
def pause(names: tuple[str, ...], group: str | None, no_wait: bool, runs_dir: Path | None) -> int:
    """Let runs stand still at the end of their step, saved, until 'craft continue'.

    A paused run keeps its memory and its slot, and its clock stands still. It can be sampled, measured, changed and
    stopped meanwhile. 'craft stop' frees the slot too, and 'craft resume' goes on from there to the same bits.
    """

    def is_paused(look: Observed) -> str:
        return f"is paused already, at step {look.status.step}" if look.phase == "paused" else ""

    def tell(folder: RunFolder, answer: Answer) -> str:
        saved = "saved" if answer.event.get("saved") else f"not saved: {answer.event.get('fault')}"
        return f"paused at step {answer.step}, {saved}"

    asking = asking_for("pause", "pause", tell, wait=not no_wait, why_not=is_paused)
    asking.ask(find_runs(names, group, runs_dir))
    return exit_status(asking, picked=is_picked(names, group))


@click.command("continue")
@runs_argument()
@group_option
@no_wait_option
@runs_dir_option
def continue_(names: tuple[str, ...], group: str | None, no_wait: bool, runs_dir: Path | None) -> int:
    """Let paused runs go on, from the very state in which they stand."""

    def tell(folder: RunFolder, answer: Answer) -> str:
        from craft.analysis.numbers import format_duration

        seconds = answer.event.get("paused_seconds")
        after = f" after {format_duration(seconds)}" if isinstance(seconds, int | float) else ""
        return f"goes on from step {answer.step}{after}"

    asking = asking_for("continue", "go on", tell, wait=not no_wait)
    asking.ask(find_runs(names, group, runs_dir))
    return exit_status(asking, picked=is_picked(names, group))
