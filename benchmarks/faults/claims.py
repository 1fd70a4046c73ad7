"""Several processes that queue runs in one folder and start what waits, all at once.

They are three of `stand_ins/claimer.py`, which makes the calls that the workbench and `craft run` make; runners join
them. The workers are `stand_ins/brief_worker.py`: each writes down from when to when it held its run and its slot,
and from that it is counted how many were there at once.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.stage import PATHS, kill_all, left_behind, started_in
from craft import platform
from craft.launch.queue.entries import Queue
from craft.runs.folder import RunFolder, RunIdentity, create_run
from craft.runs.jsonl import read_lines
from craft.runs.status import read_status

RUNS, CLAIMERS = 200, 3
SLOTS = (2, 1, 3)


def run(times: int, work: Path) -> Outcome:
    """So many times all runs are claimed, with two, one and three slots in turn."""
    outcome, most, refused, slowest = Outcome(), dict.fromkeys(SLOTS, 0), 0, 0.0
    for number in range(times):
        slots = SLOTS[number % len(SLOTS)]
        runs_dir = work / f"{number}" / "runs"
        began = time.monotonic()
        try:
            folders = _make(runs_dir)
            broken = _claim(runs_dir, [folder.name for folder in folders], slots)
            slowest = max(slowest, time.monotonic() - began)
            at_once, found = _look(runs_dir, folders, slots)
            most[slots] = max(most[slots], at_once)
            refused += sum((folder.path / "refused.jsonl").exists() for folder in folders)
            outcome.once(*(f"{slots} slots: {one}" for one in broken + found))
        finally:
            kill_all(started_in(runs_dir))
    counted = ", ".join(
        f"{at_once} at once with {slots} slot{'s' if slots > 1 else ''}" for slots, at_once in most.items() if at_once
    )
    outcome.worst = counted
    outcome.notes = f"{refused} workers found their run taken; the slowest {RUNS} runs took {slowest:.0f} s"
    return outcome


def _make(runs_dir: Path) -> list[RunFolder]:
    identity = RunIdentity(experiment="brief", created=time.time())
    return [
        create_run(runs_dir, experiment="brief", definition_toml="craft = 1\n", identity=identity) for _ in range(RUNS)
    ]


def _claim(runs_dir: Path, names: list[str], slots: int) -> list[str]:
    """Let the claimers loose on these runs, and wait until they have left."""
    environment = {**os.environ, "PYTHONPATH": PATHS, "CRAFT_FAULT_WORKER": "brief_worker"}
    claimers = [
        subprocess.Popen(
            [sys.executable, "-m", "claimer", str(slots), str(runs_dir), *names[number::CLAIMERS]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for number in range(CLAIMERS)
    ]
    for claimer in claimers:
        assert claimer.stdout is not None
        claimer.stdout.readline()
    for claimer in claimers:
        assert claimer.stdin is not None
        claimer.stdin.write("go\n")
        claimer.stdin.flush()
    broken = []
    for claimer in claimers:
        try:
            _, said = claimer.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            claimer.kill()
            claimer.communicate()
            broken.append("a claimer had not left after 300 s")
        else:
            if claimer.returncode:
                broken.append(f"a claimer ended with {claimer.returncode}: {said[-500:]}")
    return broken + left_behind(runs_dir, 30.0)


def _look(runs_dir: Path, folders: list[RunFolder], slots: int) -> tuple[int, list[str]]:
    """How many runs were there at once, and what does not hold."""
    broken = [f"{entry.run} is still in the queue" for entry in Queue(runs_dir).entries()]
    held: list[dict[str, Any]] = []
    for folder in folders:
        times = read_lines(folder.path / "held.jsonl")
        if len(times) != 1:
            broken.append(f"{folder.name} was trained {len(times)} times")
        status = read_status(folder)
        if status is None or status.phase != "finished" or platform.is_locked(folder.lock):
            broken.append(f"{folder.name} is {status.phase if status else 'without a claim'}")
        held += times
    for slot, at_it in itertools.groupby(sorted(held, key=_by_slot), key=lambda one: one["slot"]):
        if _at_once(list(at_it)) > 1:
            broken.append(f"two runs held {Path(slot).name} at once")
    at_once = _at_once(held)
    if at_once > slots:
        broken.append(f"{at_once} runs at once")
    if len({one["slot"] for one in held}) > slots:
        broken.append(f"they held {sorted({Path(one['slot']).name for one in held})}")
    return at_once, broken


def _by_slot(one: dict[str, Any]) -> str:
    return json.dumps(one["slot"])


def _at_once(held: list[dict[str, Any]]) -> int:
    """The greatest number of these that overlap."""
    # At one instant an end counts before a beginning.
    changes = sorted([(one["began"], 1) for one in held] + [(one["ended"], -1) for one in held])
    return max(itertools.accumulate(change for _, change in changes), default=0)


CLAIMS = Fault(
    name="claims",
    what=(
        f"three processes that queue {RUNS} runs in one folder and start them, with a runner, all at once; one, two "
        "and three slots in turn"
    ),
    promise="each run is trained once, none is lost; by the workers' own records never more at once than slots",
    times=20,
    run=run,
    stands_in="the three are copies of one program that makes the calls which `craft run` and the workbench make "
    "(submit, start_next, settle, ensure_runner); the workers import nothing of Craft, take the locks of their run and "
    "slot as a worker does, and hold them for some hundredths of a second: what is counted is how runs are handed out",
)
