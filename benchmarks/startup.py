"""How long one waits for `craft --help`, and from `craft run` to the first figures, against `python -c "import torch"`.

All are whole processes, started in turns after one of each to warm the files; figures are medians. `craft run` trains
the `small` experiment of this repository, its tokens cached, and is timed until the record of step 1 is in its metrics
log; where the time goes is told by what lies in the run's folder.

Asked: help under a twelfth of importing torch, the first record at most one and a half times it.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from craft.runs.events import read_events
from craft.runs.jsonl import read_lines
from craft.runs.store import RunStore

ASKED_HELP, ASKED_RECORD = 1 / 12, 1.5
CRAFT = str(Path(sys.executable).with_name("craft"))
EXPERIMENTS = Path(__file__).parents[1] / "experiments.toml"
PARTS = ("command read, folder made", "torch and Craft imported, data, model", "step 0 measured", "saved", "step 1")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as place:
        os.environ |= {"CRAFT_STATE_DIR": f"{place}/state", "CRAFT_CACHE_DIR": f"{place}/cache"}
        shutil.copy(EXPERIMENTS, place)
        ours, theirs, bare, first = [], [], [], []
        for number in range(rounds + 1):
            taken = (
                _seconds([CRAFT, "--help"]),
                _seconds([sys.executable, "-c", "import torch"]),
                _seconds([sys.executable, "-c", ""]),
            )
            parts = _until_first_record(Path(place))
            if number:
                for figures, one in zip((ours, theirs, bare), taken, strict=True):
                    figures.append(one)
                first.append(parts)
    help_, torch, nothing = map(statistics.median, (ours, theirs, bare))
    record = statistics.median(map(sum, first))
    print(f"craft --help                      {1000 * help_:7.1f} ms")
    print(f'python -c "import torch"          {1000 * torch:7.1f} ms')
    print(f'python -c ""                      {1000 * nothing:7.1f} ms')
    print(f"craft run, to the record of step 1 {1000 * record:6.1f} ms")
    for name, seconds in zip(PARTS, zip(*first, strict=True), strict=True):
        print(f"  {name:<40}{1000 * statistics.median(seconds):7.1f} ms")
    held = [help_ < ASKED_HELP * torch, record <= ASKED_RECORD * torch]
    words = ["held" if one else "MISSED" for one in held]
    print(f"help 1/{torch / help_:.1f} of importing torch; asked: under 1/12: {words[0]}")
    print(f"first record {record / torch:.2f} times importing torch; asked: at most 1.5: {words[1]}")
    return 0 if all(held) else 1


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def _until_first_record(place: Path) -> tuple[float, ...]:
    """Seconds that each of PARTS took, from the start of `craft run` to the record of step 1."""
    command = [CRAFT, "run", "experiments.toml", "small", "training.max_steps=60"]
    began = time.time()
    process = subprocess.Popen(command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    runs = RunStore(place / "runs")
    while not (new := [run for run in runs.folders() if run.definition.stat().st_mtime > began]):
        time.sleep(0.002)
    (run,) = new
    while not any(record.get("step") == 1 for record in read_lines(run.metrics)):
        time.sleep(0.002)
    recorded = time.time()
    events = {event["kind"]: event["time"] for event in reversed(read_events(run))}
    marks = [began, run.definition.stat().st_mtime, *(events[kind] for kind in ("started", "evaluated", "checkpoint"))]
    process.send_signal(signal.SIGINT)  # it saves and leaves, so that it does not train beside the next measurement
    process.wait()
    return tuple(later - earlier for earlier, later in itertools.pairwise([*marks, recorded]))


if __name__ == "__main__":
    sys.exit(main())
