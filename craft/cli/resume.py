"""`craft resume`: go on with runs from their newest checkpoints."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from craft.cli.asking import is_picked
from craft.cli.common import (
    complete_run,
    find_runs,
    group_option,
    json_option,
    print_json,
    runs_dir_option,
    say_what_a_logout_ends,
)

if TYPE_CHECKING:
    from craft.launch.going_on.resume import Resumption
    from craft.launch.queue.dispatch import Started


@click.command()
@click.argument("words", nargs=-1, metavar="RUN ... [path=value ...]", shell_complete=complete_run)
@group_option
@click.option("--detach", is_flag=True, help="Return as soon as it is queued.")
@click.option("--force", is_flag=True, help="Also when another machine claims to train it.")
@click.option(
    "--slots", type=click.IntRange(1, 1024), metavar="N", help="As for craft run; else as when it was queued last."
)
@runs_dir_option
@json_option
def resume(
    words: tuple[str, ...],
    group: str | None,
    detach: bool,
    force: bool,
    slots: int | None,
    runs_dir: Path | None,
    as_json: bool,
) -> int:
    """Go on with runs from their newest whole checkpoints, or train them longer.

    Of a group or a pattern those go on that are stopped, failed or interrupted.

    \b
    craft resume small-001                           after a stop, a crash or a kill
    craft resume small-001 training.max_steps=2000   longer; it says what that does to the schedule
    craft resume --group lr                          what of a sweep has not come to its end
    """
    from craft.cli.run import follow_to_end
    from craft.errors import RunBusyError
    from craft.launch.going_on.resume import resume as go_on
    from craft.launch.queue.dispatch import ensure_runner

    names = [word for word in words if not _is_override(word)]
    plans = _plans(names, group, [word for word in words if _is_override(word)], runs_dir, force=force)

    def start() -> Started | None:
        began = None
        for plan in plans:
            try:
                started = go_on(plan, cpu_slots=slots)
            except RunBusyError as busy:  # another command was quicker with this one
                if len(plans) == 1:
                    raise
                sys.stderr.write(f"{busy}\n")
                continue
            began = began or started
            _tell(plan, as_json)
        for place in dict.fromkeys(plan.folder.path.parent for plan in plans):
            ensure_runner(place)
        return began

    if detach:
        start()
        say_what_a_logout_ends()
        return 0
    return follow_to_end([plan.folder for plan in plans], start, as_json, only_new=True)


def _is_override(word: str) -> bool:
    """Whether it is path=value, and not a run's folder with that sign in its path."""
    from craft.runs.folder import is_dir

    return "=" in word and not is_dir(Path(word))


def _plans(
    names: Sequence[str], group: str | None, overrides: Sequence[str], runs_dir: Path | None, *, force: bool
) -> list[Resumption]:
    """How each run would go on. One that is named must be able to; of those that were picked, the others are told."""
    from craft.errors import RunError
    from craft.launch.follow import look_at
    from craft.launch.going_on.resume import plan_resume
    from craft.text import clean

    named = [name for name in names if not is_picked([name], None)]
    folders = find_runs(names, group, runs_dir)
    must = {folder.path for folder in find_runs(named, None, runs_dir)} if named else set()
    plans, others = [], 0
    for folder in folders:
        try:
            plans.append(plan_resume(folder, overrides, force=force))
            if folder.path not in must and look_at(folder).phase == "queued":
                raise RunError(f"{plans.pop().folder.name} waits in the queue already")
        except RunError as error:
            if folder.path in must:
                raise
            others += 1
            sys.stderr.write(clean(f"{error}\n"))
    if not plans:
        raise RunError(f"none of {others} runs can go on")
    return plans


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
