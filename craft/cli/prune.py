"""`craft prune`: keep of each ended run its best checkpoint and its newest, and clear away what crashes left."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from craft.cli.common import (
    complete_run,
    find_runs,
    group_option,
    json_option,
    look_after_queue,
    print_json,
    runs_dir_of,
    runs_dir_option,
    say,
)
from craft.cli.confirm import confirm, yes_option

if TYPE_CHECKING:
    from craft.launch.doomed import Looked
    from craft.runs.retention import Tidying

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def _seconds(ctx: click.Context, param: click.Parameter, text: str | None) -> float | None:
    """A number and a unit: 45m, 12h, 30d, 2w."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)([mhdw])", text.strip())
    if found is None:
        raise click.BadParameter(f"'{text}' is no age; write a number and m, h, d or w: 12h, 30d, 2w")
    return float(found[1]) * _UNITS[found[2]]


@click.command()
@click.argument("names", nargs=-1, metavar="[RUN ...]", shell_complete=complete_run)
@group_option
@click.option("--keep", type=click.IntRange(1), default=1, show_default=True, metavar="N", help="Newest ones to keep.")
@click.option("--older-than", callback=_seconds, metavar="AGE", help="Only runs that ended so long ago: 12h, 30d, 2w.")
@click.option("--dry-run", is_flag=True, help="Show what would go; delete nothing.")
@yes_option
@runs_dir_option
@json_option
def prune(
    names: tuple[str, ...],
    group: str | None,
    keep: int,
    older_than: float | None,
    dry_run: bool,
    yes: bool,
    runs_dir: Path | None,
    as_json: bool,
) -> int:
    """Delete older checkpoints of runs that have ended; the best one and the newest stay.

    Of all runs, or of those that are named. Half-made checkpoints, temporary files of dead processes and half-deleted
    runs go as well. Shows first what becomes free, and asks. Runs that train or wait are left alone.
    """
    from craft.errors import CraftError
    from craft.launch.doomed import look_over
    from craft.launch.remove import clear_strays, leanings, prune_run, strays
    from craft.runs.store import RunStore

    place = runs_dir_of(runs_dir)
    chosen = bool(names) or group is not None
    folders = find_runs(names, group, runs_dir) if chosen else RunStore(place).folders()
    places = {folder.path.parent for folder in folders} | {place}
    look_after_queue(place)
    wanted = {one: leanings(one) for one in places}
    steps = {folder.path: wanted[folder.path.parent].steps(folder) for folder in folders}
    looked = [look_over(folder, keep, older_than, steps[folder.path]) for folder in folders]
    doing = [one for one in looked if one.plan and not one.plan.is_empty]
    dead = [path for one in places for path in strays(one)]
    _show(looked, doing, dead, chosen=chosen, as_json=as_json, dry_run=dry_run)
    if dry_run or not (doing or dead):
        return 0
    if count := sum(len(one.plan.goes) for one in doing if one.plan):  # what crashes left is free to go
        runs = sum(bool(one.plan and one.plan.goes) for one in doing)
        confirm(f"Delete {_count(count, 'checkpoint')} of {_count(runs, 'run')} for good?", yes=yes)
    problems = [problem for one in places for problem in clear_strays(one)]
    for one in doing:
        assert one.plan is not None
        try:
            prune_run(one.plan, keep, steps[one.folder.path])
        except CraftError as error:
            problems.append(str(error))
    for problem in problems:
        say(f"craft: {problem}")
    say(f"tidied up{_left(place)}")
    return 2 if problems else 0


def _show(
    looked: list[Looked], doing: list[Looked], dead: list[Path], *, chosen: bool, as_json: bool, dry_run: bool
) -> None:
    """What goes by run, what that frees, and what is left alone."""
    from craft.analysis.numbers import format_bytes
    from craft.runs.disk import disk_use, together

    left_alone = [one for one in looked if one.why_not]
    freed = together([*(one.plan.use for one in doing if one.plan), *map(disk_use, dead)]).freed
    if as_json:
        for one in looked:
            print_json(_record(one, dry_run=dry_run))
        print_json({"kind": "all", "frees": freed, "strays": [str(path) for path in dead], "dry_run": dry_run})
    elif doing:
        _print_table(doing)
    if chosen:
        for one in left_alone:
            say(f"left alone: {one.why_not}")
    elif left_alone:
        others = "1 run that trains, waits" if len(left_alone) == 1 else f"{len(left_alone)} runs that train, wait"
        say(f"left alone: {others}, ended too recently or cannot be read")
    if not doing and not dead:
        say("there is nothing to tidy up")
        return
    left = f", with {_count(len(dead), 'thing')} that crashes left beside the runs" if dead else ""
    say(f"{format_bytes(freed)} {'would become' if dry_run else 'to become'} free{left}")


def _record(one: Looked, *, dry_run: bool) -> dict[str, Any]:
    plan = one.plan
    return {
        "kind": "run",
        "run": one.folder.name,
        "path": str(one.folder.path),
        "phase": one.phase,
        "left_alone": one.why_not or None,
        "keeps": [{"step": step, "why": why} for step, why in plan.keeps.items()] if plan else None,
        "removes": [info.step for info in plan.goes] if plan else [],
        "leftovers": [str(path) for path in plan.leftovers] if plan else [],
        "frees": one.freed,
        "dry_run": dry_run,
    }


def _print_table(doing: list[Looked]) -> None:
    import shutil

    from craft.analysis.numbers import format_age, format_bytes
    from craft.cli.table import Column, render_table
    from craft.text import shows_unicode

    plans = [one.plan for one in doing if one.plan]
    columns = [
        Column("RUN", [one.folder.name for one in doing], align="left"),
        Column("PHASE", [one.phase for one in doing], rank=2, align="left"),
        Column("ENDED", [format_age(one.age) for one in doing], rank=3),
        Column("KEEPS", [_kept(plan) for plan in plans], rank=1, align="left"),
        Column("LOSES", [_lost(plan) for plan in plans], align="left"),
        Column("FREES", [format_bytes(one.freed) for one in doing]),
    ]
    width = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else None
    for line in render_table(columns, width, ascii_only=not shows_unicode(sys.stdout)):
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _kept(plan: Tidying) -> str:
    """The steps that stay, and why where it is not for being the newest."""
    words = [f"{step}" if why == "newest" else f"{step} {why}" for step, why in plan.keeps.items()]
    return ", ".join(words) or "-"


def _lost(plan: Tidying) -> str:
    words = [_count(len(plan.goes), "checkpoint")] if plan.goes else []
    words += [_count(len(plan.leftovers), "leftover")] if plan.leftovers else []
    return ", ".join(words)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _left(place: Path) -> str:
    from craft.analysis.numbers import format_bytes
    from craft.runs.disk import free_space

    free = free_space(place)
    return f"; {format_bytes(free)} are free now" if free is not None else ""
