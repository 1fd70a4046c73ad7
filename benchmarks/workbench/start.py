"""Process start to the first frame that names the file's experiments, in turns with an empty Textual app, and memory
once the curve of a run was drawn."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from benchmarks.workbench.terminal import Program, verdict, workbench
from tests.workbench.runs import make_project, make_run

ASKED_RATIO, ASKED_MEGABYTES = 1.8, 80
_EMPTY_APP = """\
from textual.app import App, ComposeResult
from textual.widgets import Static

class Empty(App[None]):
    def compose(self) -> ComposeResult:
        yield Static("transformer")

Empty().run()
"""


def measure(place: Path, rounds: int = 15) -> bool:
    """Whether start and memory hold."""
    file = make_project(place)
    empty = place / "empty.py"
    empty.write_text(_EMPTY_APP)
    ours, theirs = [], []
    for number in range(rounds + 1):
        taken = _first_frame([sys.executable, str(empty)]), _first_frame(workbench(file))
        if number:  # the first round warms the files
            theirs.append(taken[0])
            ours.append(taken[1])
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(f"empty Textual app, first frame   {1000 * statistics.median(theirs):6.0f} ms")
    print(f"workbench, experiments named     {1000 * statistics.median(ours):6.0f} ms")
    held = verdict("start", f"{ratio:.2f} times", f"{ASKED_RATIO} times", ratio <= ASKED_RATIO)
    for seed in range(4):
        make_run(place / "runs", seed=seed)
    program = Program(workbench(file))
    try:
        program.until(b"train ")
        program.read_for(3)
        memory = program.megabytes()
    finally:
        program.close()
    return verdict("memory", f"{memory:.0f} MB", f"under {ASKED_MEGABYTES} MB", memory < ASKED_MEGABYTES) and held


def _first_frame(words: list[str]) -> float:
    program = Program(words)
    try:
        return program.until(b"transformer")
    finally:
        program.close()
