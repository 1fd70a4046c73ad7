"""`craft checkpoint`: let a run that trains save now."""

from __future__ import annotations

from pathlib import Path

import click

from craft.cli.asking import asking_for, exit_status, is_picked, no_wait_option
from craft.cli.common import find_runs, group_option, runs_argument, runs_dir_option


@click.command()
@runs_argument()
@group_option
@no_wait_option
@runs_dir_option
def checkpoint(names: tuple[str, ...], group: str | None, no_wait: bool, runs_dir: Path | None) -> int:
    """Let runs that train save at the end of their step, and go on."""
    asking = asking_for("checkpoint", "save", lambda _, answer: f"saved at step {answer.step}", wait=not no_wait)
    asking.ask(find_runs(names, group, runs_dir))
    return exit_status(asking, picked=is_picked(names, group))
