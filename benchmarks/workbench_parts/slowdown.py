"""How much a run is slowed down by being watched: a real one trains all the time, and the workbench on it is opened and
closed in turns. Twenty pairs of equal times, with and without; the figure is the mean of the pairs' ratios with its
interval of 95 %.

What a pair compares are the optimizer steps of each half, by the times that the run itself recorded.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.workbench_parts.terminal import CURVE, Program, verdict, workbench

ASKED = 0.01
PAIRS = 20
_T_95 = 2.093  # Student's t for 19 degrees of freedom
_FILE = """craft = 1
[defaults.data]
type = "python_stdlib"
context_length = 64
[experiment.watched]
model = { type = "transformer", num_layers = 4, num_heads = 4, hidden_size = 128 }
optimizer = { type = "adamw", lr = 1e-3 }
training = { max_steps = 1000000, batch_size = 12, log_every = 5, eval_every = 0 }
checkpoint = { every = 1000000 }
"""


def measure(place: Path, seconds: float = 8.0, pairs: int = PAIRS) -> bool:
    """Whether training is slowed down by less than a hundredth. `seconds`: of each half of a pair."""
    file = place / "experiments.toml"
    file.write_text(_FILE)
    craft = [sys.executable, "-c", "from craft.cli import main; main()"]
    subprocess.run([*craft, "run", str(file), "--detach"], check=True, cwd=place, stdout=subprocess.DEVNULL)
    folder = place / "runs" / "watched-001"
    try:
        _wait_for(folder / "metrics.jsonl", 300)
        ratios = [_pair(file, folder, seconds, first_watched=bool(number % 2)) for number in range(pairs)]
    finally:
        subprocess.run([*craft, "kill", str(folder)], check=False, cwd=place, stdout=subprocess.DEVNULL)
    slowed = [1 - ratio for ratio in ratios]
    mean = statistics.mean(slowed)
    half = _T_95 * statistics.stdev(slowed) / math.sqrt(len(slowed)) if len(slowed) > 1 else math.inf
    found = f"{mean:.2%} slower, interval {mean - half:.2%} to {mean + half:.2%}, {len(ratios)} pairs"
    return verdict("training while watched", found, f"under {ASKED:.0%}", mean < ASKED)


def _pair(file: Path, folder: Path, seconds: float, *, first_watched: bool) -> float:
    """Speed while watched over speed while not."""
    speeds = {}
    for watched in (first_watched, not first_watched):
        program = Program(workbench(file)) if watched else None
        try:
            if program is not None:
                program.until(CURVE)  # what is measured is watching, not starting
                program.read_for(2)
            else:
                time.sleep(2)
            before = _last(folder)
            if program is not None:
                program.read_for(seconds)
            else:
                time.sleep(seconds)
            after = _last(folder)
        finally:
            if program is not None:
                program.close()
        speeds[watched] = (after[0] - before[0]) / (after[1] - before[1])
    return speeds[True] / speeds[False]


def _last(folder: Path) -> tuple[float, float]:
    """Step and seconds of training of the newest whole record."""
    with (folder / "metrics.jsonl").open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
        lines = file.read().rpartition(b"\n")[0].split(b"\n")
    record = next(record for line in reversed(lines) if "train/loss" in (record := json.loads(line)))
    return record["step"], record["time"]


def _wait_for(log: Path, records: int) -> None:
    """Wait until the run has warmed up."""
    deadline = time.monotonic() + 180
    while not log.exists() or log.read_bytes().count(b"train/loss") < records:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{log} does not grow")
        time.sleep(0.2)
