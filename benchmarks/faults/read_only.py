"""Folders that nobody can write to, root neither: a view of them that is mounted read-only, lifted again after a while.

That is how a file system with errors, a lost quota or wrong permissions look. Files that are open already stay so.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.full_disk import differences
from benchmarks.faults.nursery import Nursery, Worker
from benchmarks.faults.small_disk import mounting, read_only
from craft.launch.follow import look_at
from craft.launch.queue.entries import Queue
from craft.runs.folder import RunFolder
from craft.runs.jsonl import read_lines
from craft.runs.liveness import observe
from craft.runs.store import RunStore
from tests.launch.project import Project
from tests.training import runs

_STEPS = 150
_PATIENCE = 60.0  # seconds; only there to end what hangs
_ENDS = ("finished", "failed", "interrupted", "stopped")


@mounting
def read_only_folders(times: int, place: Path) -> Outcome:
    """A run that trains, one that is stopped, one that waits, one that is gone on with, and all runs, in turn."""
    outcome, chance, slowest = Outcome(), random.Random(64), 0.0
    text = runs.write_text(place / "text.txt")
    config = runs.definition(text, training={"max_steps": _STEPS})
    with Nursery() as nursery:
        untouched = runs.make_run(place / "untouched", config)
        nursery.train(untouched)
        for number in range(times):
            kind = ("training", "stopping", "waiting", "resume", "all runs")[number % 5]
            if kind in ("training", "stopping"):
                folder = runs.make_run(place / f"runs-{number}", config)
                began = time.monotonic()
                broken = _under_training(folder, nursery, chance, stop=kind == "stopping") + differences(
                    untouched, folder
                )
                slowest = max(slowest, time.monotonic() - began)
            else:
                project = Project(place / f"project-{number}", fake=True)
                try:
                    broken = {"waiting": _waiting, "resume": _resume, "all runs": _all_runs}[kind](project)
                finally:
                    project.end()
            outcome.once(*(f"{number}, {kind}: {one}" for one in broken))
    outcome.worst = f"{slowest:.1f} s from a run's start to its end, its folder read-only for a part of it"
    return outcome


def _under_training(folder: RunFolder, nursery: Nursery, chance: random.Random, *, stop: bool) -> list[str]:
    """Read-only from some step on for up to a second, perhaps over the end of the run; `stop`: it is asked to leave."""
    broken: list[str] = []
    worker = nursery.start(folder)
    try:
        records = chance.randint(2, _STEPS // 3)
        _until(lambda: len(read_lines(folder.metrics)) >= records or worker.poll() is not None)
        with read_only(folder.path):
            if stop:
                os.kill(worker.pid, signal.SIGTERM)
                _until(lambda: worker.poll() is not None, 20.0)
                if worker.poll() is None:
                    broken.append("asked to stop, it had not left after 20 s")
            time.sleep(chance.uniform(0.05, 1.0))
        _until(lambda: worker.poll() is not None)
        phase = observe(folder).phase
        if not stop and (worker.poll(), phase) != (0, "finished"):
            broken.append(f"the worker ended with {worker.poll()}, shown as {phase}")
        if stop and phase not in ("stopped", "interrupted", "finished"):
            broken.append(f"stopped, it is shown as {phase}")
        if phase != "finished":
            worker = nursery.start(folder)
            _until(lambda: worker.poll() is not None)
    finally:
        _end(worker, broken)
    if "Traceback" in (said := folder.log.read_text()):
        broken.append(f"a traceback: {said[-500:]}")
    return broken


def _waiting(project: Project) -> list[str]:
    """A run whose folder cannot be written holds up no other, is not lost, and is trained once it can be written."""
    started = project.start("run", "experiments.toml", "tiny", "training.max_steps=100000", "--detach")
    _, said = started.communicate(timeout=_PATIENCE)
    assert started.returncode == 0, said
    for name in ("tiny", "other"):
        done = project.craft("run", "experiments.toml", name, "--detach")
        assert done.returncode == 0, done.stderr
    waits, behind = project.run("tiny-002"), project.run("other-001")
    broken = []
    with read_only(waits.path):
        project.craft("stop", "tiny-001")
        if not _until(lambda: look_at(behind).phase == "finished", 20.0):
            broken.append(f"the run behind it is held up: {look_at(behind).reason}")
        shown = look_at(waits)
        if shown.phase != "queued" or "cannot be written" not in shown.reason:
            broken.append(f"it is shown as {shown.phase}: {shown.reason}")
        if "Traceback" in (listed := project.craft("runs")).stderr or listed.returncode:
            broken.append(f"`craft runs` says {listed.stderr}")
    if not _until(lambda: look_at(waits).phase in _ENDS, 20.0) or look_at(waits).phase != "finished":
        on = project.craft("resume", waits.name)
        if on.returncode or look_at(waits).phase != "finished":
            broken.append(f"it can be written again, and is {look_at(waits).phase}; a resume says {on.stderr}")
    return broken


def _resume(project: Project) -> list[str]:
    """One line, nothing changed, and it works once the folder can be written."""
    made = project.craft("run", "experiments.toml", "tiny")
    assert made.returncode == 0, made.stderr
    folder = project.run("tiny-001")
    before = _content(folder)
    command = ("resume", "tiny-001", "training.max_steps=30", "--detach")
    with read_only(folder.path):
        broken = _one_line(project.craft(*command))
        if _content(folder) != before or Queue(project.runs_dir).entries():
            broken.append("and something is changed")
    done = project.craft(*command)
    if done.returncode or not _until(lambda: look_at(folder).status.step == 30 and look_at(folder).phase == "finished"):
        broken.append(f"it can be written again, and {done.stderr or look_at(folder)}")
    return broken


def _all_runs(project: Project) -> list[str]:
    """No run can be made: one line, nothing half made; reading works all the same."""
    made = project.craft("run", "experiments.toml", "tiny")
    assert made.returncode == 0, made.stderr
    with read_only(project.runs_dir):
        broken = _one_line(project.craft("run", "experiments.toml", "tiny", "--detach"))
        for words in (("runs",), ("status", "tiny-001"), ("logs", "tiny-001")):
            done = project.craft(*words)
            if done.returncode or done.stderr:
                broken.append(f"`craft {' '.join(words)}` says {done.stderr}")
        if [run.name for run in RunStore(project.runs_dir).list()] != ["tiny-001"]:
            broken.append("another run is listed")
    if project.craft("run", "experiments.toml", "tiny").returncode:
        broken.append("it can be written again, and no run can be made")
    return broken


def _one_line(done: subprocess.CompletedProcess[str]) -> list[str]:
    lines = done.stderr.strip().splitlines()
    if done.returncode == 2 and len(lines) == 1 and "Read-only" in lines[0]:
        return []
    return [f"it ended with {done.returncode} and said {done.stderr!r}"]


def _content(folder: RunFolder) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.path.rglob("*")) if path.is_file()}


def _end(worker: Worker, broken: list[str]) -> None:
    if worker.poll() is None:
        broken.append("it hung")
        worker.kill()
        worker.wait()


def _until(reached: Callable[[], bool], seconds: float = _PATIENCE) -> bool:
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


READ_ONLY = Fault(
    name="read-only",
    what="A run's folder, or all of `runs/`, is made read-only while it trains, while it waits, before a resume, and "
    "before a run is made, and can be written again after a while",
    promise="Training goes on and ends with the bits of an untouched run; a stop is obeyed; commands say one line and "
    "change nothing; reading works; no other run is held up, and the run itself is trained in the end",
    times=20,
    run=read_only_folders,
    stands_in="the runs that train or are stopped have real workers, forked from a process that had imported torch; "
    "the others have workers that keep the contract and train nothing",
    least=5,
)
