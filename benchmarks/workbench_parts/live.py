"""Four live runs, each logging ten records a second, their list and the curves of one drawn twice a second: share of
one core, bytes a second to the terminal, and how soon a key is answered meanwhile."""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.workbench_parts.terminal import CURVE, Program, verdict, workbench
from craft.runs.folder import RunFolder
from craft.runs.metrics import MetricsLog
from craft.runs.status import StatusWriter
from tests.workbench.runs import losses, make_project, make_run, working

ASKED_SHARE, ASKED_MILLISECONDS = 0.12, 50
_KEYS = 120


@contextmanager
def four_live_runs(place: Path) -> Iterator[Path]:
    """Among eight that have ended; yields the experiments file."""
    file = make_project(place)
    for seed in range(8):
        make_run(place / "runs", "wide", seed=seed, age=9000 + seed)
    folders = [make_run(place / "runs", phase="running", step=2000, max_steps=100_000, seed=n) for n in range(4)]
    with ExitStack() as stack:
        for folder in folders:
            stack.enter_context(working(folder))
        writer = subprocess.Popen([sys.executable, "-m", __name__, *(str(folder.path) for folder in folders)])
        stack.callback(writer.wait)
        stack.callback(writer.kill)
        yield file
        assert writer.poll() is None, "nothing was logged, so nothing was drawn"


def measure(place: Path, seconds: float = 20.0) -> bool:
    """Whether watching is cheap and keys are answered."""
    with ExitStack() as stack:
        program = Program(workbench(stack.enter_context(four_live_runs(place))))
        stack.callback(program.close)
        program.until(CURVE)
        program.read_for(3)
        before, began = program.cpu_seconds(), time.perf_counter()
        written = program.attend(seconds)
        share = (program.cpu_seconds() - before) / (time.perf_counter() - began)
        # Among the runs that ended nothing moves but the cursor, so its mark is the answer.
        program.press(b"G")
        program.read_for(1)
        keys = press_now_and_then(program, lambda number: (b"kj"[number % 2 : number % 2 + 1], "\u258c".encode()))
    print(f"written to the terminal: {written / seconds / 1000:.1f} kB/s")
    held = verdict("watching four runs", f"{share:.1%} of a core", f"{ASKED_SHARE:.0%}", share < ASKED_SHARE)
    return in_time("a key meanwhile", keys) and held


def press_now_and_then(program: Program, key: Callable[[int], tuple[bytes, bytes]]) -> list[float]:
    """How soon keys were answered, pressed at odd times; `key` says of each what is pressed and what must come."""
    chance = random.Random(0)
    taken = []
    for number in range(_KEYS):
        program.read_for(chance.uniform(0.02, 0.2))
        taken.append(program.answered(*key(number)))
    return taken


def in_time(what: str, keys: list[float]) -> bool:
    """Say how soon keys were answered, and whether that was soon enough."""
    middle, late = 1000 * statistics.median(keys), 1000 * statistics.quantiles(keys, n=20)[-1]
    found = f"{late:.0f} ms (median {middle:.0f}, longest {1000 * max(keys):.0f})"
    return verdict(f"{what}, p95", found, f"{ASKED_MILLISECONDS} ms", late < ASKED_MILLISECONDS)


def write_live(paths: list[str]) -> None:
    """Four workers' worth of records, ten a second each, for as long as nobody ends it."""
    runs = [(RunFolder(Path(path)), MetricsLog(RunFolder(Path(path)))) for path in paths]
    step = 2000
    while True:
        step += 10
        for number, (folder, log) in enumerate(runs):
            train, val = losses(step, number)
            log.append({"step": step, "time": step / 40, "tokens": step * 768, "train/loss": train})
            if step % 500 == 0:
                log.append({"step": step, "time": step / 40, "val/loss": val})
            if step % 50 == 0:
                StatusWriter(folder).write(step=step, train_loss=train, val_loss=val, progressed=True)
        time.sleep(0.1)


if __name__ == "__main__":
    write_live(sys.argv[1:])
