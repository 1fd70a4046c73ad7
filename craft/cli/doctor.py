"""`craft doctor`: is this machine fit to train on, and are its runs in order."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from craft.cli.common import json_option, print_json, read_loosely, runs_dir_of, runs_dir_option

if TYPE_CHECKING:
    from craft.cli.terminal import Screen
    from craft.launch.doctor import Finding

_COLORS = {"ok": "green", "warning": "yellow", "fault": "red", "fixed": "cyan"}
_STATE, _CHECK = 9, 11  # columns


@click.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--fix", is_flag=True, help="Put right what safely can be, and say what was done.")
@click.option("--measure", is_flag=True, help="Measure the speed of matrix products anew.")
@runs_dir_option
@json_option
def doctor(file: Path | None, fix: bool, measure: bool, runs_dir: Path | None, as_json: bool) -> int:
    """Check this machine and the runs, say what is wrong and what to do.

    FILE: an experiments file, whose runs are looked at. The exit status is 1 when a fault remains.
    """
    from craft.cli.terminal import Screen
    from craft.launch.doctor import Patient, examine

    place = _runs_of(file) if file is not None and runs_dir is None else runs_dir_of(runs_dir)
    screen = Screen(sys.stdout)
    seen = []
    for finding in examine(Patient(place, measure), fix=fix):
        seen.append(finding)
        if as_json:
            print_json(
                {
                    "check": finding.check,
                    "state": finding.state,
                    "text": finding.text,
                    "advice": finding.advice or None,
                    "repairable": finding.repair is not None,
                    "details": dict(finding.details),
                }
            )
        else:
            for line in _lines(finding, screen):
                sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    sys.stderr.write(_summary(seen, fix))
    return 1 if any(finding.state == "fault" for finding in seen) else 0


def _runs_of(file: Path) -> Path:
    project = read_loosely(file).get("project")
    named = project.get("runs_dir") if isinstance(project, dict) else None
    return file.absolute().parent / (named if isinstance(named, str) and named else "runs")


def _lines(finding: Finding, screen: Screen) -> Iterable[str]:
    from craft.text import clean_line

    head = screen.paint(f"{finding.state:<{_STATE}}", _COLORS[finding.state]) + f"{finding.check:<{_CHECK}}"
    blank, room = " " * (_STATE + _CHECK), max(30, screen.width - _STATE - _CHECK)
    ascii_only = not screen.unicode
    told = [("", clean_line(finding.text, ascii_only=ascii_only))]
    if finding.advice:
        told.append(("-> ", clean_line(finding.advice, ascii_only=ascii_only)))
    first = True
    for mark, text in told:
        for number, line in enumerate(textwrap.wrap(text, room - len(mark), break_on_hyphens=False) or [""]):
            yield f"{head if first else blank}{mark if number == 0 else ' ' * len(mark)}{line}"
            first = False


def _summary(seen: list[Finding], fix: bool) -> str:
    from craft.launch.doctor.finding import plural

    counts = {state: sum(finding.state == state for finding in seen) for state in _COLORS}
    parts = [plural(counts["fault"], "fault"), plural(counts["warning"], "warning")]
    text = " and ".join(parts) if counts["fault"] or counts["warning"] else "all is well"
    if fix:
        text += f"; {plural(counts['fixed'], 'thing')} put right"
    elif repairable := sum(finding.repair is not None for finding in seen):
        text += f"; 'craft doctor --fix' puts {repairable} of them right"
    return text + "\n"
