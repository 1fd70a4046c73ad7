"""Ten thousand runs: from the first frame until they are listed, and how soon the cursor moves among them then."""

from __future__ import annotations

import statistics
from pathlib import Path

from benchmarks.run_store import make_folder
from benchmarks.workbench_parts.live import in_time
from benchmarks.workbench_parts.terminal import Program, verdict, workbench
from tests.workbench.runs import make_project

RUNS = 10_000
ASKED_SECONDS = 1.0


def measure(place: Path, rounds: int = 3) -> bool:
    """Whether ten thousand runs are usable in time; the page cache is warm from the second start on."""
    file = make_project(place)
    (place / "runs").mkdir()
    for number in range(RUNS):
        make_folder(place / "runs" / f"exp-{number:05d}", number)
    listed, busy, keys = [], [], []
    for number in range(rounds + 1):
        program = Program(workbench(file))
        try:
            first, cpu_first = program.until(b"transformer"), program.cpu_seconds()
            taken = program.until(f"{RUNS:,} runs".encode()) - first
            cpu = program.cpu_seconds() - cpu_first
            program.read_for(2)
            if number:
                listed.append(taken)
                busy.append(cpu)
                keys += [program.answered(b"j", "\u258c".encode()) for _ in range(30)]
        finally:
            program.close()
    seconds = statistics.median(listed)
    found = f"{seconds:.2f} s after the first frame ({statistics.median(busy):.2f} s of a processor)"
    held = verdict("10,000 runs listed", found, f"{ASKED_SECONDS:g} s", seconds < ASKED_SECONDS)
    return in_time("a key among them", keys) and held
