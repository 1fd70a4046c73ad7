"""Ten thousand runs: from the first frame until they are listed, and how soon the cursor moves among them then."""

from __future__ import annotations

import statistics
from pathlib import Path

from benchmarks.run_store import make_folder
from benchmarks.workbench.terminal import Program, verdict, workbench
from tests.workbench.runs import make_project

RUNS = 10_000
ASKED_SECONDS, ASKED_MILLISECONDS = 1.0, 50


def measure(place: Path, rounds: int = 3) -> bool:
    """Whether ten thousand runs are usable in time; the page cache is warm from the second start on."""
    file = make_project(place)
    (place / "runs").mkdir()
    for number in range(RUNS):
        make_folder(place / "runs" / f"exp-{number:05d}", number)
    listed, keys = [], []
    for number in range(rounds + 1):
        program = Program(workbench(file))
        try:
            first = program.until(b"transformer")
            taken = program.until(f"{RUNS:,} runs".encode()) - first
            program.read_for(2)
            if number:
                listed.append(taken)
                keys += [program.answered(b"j", "\u258c".encode()) for _ in range(30)]
        finally:
            program.close()
    seconds = statistics.median(listed)
    late = 1000 * statistics.quantiles(keys, n=20)[-1]
    held = verdict("10,000 runs listed", f"{seconds:.2f} s", f"{ASKED_SECONDS:g} s", seconds < ASKED_SECONDS)
    return verdict("a key among them, p95", f"{late:.0f} ms", f"{ASKED_MILLISECONDS} ms", late < 50) and held
