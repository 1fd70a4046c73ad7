"""How much a run is slowed down by being watched: a real one trains all the time, and the workbench on it, which
redraws once a second while nobody touches a key, goes on and stands still in turns. Twenty pairs of equal times, whose
order changes from pair to pair, so that what the machine does besides meets both; the figure is the mean of the pairs'
ratios with its interval of 95 %.

What a pair compares are the optimizer steps of each half, by the times that the run itself recorded. A workbench that
stands still (SIGSTOP) takes no processor time; so a half needs no start, which would take more than the watching.
"""

from __future__ import annotations

import json
import math
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.workbench_parts.terminal import CURVE, Program, verdict, workbench

ASKED = 0.01
PAIRS = 20
_T_95 = 2.093  # Student's t for 19 degrees of freedom
_WARM_UP = 20.0  # seconds of training before the first pair
_UNTOUCHED = 7.0  # seconds until the workbench takes it that nobody is there
_SETTLE = 1.5  # seconds after a turn that belong to neither half
_SYNCHRONISED, _DRAWN = b"\x1b[?2026;2$y", b"\x1b[?2026h"
"""What a terminal answers that shows each drawing at once, and what then comes before each."""
_FILE = """craft = 1
[defaults.data]
type = "python_stdlib"
context_length = 64
val_fraction = 0.001
[experiment.watched]
model = { type = "transformer", num_layers = 4, num_heads = 4, hidden_size = 128 }
optimizer = { type = "adamw", lr = 1e-3 }
training = { max_steps = 1000000, batch_size = 12, log_every = 5, eval_every = 0 }
checkpoint = { every = 1000000 }
"""


def measure(place: Path, seconds: float = 8.0, *, attended: bool = False) -> bool:
    """Whether training is slowed down by less than a hundredth. `seconds`: of each half of a pair; `attended`: the
    mouse moves, so that the workbench looks twice a second."""
    file = place / "experiments.toml"
    file.write_text(_FILE)
    craft = [sys.executable, "-c", "from craft.cli import main; main()"]
    subprocess.run([*craft, "run", str(file), "--detach"], check=True, cwd=place, stdout=subprocess.DEVNULL)
    folder = place / "runs" / "watched-001"
    try:
        _wait_for(folder / "metrics.jsonl", 100)
        program = Program(workbench(file))
        try:
            program.until(CURVE)
            program.press(_SYNCHRONISED)
            program.read_for(max(_WARM_UP, _UNTOUCHED))
            pairs = [
                _Pair(program, folder, seconds, first_watched=bool(number % 2), attended=attended)
                for number in range(PAIRS)
            ]
        finally:
            program.close()
    finally:
        subprocess.run([*craft, "kill", str(folder)], check=False, cwd=place, stdout=subprocess.DEVNULL)
    slowed = [1 - pair.speeds[True] / pair.speeds[False] for pair in pairs]
    mean = statistics.mean(slowed)
    half = _T_95 * statistics.stdev(slowed) / math.sqrt(PAIRS)
    drawn = sum(pair.redraws for pair in pairs) / (PAIRS * seconds)
    busy = 1000 * sum(pair.cpu for pair in pairs) / (PAIRS * seconds)
    print(f"it redrew {drawn:.2f} times a second, and took {busy:.1f} ms of a processor for a second")
    print(f"unwatched: {statistics.mean(pair.speeds[False] for pair in pairs):.1f} steps/s on {os.cpu_count()} cores")
    found = f"{mean:.2%} slower, interval {mean - half:.2%} to {mean + half:.2%}, {PAIRS} pairs"
    return verdict("training while watched", found, f"under {ASKED:.0%}", mean < ASKED)


class _Pair:
    """Two halves, one watched, one not."""

    def __init__(self, program: Program, folder: Path, seconds: float, *, first_watched: bool, attended: bool) -> None:
        self.speeds: dict[bool, float] = {}
        """Steps a second of training, by whether it was watched."""
        self.cpu = 0.0
        """Seconds of a processor that watching took."""
        self.redraws = 0
        for watched in (first_watched, not first_watched):
            os.kill(program.pid, signal.SIGCONT if watched else signal.SIGSTOP)
            look = program.attend if attended and watched else program.read_for
            look(_SETTLE)
            program.written = b""  # to add to what is long takes time too
            before, cpu = _last(folder), program.cpu_seconds()
            look(seconds)
            after = _last(folder)
            self.speeds[watched] = (after[0] - before[0]) / (after[1] - before[1])
            self.cpu += program.cpu_seconds() - cpu
            self.redraws += program.written.count(_DRAWN)


def _last(folder: Path) -> tuple[float, float]:
    """Step and seconds of training of the newest whole record."""
    with (folder / "metrics.jsonl").open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
        lines = file.read().rpartition(b"\n")[0].split(b"\n")
    record = next(record for line in reversed(lines) if "train/loss" in (record := json.loads(line)))
    return record["step"], record["time"]


def _wait_for(log: Path, records: int) -> None:
    """Wait until the run has begun in earnest."""
    deadline = time.monotonic() + 300
    while not log.exists() or log.read_bytes().count(b"train/loss") < records:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{log} does not grow")
        time.sleep(0.2)
