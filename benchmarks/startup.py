"""How long `craft --help` takes, against `python -c "import torch"`: under a twelfth is asked.

Both are whole processes, started in turns after one of each to warm the files; figures are medians. Beside them:
`craft run` of a tiny model, from its start until its worker has everything in hand and begins: torch imported in a
process of its own while the command reads the file, the text prepared, the model built.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from craft import platform
from craft.runs.events import read_events
from craft.runs.folder import RunFolder
from craft.runs.lock import read_owner

ASKED_RATIO = 1 / 12
CRAFT = str(Path(sys.executable).with_name("craft"))
EXPERIMENTS = """\
craft = 1
[experiment.small]
device = "cpu"
precision = "fp32"
data = { type = "text", path = "text.txt" }
model = { type = "transformer" }
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    ours, theirs, bare, until_begun = [], [], [], []
    for number in range(rounds + 1):
        taken = (
            _seconds([CRAFT, "--help"]),
            _seconds([sys.executable, "-c", "import torch"]),
            _seconds([sys.executable, "-c", ""]),
            _until_begun(),
        )
        if number:
            for figures, one in zip((ours, theirs, bare, until_begun), taken, strict=True):
                figures.append(one)
    help_, torch, nothing, begun = map(statistics.median, (ours, theirs, bare, until_begun))
    print(f"craft --help                {1000 * help_:7.1f} ms")
    print(f'python -c "import torch"    {1000 * torch:7.1f} ms')
    print(f'python -c ""                {1000 * nothing:7.1f} ms')
    print(f"craft run, until it begins  {1000 * begun:7.1f} ms")
    held = help_ < ASKED_RATIO * torch
    print(f"ratio 1/{torch / help_:.1f}; asked: under 1/12: {'held' if held else 'MISSED'}")
    return 0 if held else 1


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def _until_begun() -> float:
    """Seconds from the start of `craft run` to the event that its worker writes when it begins to train."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "experiments.toml").write_text(EXPERIMENTS)
        (folder / "text.txt").write_text("the quick brown fox jumps over the lazy dog. " * 200)
        environment = {**os.environ, "CRAFT_STATE_DIR": place, "CRAFT_CACHE_DIR": place}
        command = [CRAFT, "run", "experiments.toml", "--detach"]
        began = time.time()
        subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)
        run = RunFolder(folder / "runs" / "small-001")
        while not (found := [event for event in read_events(run) if event["kind"] == "started"]):
            time.sleep(0.02)
        _end_worker(run)
        return float(found[0]["time"]) - began


def _end_worker(run: RunFolder) -> None:
    """Kill the worker, so that it does not train beside the next measurement."""
    while (owner := read_owner(run)) is None:
        time.sleep(0.01)
    owner.send(signal.SIGKILL, group=True)
    while platform.is_locked(run.lock):
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main())
