"""A run of a million records: from the program's start until its whole curve is on the screen, with and without the
index, and the most memory that took."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.long_curve import write_log
from benchmarks.workbench_parts.terminal import CURVE, Program, verdict, workbench
from craft.runs.metrics_index import NAME, IndexWriter
from tests.workbench.runs import make_project, make_run

RECORDS = 1_000_000
ASKED_SECONDS = {True: 1.0, False: 5.0}
ASKED_MEGABYTES = 120


def measure(place: Path, rounds: int = 3) -> bool:
    """Whether a million points are shown in time."""
    file = make_project(place)
    folder = make_run(place / "runs", step=10, max_steps=RECORDS)
    write_log(folder.metrics, RECORDS)
    held = True
    for indexed in (False, True):
        if indexed:
            writer = IndexWriter(folder.metrics)
            writer.extend(folder.metrics.stat().st_size)
            writer.close()
        else:
            folder.metrics.with_name(NAME).unlink(missing_ok=True)
        found = sorted(_until_drawn(file) for _ in range(rounds))
        seconds, cpu, megabytes = found[len(found) // 2]
        words = "with" if indexed else "without"
        held &= verdict(
            f"a million points {words} the index",
            f"{seconds:.2f} s after the first frame ({cpu:.2f} s of a processor), {megabytes:.0f} MB",
            f"under {ASKED_SECONDS[indexed]:g} s and {ASKED_MEGABYTES} MB",
            seconds < ASKED_SECONDS[indexed] and megabytes < ASKED_MEGABYTES,
        )
    return held


def _until_drawn(file: Path) -> tuple[float, float, float]:
    """Seconds, seconds of a processor, and megabytes."""
    program = Program(workbench(file))
    try:
        first, cpu_first = program.until(b"transformer"), program.cpu_seconds()
        drawn, cpu = program.until(CURVE), program.cpu_seconds()
        time.sleep(0.2)
        return drawn - first, cpu - cpu_first, program.most_megabytes()
    finally:
        program.close()
