"""`craft watch`: look on while a run trains."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from craft.cli.common import find_run, run_argument, runs_dir_option, shown_path


@click.command()
@run_argument()
@runs_dir_option
def watch(name: str, runs_dir: Path | None) -> int:
    """Follow a run with its curves until it ends. Ctrl-C ends the watching and leaves the run alone."""
    from craft.cli.following import Following
    from craft.cli.terminal import Screen

    folder = find_run(name, runs_dir)
    screen = Screen(sys.stdout)
    screen.line(f"{screen.paint(folder.name, 'bold')}  {shown_path(folder.path)}")
    following = Following([folder], screen, owns=False, plot_moving=True, only_new=True)
    (run,) = following.follow()
    if following.interrupted:
        if screen.live:
            screen.line(run.narrator.plot())
        screen.line(run.narrator.standing())
        screen.line(f"it goes on; 'craft stop {folder.name}' would stop it", "dim")
        return 0
    run.narrator.tell_end()
    return 1 if run.phase in ("failed", "interrupted") else 0
