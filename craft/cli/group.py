"""`craft group`: sweeps, each as one thing: how far it is, what came out, which run is the best."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from craft.cli.common import (
    complete_group,
    json_option,
    look_after_queue,
    print_json,
    runs_dir_of,
    runs_dir_option,
    shown_path,
)

if TYPE_CHECKING:
    from craft.cli.table import Column
    from craft.launch.groups.summary import Member, Summary

_PHASES = ("running", "queued", "finished", "stopped", "failed", "interrupted")


@click.command()
@click.argument("name", required=False, metavar="[NAME]", shell_complete=complete_group)
@runs_dir_option
@json_option
def group(name: str | None, runs_dir: Path | None, as_json: bool) -> int:
    """List the groups that sweeps made; or sum up one: each run, each point over its seeds, and the best.

    \b
    craft group lr                    one of them
    craft stop --group lr             what waits leaves the queue first
    craft resume --group lr           what has not come to its end goes on
    craft queue retry --group lr      only what failed or was interrupted
    """
    from craft.launch.groups.summary import summarize
    from craft.runs.groups import read_group

    place = runs_dir_of(runs_dir)
    look_after_queue(place)
    if name is None:
        return _list(place, as_json)
    summary = summarize(read_group(place, name))
    if as_json:
        _print(summary)
    else:
        _tell(summary)
    return 0


def _list(place: Path, as_json: bool) -> int:
    """All groups; the exit status is 2 when the file of one is damaged."""
    from craft.errors import RunError
    from craft.launch.groups.summary import summarize
    from craft.launch.queue.dispatch import why_queued
    from craft.runs.groups import group_names, read_group
    from craft.text import clean

    reasons, found, damaged = why_queued(place), [], 0
    for name in group_names(place):
        try:
            found.append(summarize(read_group(place, name), reasons))
        except RunError as error:
            damaged = 2
            sys.stderr.write(f"craft: {clean(str(error))}\n")
    found.sort(key=lambda one: (one.group.created, one.group.name))
    if as_json:
        for one in found:
            print_json(_record(one))
    elif found:
        _write(_group_columns(found))
    elif not damaged:
        sys.stderr.write(f"no groups in {shown_path(place)}; an experiment with a sweep makes one\n")
    return damaged


def _group_columns(found: list[Summary]) -> list[Column]:
    from craft.analysis.numbers import format_age, format_duration, format_loss
    from craft.cli.table import Column

    now = time.time()
    shown = {phase: [_count(one, phase) for one in found] for phase in _PHASES}
    return [
        Column("GROUP", [one.group.name for one in found], align="left"),
        Column("RUNS", [str(len(one.members)) for one in found]),
        *(Column(phase.upper(), cells, rank=2 + n) for n, (phase, cells) in enumerate(shown.items())),
        Column("BEST", [format_loss(one.best.best if one.best else None) for one in found], rank=1),
        Column("LEFT", [format_duration(one.left_seconds) for one in found], rank=9),
        Column("AGE", [format_age(now - one.group.created if one.group.created else None) for one in found], rank=10),
    ]


def _count(one: Summary, phase: str) -> str:
    """How many are in a phase; everything that a worker is at counts as running."""
    if phase == "running":
        return str(sum(member.observed.is_live for member in one.members) or "-")
    return str(one.phases.get(phase) or "-")


def _record(one: Summary) -> dict[str, Any]:
    return {
        "kind": "group",
        "group": one.group.name,
        "runs": len(one.members),
        "gone": one.gone,
        "phases": one.phases,
        "monitor": one.monitor,
        "mode": one.mode,
        "best_run": one.best.folder.name if one.best else None,
        "best": one.best.best if one.best else None,
        "left_seconds": one.left_seconds,
        "created": one.group.created or None,
        "source": one.group.source,
    }


def _print(one: Summary) -> None:
    print_json(_record(one))
    for member in one.members:
        status = member.observed.status
        print_json(
            {
                "kind": "run",
                "run": member.folder.name,
                "path": str(member.folder.path),
                "axes": member.axes,
                "moved": member.moved,
                "phase": member.observed.phase,
                "reason": member.observed.reason,
                "step": status.step,
                "max_steps": status.max_steps,
                "best": member.best,
                "best_step": status.best_step,
                "val/loss": status.val_loss,
                "eta_seconds": status.eta_seconds if member.observed.is_live else None,
            }
        )
    for point in one.points:
        print_json(
            {
                "kind": "point",
                "axes": point.axes,
                "runs": point.runs,
                "finished": point.finished,
                "mean": point.mean,
                "spread": point.spread,
                "best": point.best,
            }
        )


def _tell(one: Summary) -> None:
    from craft.analysis.numbers import format_duration, format_loss
    from craft.launch.groups.summary import SEED
    from craft.text import clean_line

    say = sys.stdout.write
    phases = ", ".join(f"{count} {phase}" for phase, count in sorted(one.phases.items()))
    gone = f", {len(one.gone)} removed since" if one.gone else ""
    say(clean_line(f"{one.group.name}: {len(one.members)} runs: {phases or 'none is there any more'}{gone}") + "\n")
    if one.left_seconds is not None:
        say(f"left: about {format_duration(one.left_seconds)}, at as many at once as now\n")
    if not one.members:
        return
    say("\n")
    _write(_member_columns(one.members, one.best, one.monitor))
    if one.has_seeds:
        axes = [path for path in _paths(one.members) if path != SEED]
        say(f"\nover the seeds, of finished runs: the best {one.monitor}\n")
        _write(
            [
                *_axis_columns(axes, [point.axes for point in one.points], "POINT"),
                _column("RUNS", [f"{point.finished}/{point.runs}" for point in one.points], 0),
                _column("MEAN", [format_loss(point.mean) for point in one.points], 0),
                _column("SD", [format_loss(point.spread) for point in one.points], 1),
                _column("BEST", [format_loss(point.best) for point in one.points], 2),
            ]
        )
    for member in one.members:
        if member.moved:
            moved = " ".join(f"{path}={_shown(value)}" for path, value in member.moved.items())
            say(
                clean_line(f"\n{member.folder.name} goes on with {moved} since, and counts for no point").strip() + "\n"
            )
    if one.best is not None:
        at = one.best.observed.status.best_step
        where = f" at step {at}" if at is not None else ""
        settings = "  ".join(f"{path}={_shown(value)}" for path, value in {**one.best.axes, **one.best.moved}.items())
        so_far = "" if one.best.observed.phase == "finished" else f", which is {one.best.observed.phase}"
        best = f"best: {one.best.folder.name}{so_far}: {one.monitor} {format_loss(one.best.best)}{where}"
        say("\n" + clean_line(f"{best}  {settings}".rstrip()) + "\n")


def _member_columns(members: list[Member], best: Member | None, monitor: str) -> list[Column]:
    from craft.analysis.numbers import format_loss

    claims = [member.observed.status for member in members]
    marks = ["*" if member is best else " " for member in members]
    figures = [format_loss(member.best) for member in members]
    return [
        _column("RUN", [member.folder.name for member in members], 0, left=True),
        *_axis_columns(_paths(members), [member.axes for member in members], None),
        _column("PHASE", [member.observed.phase for member in members], 0, left=True),
        _column("STEP", [f"{c.step}/{c.max_steps}" if c.max_steps else "-" for c in claims], 3),
        _column(f"BEST {monitor}", [f"{figure}{mark}" for figure, mark in zip(figures, marks, strict=True)], 1),
    ]


def _paths(members: list[Member]) -> list[str]:
    """The paths in which a group's runs differ, in order of first appearance."""
    return list(dict.fromkeys(path for member in members for path in member.axes))


def _axis_columns(paths: list[str], rows: list[dict[str, Any]], first: str | None) -> list[Column]:
    """A column a path, headed by the last of its parts that tells it from the others. `first`: where there is none."""
    if not paths and first is not None:
        return [_column(first, ["all" for _ in rows], 0, left=True)]
    lasts = [path.rpartition(".")[2] for path in paths]
    heads = [last if lasts.count(last) == 1 else path for path, last in zip(paths, lasts, strict=True)]
    cells = [[_shown(row[path]) if path in row else "-" for row in rows] for path in paths]
    ranks = [0 if first is not None and n == 0 else 2 for n in range(len(paths))]
    return [
        _column(head, cell, rank, left=n == 0 and first is not None)
        for n, (head, cell, rank) in enumerate(zip(heads, cells, ranks, strict=True))
    ]


def _column(heading: str, cells: list[str], rank: int, *, left: bool = False) -> Column:
    from craft.cli.table import Column

    return Column(heading, cells, rank=rank, align="left" if left else "right")


def _shown(value: Any) -> str:
    """A setting as a person would write it."""
    import json

    return value if isinstance(value, str) else json.dumps(value)


def _write(columns: list[Column]) -> None:
    from craft.cli.table import render_table
    from craft.text import shows_unicode

    width = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else None
    for line in render_table(columns, width, ascii_only=not shows_unicode(sys.stdout)):
        sys.stdout.write(f"{line}\n")
