"""Seconds from the start of the process to a validation loss of 1.898, against nanoGPT's README command for a CPU.

    python -m benchmarks.time_to_loss --text shakespeare.txt [--nanogpt PATH] [--seeds 1 2 3 4 5]

1.898 is where nanoGPT's command arrives: 2,000 steps of 12 sequences of 64 characters with 4 layers of 128, no
dropout. Craft runs the shipped `small` recipe on the same text and the same 90/10 split, measured and saved at the
first and the last step only; the loss is that of the whole validation split in windows of 64, and what counts is the
whole of `craft run`: its own start, the worker's, tokenizing, saving. Each seed is run in turn; the figure is the
median.

For nanoGPT the time is that of the first line of its own log whose estimate (20 batches) is 1.898 or below, and of
its whole command. PATH is a checkout whose data/shakespeare_char is prepared.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from craft.runs.events import read_events
from craft.runs.store import RunStore

TARGET = 1.898
NANOGPT = [
    "train.py",
    "config/train_shakespeare_char.py",
    "--device=cpu",
    "--compile=False",
    "--eval_iters=20",
    "--log_interval=100",
    "--block_size=64",
    "--batch_size=12",
    "--n_layer=4",
    "--n_head=4",
    "--n_embd=128",
    "--max_iters=2000",
    "--lr_decay_iters=2000",
    "--dropout=0.0",
]


def craft_seconds(text: Path, seed: int, overrides: list[str]) -> tuple[float, float, float]:
    """(seconds to the target, seconds of the whole command, last loss) of one `craft run`."""
    with tempfile.TemporaryDirectory() as folder:
        runs_dir = Path(folder)
        started = time.time()
        subprocess.run(
            [
                *(Path(sys.executable).with_name("craft"), "run", "experiments.toml", "small", f"seed={seed}"),
                *("data.type=text", f"data.path={text}", "data.val_fraction=0.1", f"--runs-dir={runs_dir}"),
                *("training.eval_every=0", "checkpoint.every=0"),
                *overrides,
            ],
            check=True,
            capture_output=True,
        )
        whole = time.time() - started
        [run] = RunStore(runs_dir).folders()
        measured = [event for event in read_events(run) if event["kind"] == "evaluated"]
    reached = [event["time"] for event in measured if event["val/loss"] <= TARGET]
    return (reached[0] - started if reached else float("inf"), whole, measured[-1]["val/loss"])


def nanogpt_seconds(checkout: Path) -> tuple[float, float]:
    """(seconds to the first estimate at the target, seconds of the whole command)."""
    started = time.time()
    reached = float("inf")
    with subprocess.Popen(
        [sys.executable, "-u", *NANOGPT], cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            found = re.match(r"step \d+: .*val loss ([\d.]+)", line)
            if found and float(found[1]) <= TARGET:
                reached = min(reached, time.time() - started)
    return reached, time.time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--nanogpt", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("overrides", nargs="*", help="path=value, for trying another recipe")
    arguments = parser.parse_args()
    text = arguments.text.resolve()
    figures = []
    for seed in arguments.seeds:
        reached, whole, loss = craft_seconds(text, seed, arguments.overrides)
        figures.append(reached)
        print(f"craft seed {seed}: {reached:.2f} s to {TARGET}, {whole:.2f} s in all, last loss {loss:.4f}")
    median = statistics.median(figures)
    print(f"craft: median {median:.2f} s")
    if arguments.nanogpt:
        reached, whole = nanogpt_seconds(arguments.nanogpt)
        print(f"nanoGPT: {reached:.1f} s to its own estimate of {TARGET}, {whole:.1f} s in all")
        print(f"ratio: {reached / median:.1f} to the loss, {whole / median:.1f} against the whole command")


if __name__ == "__main__":
    main()
