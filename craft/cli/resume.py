"""`craft resume`: go on with a run from its newest checkpoint."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from craft.cli.common import find_run, json_option, print_json, run_argument, runs_dir_option

if TYPE_CHECKING:
    from craft.launch.dispatch import Started
    from craft.launch.resume import Resumption


@click.command()
@run_argument()
@click.argument("overrides", nargs=-1, metavar="[path=value ...]")
@click.option("--detach", is_flag=True, help="Return as soon as it is queued.")
@click.option("--force", is_flag=True, help="Also when another machine claims to train it.")
@click.option(
    "--slots", type=click.IntRange(1, 1024), default=1, show_default=True, metavar="N", help="As for craft run."
)
@runs_dir_option
@json_option
def resume(
    name: str,
    overrides: tuple[str, ...],
    detach: bool,
    force: bool,
    slots: int,
    runs_dir: Path | None,
    as_json: bool,
) -> int:
    """Go on with a run from its newest whole checkpoint, or train it longer.

    \b
    craft resume small-001                           after a stop, a crash or a kill
    craft resume small-001 training.max_steps=2000   longer; it says what that does to the schedule
    """
    from craft.cli.run import follow_to_end
    from craft.launch.dispatch import ensure_runner
    from craft.launch.resume import plan_resume
    from craft.launch.resume import resume as go_on

    folder = find_run(name, runs_dir)
    plan = plan_resume(folder, overrides, force=force)

    def start() -> Started | None:
        started = go_on(plan, cpu_slots=slots)
        if started is None:
            ensure_runner(folder.path.parent)
        _tell(plan, as_json)
        return started

    if detach:
        start()
        return 0
    return follow_to_end([folder], start, as_json, only_new=True)


def _tell(plan: Resumption, as_json: bool) -> None:
    """Where it goes on, what is changed, and what that means."""
    from craft.text import clean

    name = plan.folder.name
    where = f"from step {plan.step}" if plan.step is not None else "from the beginning: it has no checkpoint"
    changes = [f"{path}: {before} -> {after}" for path, (before, after) in plan.changes.items()]
    for line in (f"{name} goes on {where}", *(f"  {line}" for line in [*changes, *plan.remarks])):
        sys.stderr.write(clean(line) + "\n")
    if as_json:
        pairs = {path: list(pair) for path, pair in plan.changes.items()}
        print_json({"kind": "resume", "run": name, "step": plan.step, "changes": pairs, "remarks": plan.remarks})
