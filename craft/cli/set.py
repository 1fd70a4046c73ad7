"""`craft set`: change a run while it trains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from craft.cli.asking import asking_for, exit_status, is_picked, no_wait_option
from craft.cli.common import complete_run, find_runs, group_option, runs_dir_option

if TYPE_CHECKING:
    from craft.runs.asking import Answer
    from craft.runs.folder import RunFolder


@click.command("set")
@click.argument("words", nargs=-1, metavar="RUN ... path=value ...", shell_complete=complete_run)
@group_option
@no_wait_option
@runs_dir_option
def set_(words: tuple[str, ...], group: str | None, no_wait: bool, runs_dir: Path | None) -> int:
    """Change the learning rate or the cadence of runs that train, from their next step on.

    The run saves first, and what changed is recorded in its folder. These can change: the plain numbers of
    [optimizer], such as optimizer.lr and optimizer.weight_decay; training.log_every, training.eval_every and
    training.grad_clip; checkpoint.every and checkpoint.keep; callbacks.NAME.every. The rest changes by 'craft stop'
    and 'craft resume RUN path=value', or by 'craft fork'.

    \b
    craft set small-001 optimizer.lr=0.005
    craft set --group lr training.log_every=50 checkpoint.every=500
    """
    from craft.errors import CraftError, UsageError
    from craft.launch.going_on.live import plan_live_change

    names = tuple(word for word in words if "=" not in word)
    settings = [word for word in words if "=" in word]
    if not settings:
        raise UsageError("say what to change, such as optimizer.lr=0.005")

    def tell(folder: RunFolder, answer: Answer) -> str:
        saved = "" if answer.event.get("kind") == "answered" else f"saved at step {answer.step}; "
        return f"{saved}{answer.event.get('text')}"

    asking = asking_for("set", "change", tell, wait=not no_wait)
    picked = is_picked(names, group)
    wanted = {}
    folders = find_runs(names, group, runs_dir)
    for folder in folders:
        try:
            wanted[folder] = {"values": plan_live_change(folder, settings)}
        except CraftError as error:
            if not picked and len(folders) == 1:
                raise
            asking.refuse(str(error))
    asking.ask_each(wanted)
    return exit_status(asking, picked=picked)
