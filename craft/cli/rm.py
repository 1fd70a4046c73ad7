"""`craft rm`: delete runs, or single checkpoints, for good."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from craft.cli.common import find_runs, group_option, runs_argument, runs_dir_of, runs_dir_option, say
from craft.cli.confirm import confirm, yes_option

if TYPE_CHECKING:
    from craft.launch.doomed import Doomed
    from craft.runs.folder import RunFolder


@click.command()
@runs_argument()
@group_option
@yes_option
@runs_dir_option
def rm(names: tuple[str, ...], group: str | None, yes: bool, runs_dir: Path | None) -> int:
    """Delete runs with all that is in them, or with RUN@STEP one checkpoint, but never the best or the newest.

    Shows first what becomes free, and asks. A run that trains or waits is left alone.

    \b
    craft rm small-001 'lr-*'      two runs, or more
    craft rm small-001@300         the checkpoint of step 300
    """
    from craft.errors import CraftError
    from craft.launch import remove
    from craft.launch.doomed import doomed as measured

    failed = False

    def refuse(why: object) -> None:
        nonlocal failed
        failed = True
        say(f"craft: {why}")

    doomed: list[Doomed] = []
    for folder, step in _named(names, group, runs_dir):
        why = remove.why_not(folder) if step is None else remove.why_not_checkpoint(folder, step)
        if why:
            refuse(why)
        else:
            doomed.append(measured(folder, step))
    _finish_earlier(doomed, runs_dir)
    if not doomed:
        if not failed:
            say("craft: none of these runs is there any more")
        return 2
    _show(doomed)
    confirm(f"Delete {_counted(doomed)}, for good?", yes=yes)
    gone: list[Doomed] = []
    for one in doomed:
        try:
            one.delete()
            gone.append(one)
        except CraftError as error:
            refuse(error)
    if gone:
        say(f"deleted {_counted(gone)}{_left(gone[0].folder.path.parent)}")
    return 2 if failed else 0


def _named(names: tuple[str, ...], group: str | None, runs_dir: Path | None) -> list[tuple[RunFolder, int | None]]:
    """The runs, and the checkpoints of runs, that are named, each once. Raises CraftError before anything is done."""
    place = runs_dir_of(runs_dir)
    parsed = [_parsed(name, place) for name in names]
    whole = [run for run, step in parsed if step is None]
    runs: dict[Path, RunFolder] = {}
    if whole or group is not None or not names:
        runs = {folder.path: folder for folder in find_runs(whole, group, runs_dir)}
    single: dict[tuple[Path, int], RunFolder] = {}
    for run, step in parsed:
        if step is not None:
            single |= {(folder.path, step): folder for folder in find_runs([run], None, runs_dir)}
    return [
        *((folder, None) for folder in runs.values()),
        *((folder, step) for (path, step), folder in single.items() if path not in runs),
    ]


def _parsed(name: str, place: Path) -> tuple[str, int | None]:
    """The run that a name means, and the step of RUN@STEP. Raises UsageError for @best, @latest and for a link."""
    from craft.errors import UsageError

    run, at, which = name.rpartition("@")
    if not at or not run or os.sep in which or os.path.lexists(place / name):
        run, which = name, ""
    link = Path(run) if os.sep in run else place / run
    if os.path.islink(link):  # noqa: PTH114 - a name that is too long is none
        raise UsageError(
            f"{link} is a link to {link.resolve()}, and links are not followed: name the folder itself, or remove the "
            "link by hand"
        )
    if which in ("best", "latest"):
        raise UsageError(
            f"{name}: a run's best and newest checkpoints are not deleted alone; 'craft rm {run}' deletes all of it"
        )
    if which and not (which.isascii() and which.isdigit() and len(which) <= 18):
        raise UsageError(f"{name}: after the @ stands a step, such as {run}@100")
    return run, int(which) if which else None


def _show(doomed: list[Doomed]) -> None:
    """Each with phase, age, best figure and size, and who leans on it."""
    import shutil

    from craft.analysis.numbers import format_age, format_bytes, format_loss
    from craft.cli.table import Column, render_table
    from craft.launch.remove import Leanings, leanings
    from craft.runs.checkpoints import step_folder
    from craft.runs.manifest import read_manifest
    from craft.runs.store import RunStore
    from craft.text import shows_unicode

    now, rows = time.time(), []
    for one in doomed:
        summary = RunStore(one.folder.path.parent).summary(one.folder)
        if one.step is None:
            phase, made, best = summary.phase, summary.created, summary.best
        else:
            place = step_folder(one.folder, one.step)
            try:
                made, best = place.stat().st_mtime, read_manifest(place).monitor_value
                phase = "checkpoint"
            except (OSError, ValueError):
                made, best, phase = 0.0, None, "damaged"
        rows.append((one.name, phase, format_age(now - made if made else None), format_loss(best)))
    headings = ("RUN", "PHASE", "AGE", "BEST")
    columns = [
        Column(heading, [row[n] for row in rows], align="left" if n < 2 else "right", rank=(0, 1, 3, 2)[n])
        for n, heading in enumerate(headings)
    ]
    columns.append(Column("FREES", [format_bytes(one.use.freed) for one in doomed]))
    width = shutil.get_terminal_size((80, 24)).columns if sys.stderr.isatty() else None
    for line in render_table(columns, width, ascii_only=not shows_unicode(sys.stderr)):
        say(line)
    known: dict[Path, Leanings] = {}
    for one in doomed:
        runs_dir = one.folder.path.parent
        if runs_dir not in known:
            known[runs_dir] = leanings(runs_dir)
        for leaning in known[runs_dir].of(one.folder):
            if one.step is None or leaning.weights == str(one.step):
                say(f"{one.name}: {leaning}")


def _counted(doomed: list[Doomed]) -> str:
    """In words, how many and what becomes free; files that several share count once."""
    from craft.analysis.numbers import format_bytes
    from craft.runs.disk import together

    runs = sum(one.step is None for one in doomed)
    parts = [
        f"{count} {thing}{'s' if count > 1 else ''}"
        for count, thing in ((runs, "run"), (len(doomed) - runs, "checkpoint"))
        if count
    ]
    return f"{' and '.join(parts)}, {format_bytes(together(one.use for one in doomed).freed)}"


def _left(runs_dir: Path) -> str:
    from craft.analysis.numbers import format_bytes
    from craft.runs.disk import free_space

    free = free_space(runs_dir)
    return f"; {format_bytes(free)} are free now" if free is not None else ""


def _finish_earlier(doomed: list[Doomed], runs_dir: Path | None) -> None:
    """Delete what an earlier command that was killed left half deleted."""
    from craft.launch.remove import clear_strays

    for place in {runs_dir_of(runs_dir), *(one.folder.path.parent for one in doomed)}:
        for problem in clear_strays(place):
            say(f"craft: left of an earlier deletion: {problem}")
