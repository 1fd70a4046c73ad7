"""Four live runs, each logging ten records a second: share of one core, bytes a second to the terminal, and how soon a
key is answered meanwhile."""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.workbench.terminal import Program, verdict, workbench
from craft.runs.folder import RunFolder
from craft.runs.metrics import MetricsLog
from craft.runs.status import StatusWriter
from tests.workbench.runs import losses, make_project, make_run, working

ASKED_SHARE, ASKED_MILLISECONDS = 0.12, 50
_KEYS = 120


def measure(place: Path, seconds: float = 20.0) -> bool:
    """Whether watching is cheap and keys are answered."""
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
        program = Program(workbench(file))
        stack.callback(program.close)
        program.until(b"train ")
        program.read_for(3)
        before, began = program.cpu_seconds(), time.perf_counter()
        written = program.read_for(seconds)
        share = (program.cpu_seconds() - before) / (time.perf_counter() - began)
        assert writer.poll() is None and written > 1000, "nothing was logged, so nothing was drawn"
        # Among the runs that ended nothing moves but the cursor, so its mark is the answer.
        program.press(b"G")
        program.read_for(1)
        chance = random.Random(0)
        keys = []
        for number in range(_KEYS):
            program.read_for(chance.uniform(0.02, 0.2))
            keys.append(program.answered(b"kj"[number % 2 : number % 2 + 1], "\u258c".encode()))
    late = 1000 * statistics.quantiles(keys, n=20)[-1]
    print(f"written to the terminal: {written / seconds / 1000:.1f} kB/s")
    print(f"a key, median: {1000 * statistics.median(keys):.0f} ms")
    held = verdict("watching four runs", f"{share:.1%} of a core", f"{ASKED_SHARE:.0%}", share < ASKED_SHARE)
    return verdict("a key meanwhile, p95", f"{late:.0f} ms", f"{ASKED_MILLISECONDS} ms", late < 50) and held


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
