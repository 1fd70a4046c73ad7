"""`craft kill`: end runs at once."""

from __future__ import annotations

from pathlib import Path

import click

from craft.cli.common import find_runs, group_option, runs_argument, runs_dir_option
from craft.cli.stop import kill_all


@click.command()
@runs_argument()
@group_option
@runs_dir_option
def kill(names: tuple[str, ...], group: str | None, runs_dir: Path | None) -> int:
    """End runs at once, with all their processes, saving nothing; what waits is taken out of the queue.

    What came after the last checkpoint is lost; 'craft resume' goes on from there. 'craft stop' saves first.
    """
    return kill_all(find_runs(names, group, runs_dir), names, group)
