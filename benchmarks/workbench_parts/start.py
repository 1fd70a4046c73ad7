"""Process start to the first frame that names the file's experiments, in turns with an empty Textual app: with the runs
first, and with the experiments, where the last session ended there. Then memory, once the curve of a run was drawn.

Beside the time that passed stands the processor time, which other programs on the machine disturb less.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from benchmarks.workbench_parts.terminal import CURVE, Program, verdict, workbench
from tests.workbench.runs import make_project, make_run
from workbench import memory

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
    taken: dict[str, list[tuple[float, float]]] = {"": [], "runs": [], "experiments": []}
    for number in range(rounds + 1):
        for name, found in taken.items():
            if name:
                session = memory.of_project(file)
                session.set("place", name)
                session.flush()
            figures = _first_frame(workbench(file) if name else [sys.executable, str(empty)])
            if number:  # the first round warms the files
                found.append(figures)
    held = True
    base, base_cpu = _middle(taken.pop(""))
    print(f"empty Textual app, first frame: {1000 * base:.0f} ms, {1000 * base_cpu:.0f} ms of a processor")
    for name, found in taken.items():
        seconds, cpu = _middle(found)
        words = f"{seconds / base:.2f} times ({1000 * seconds:.0f} ms); of processor time {cpu / base_cpu:.2f}"
        fast = seconds / base <= ASKED_RATIO
        held &= verdict(f"start, {name} first, experiments named", words, f"{ASKED_RATIO} times", fast)
    session.set("place", "runs")
    session.flush()
    for seed in range(4):
        make_run(place / "runs", seed=seed)
    program = Program(workbench(file))
    try:
        program.until(CURVE)
        program.read_for(3)
        megabytes = program.megabytes()
    finally:
        program.close()
    small = megabytes < ASKED_MEGABYTES
    return verdict("memory, a curve drawn", f"{megabytes:.0f} MB", f"under {ASKED_MEGABYTES} MB", small) and held


def _first_frame(words: list[str]) -> tuple[float, float]:
    """Seconds, and seconds of a processor."""
    program = Program(words)
    try:
        return program.until(b"transformer"), program.cpu_seconds()
    finally:
        program.close()


def _middle(found: list[tuple[float, float]]) -> tuple[float, float]:
    """The median of what passed, and the mean of processor times, which come in hundredths."""
    return statistics.median(passed for passed, _ in found), statistics.mean(cpu for _, cpu in found)
