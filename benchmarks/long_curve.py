"""How long the curve of a million records takes until it can be drawn, with and without its index, and the memory.

Each reading is a process of its own, as a viewer just opened would be; the files are in the page cache. Asked: under a
second with the index, under five without, and under 120 MB.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from craft.analysis.plots import Series, plot_text
from craft.runs.curves import CurvesReader
from craft.runs.metrics_index import NAME, IndexWriter

ASKED_SECONDS = {True: 1.0, False: 5.0}
ASKED_MB = 120.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(_read(arguments.child)))
        return 0
    held = True
    with tempfile.TemporaryDirectory() as place:
        log = write_log(Path(place) / "metrics.jsonl", arguments.records)
        print(f"{arguments.records:,} records, {log.stat().st_size / 1e6:.0f} MB")
        for indexed in (False, True):
            if indexed:
                began = time.perf_counter()
                writer = IndexWriter(log)
                writer.extend(log.stat().st_size)
                writer.close()
                size = log.with_name(NAME).stat().st_size / 1e6
                print(f"the index made at once: {time.perf_counter() - began:.2f} s, {size:.1f} MB")
            taken = [_child(log) for _ in range(arguments.rounds)]
            seconds, drawn, megabytes = (sorted(column)[len(column) // 2] for column in zip(*taken, strict=True))
            ok = seconds + drawn < ASKED_SECONDS[indexed] and megabytes < ASKED_MB
            held &= ok
            word = "with" if indexed else "without"
            print(
                f"{word} the index: read in {seconds:.2f} s, drawn in {drawn:.2f} s, {megabytes:.0f} MB; asked: under "
                f"{ASKED_SECONDS[indexed]:g} s and {ASKED_MB:g} MB: {'held' if ok else 'MISSED'}"
            )
    return 0 if held else 1


def write_log(log: Path, count: int) -> Path:
    """A metrics log of so many records."""
    rng = random.Random(0)
    with log.open("w") as file:
        for step in range(count):
            loss = 4 / (1 + step / 500) + rng.gauss(0, 0.1)
            file.write(
                f'{{"step":{step},"time":{step / 40:.4f},"tokens":{768 * step},"train/loss":{loss:.6f},'
                f'"train/lr":0.01,"train/grad_norm":{rng.random():.4f},"train/tokens_per_second":25100.1}}\n'
            )
    return log


def _child(log: Path) -> tuple[float, float, float]:
    command = [sys.executable, "-m", "benchmarks.long_curve", "--child", str(log)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    seconds, drawn, megabytes = json.loads(answer.stdout)
    return seconds, drawn, megabytes


def _read(log: Path) -> tuple[float, float, float]:
    """Seconds to read, seconds to draw, and the most memory that this process took, in MB."""
    began = time.perf_counter()
    reader = CurvesReader(log, ["train/loss", "val/loss"])
    reader.poll()
    read = time.perf_counter()
    plot_text([Series("train", *reader.curve("train/loss"))], width=160, height=40, color=False, braille=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes, on a Mac bytes
    return read - began, time.perf_counter() - read, peak / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    sys.exit(main())
