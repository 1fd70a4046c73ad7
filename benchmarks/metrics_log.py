"""What one metrics record costs, and how much of that is the system's write: under 20 microseconds is asked.

The log and a bare os.write of the same bytes take turns, a thousand records at a time, in the folder given (the
disk matters); figures are medians of the rounds, and of single records the 99th percentile.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from craft.runs.folder import RunFolder
from craft.runs.metrics import MetricsLog

ASKED_MICROSECONDS = 20.0
RECORD = {
    "step": 100,
    "time": 12.314159,
    "tokens": 76_800,
    "train/loss": 2.1345678901234567,
    "train/lr": 0.018765432109876543,
    "train/grad_norm": 0.7123456789012345,
    "train/tokens_per_second": 25_100.123456789,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--records", type=int, default=1000, help="records a round")
    parser.add_argument("--folder", type=Path, default=None, help="where to write; default: the temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as place:
        log = MetricsLog(RunFolder(Path(place)))
        log.append(RECORD)
        line = (Path(place) / "metrics.jsonl").read_bytes()
        bare = os.open(Path(place) / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
        ours, theirs = [], []
        for _ in range(arguments.rounds):
            ours.append(_each(arguments.records, lambda: log.append(RECORD)))
            theirs.append(_each(arguments.records, lambda: os.write(bare, line)))
        log.close()
        os.close(bare)
    own, system = (statistics.median(map(statistics.median, rounds)) for rounds in (ours, theirs))
    slowest = statistics.quantiles([one for taken in ours for one in taken], n=100)[-1]
    print(f"one record of {len(line)} bytes: {own:.1f} us (99th percentile {slowest:.1f} us)")
    print(f"a bare os.write of it: {system:.1f} us; ratio {own / system:.1f}")
    print(f"asked: under {ASKED_MICROSECONDS:.0f} us: {'held' if own < ASKED_MICROSECONDS else 'MISSED'}")
    return 0 if own < ASKED_MICROSECONDS else 1


def _each(count: int, call: object) -> list[float]:
    """Microseconds of each of `count` calls."""
    assert callable(call)
    taken = []
    for _ in range(count):
        begun = time.perf_counter()
        call()
        taken.append((time.perf_counter() - begun) * 1e6)
    return taken


if __name__ == "__main__":
    sys.exit(main())
