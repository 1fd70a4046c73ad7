"""docs/reliability.md, written from figures that docs/reliability.json keeps: a row at a time can be done anew."""

from __future__ import annotations

import json
import os
import platform as python_platform
import re
import subprocess
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.faults.fault import Fault, Outcome
from craft import platform

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FIGURES, PAGE = DOCS / "reliability.json", DOCS / "reliability.md"

_HEAD = """\
# Reliability

What goes wrong on real machines, done on purpose and counted. `make faults` does all of it and writes this page
(`benchmarks/faults` has the code, a module a kind; `python -m benchmarks.faults NAME` does one); the tests
do a twentieth.
Real processes, real signals, real files and terminals, on {machine}.
No power was cut: what a cut would leave is replayed by `tests/runs/test_crash.py` from the writes that were not forced.

| fault | tried | held | the worst |
|---|---|---|---|
"""


def keep(fault: Fault, outcome: Outcome, seconds: float) -> None:
    """Keep the figures of one fault, in place of its earlier ones."""
    figures = _figures()
    figures[fault.name] = {
        "tried": outcome.tried,
        "held": outcome.held,
        "worst": outcome.worst,
        "notes": outcome.notes,
        "broken": outcome.broken[:10],
        "hit": outcome.hit,
        "missed": outcome.missed,
        "impossible": outcome.impossible,
        "seconds": round(seconds, 1),
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
    }
    _write_figures(figures)


def _shortly(broken: str) -> str:
    """What did not hold as the page may say it: not page by page, and without where this machine has its files."""
    words = re.sub(r"(?<![\w.])/[\w.+-]+(/[\w.+-]+)+", lambda path: f".../{path[0].rpartition('/')[2]}", broken)
    return words if len(words) <= 300 else f"{words[:200]} ... {words[-90:]}"


def write(faults: Sequence[Fault]) -> None:
    """Write the page: a table, and what each of its rows means."""
    figures = _figures()
    page = _HEAD.format(machine=machine())
    page += "".join(_row(fault, figures.get(fault.name)) for fault in faults)
    page += "".join(_section(fault, figures.get(fault.name)) for fault in faults)
    platform.write_file_atomic(PAGE, page.encode())


def _row(fault: Fault, known: dict[str, Any] | None) -> str:
    if known is None:
        cells = ["", "", "not done yet"]
    elif known.get("impossible"):
        cells = ["", "", f"not possible here: {known['impossible']}"]
    else:
        cells = [f"{known['tried']:,}", f"{known['held']:,}", known["worst"]]
    return f"| [{fault.name}](#{fault.name}) | {' | '.join(_in_a_cell(cell) for cell in cells)} |\n"


def _in_a_cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _section(fault: Fault, known: dict[str, Any] | None) -> str:
    lines = [f"\n## {fault.name}\n", f"{_sentence(fault.what)}.\n", f"Must hold: {fault.promise}.\n"]
    if fault.stands_in:
        lines.append(f"What stands in: {fault.stands_in}.\n")
    if known is not None:
        if known.get("notes"):
            lines.append(f"{_sentence(known['notes'])}.\n")
        if known.get("hit") is not None:
            lines.append(f"{_came(known)}.\n")
        lines += [f"- Did not hold: {_in_a_cell(one)}" for one in known["broken"]] + [""] * bool(known["broken"])
        at = f" at {known['commit']}" if known.get("commit") else ""
        lines.append(f"Done on {known['date']}{at}, in {known['seconds']:.0f} s.\n")
    return "\n".join(lines)


def _came(known: dict[str, Any]) -> str:
    came = f"The fault was seen to come in {known['hit']:,} of the {known['tried']:,}"
    missed = known["missed"]
    return f"{came}; {missed:,} more in which it did not are not counted" if missed else came


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def commit() -> str:
    """What was measured: the commit, and whether something was changed since; nothing outside of a checkout."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "craft", "benchmarks", "tests", "workbench", "pyproject.toml")
        return git("rev-parse", "--short", "HEAD") + (" with changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def machine() -> str:
    """Where the figures come from."""
    system = {"Darwin": "macOS"}.get(python_platform.system(), python_platform.system())
    python = ".".join(python_platform.python_version_tuple()[:2])
    return f"{os.cpu_count()} cores of {system}, Python {python}, torch {metadata.version('torch')}"


def _write_figures(figures: dict[str, Any]) -> None:
    for known in figures.values():
        known["broken"] = [_shortly(one) for one in known["broken"]]
    platform.write_file_durable(FIGURES, (json.dumps(figures, indent=1, sort_keys=True) + "\n").encode())


def _figures() -> dict[str, Any]:
    try:
        figures = json.loads(FIGURES.read_bytes())
    except FileNotFoundError:
        return {}
    assert isinstance(figures, dict)
    return figures
