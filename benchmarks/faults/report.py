"""docs/reliability.md, written from figures that docs/reliability.json keeps: a row at a time can be done anew."""

from __future__ import annotations

import json
import os
import platform as python_platform
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.faults.fault import Fault, Outcome
from craft import platform

DOCS = Path(__file__).parents[2] / "docs"
FIGURES, PAGE = DOCS / "reliability.json", DOCS / "reliability.md"

_HEAD = """\
# Reliability

What goes wrong on real machines, done on purpose and counted. `make faults` does all of it and writes this page
(`benchmarks/faults` has the code, a module a kind; `python -m benchmarks.faults NAME` does one); the tests do a tenth.
Real processes, real signals, real files and terminals, on {machine}. No power was cut: what a cut would leave is
replayed by `tests/runs/test_crash.py` from the writes that were not forced.

| what is done | what must hold | tried | held | the worst |
|---|---|---|---|---|
"""


def keep(fault: Fault, outcome: Outcome, seconds: float) -> None:
    """Keep the figures of one fault, in place of its earlier ones."""
    figures = _figures()
    figures[fault.name] = {
        "tried": outcome.tried,
        "held": outcome.held,
        "worst": outcome.worst,
        "broken": outcome.broken[:10],
        "impossible": outcome.impossible,
        "seconds": round(seconds, 1),
        "date": time.strftime("%Y-%m-%d"),
    }
    platform.write_file_durable(FIGURES, (json.dumps(figures, indent=1, sort_keys=True) + "\n").encode())


def write(faults: Sequence[Fault]) -> None:
    """Write the page."""
    figures = _figures()
    page = _HEAD.format(machine=machine())
    notes = []
    for fault in faults:
        known = figures.get(fault.name)
        if known is None:
            page += _row(fault, "not done yet", "", "")
            continue
        if known.get("impossible"):
            page += _row(fault, f"not possible here: {known['impossible']}", "", "")
            continue
        page += _row(fault, f"{known['tried']:,}", f"{known['held']:,}", known["worst"])
        notes.append(f"- `{fault.name}`: {known['date']}, {known['seconds']:.0f} s.")
        notes += [f"  - did not hold: {one}" for one in known["broken"]]
    page += "\nWhen each was done, and how long it took:\n\n" + "\n".join(notes) + "\n"
    platform.write_file_atomic(PAGE, page.encode())


def machine() -> str:
    """Where the figures come from."""
    system = {"Darwin": "macOS"}.get(python_platform.system(), python_platform.system())
    python = ".".join(python_platform.python_version_tuple()[:2])
    return f"{os.cpu_count()} cores of {system}, Python {python}, torch {metadata.version('torch')}"


def _row(fault: Fault, *figures: str) -> str:
    cells = [cell.replace("|", "\\|").replace("\n", " ") for cell in (fault.what, fault.promise, *figures)]
    return f"| {' | '.join(cells)} |\n"


def _figures() -> dict[str, Any]:
    try:
        figures = json.loads(FIGURES.read_bytes())
    except FileNotFoundError:
        return {}
    assert isinstance(figures, dict)
    return figures
