"""A run's folder that is taken away while its worker trains: deleted, renamed, or replaced by another run.

The name of the newest run is free again once its folder is deleted, so the next run gets it while the old worker still
lives: that one must write nothing into it.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.full_disk import differences
from benchmarks.faults.nursery import Nursery, Worker
from craft.runs import checkpoints
from craft.runs.folder import RunFolder
from craft.runs.jsonl import read_lines
from tests.training import runs

_KINDS = ("deleted", "renamed", "replaced")
_SECONDS = 10.0  # until its worker must have ended
_WATCHED = 3  # every so many runs are watched meanwhile, by a command of their own


def deleted_live(times: int, place: Path) -> Outcome:
    """Each of the three in turn."""
    outcome, chance, slowest = Outcome(), random.Random(9), 0.0
    text = runs.write_text(place / "text.txt")
    short = runs.definition(text)
    # It would train for minutes, and saves at its beginning only: nothing but the folder's absence is there to notice.
    long = runs.definition(text, training={"max_steps": 50_000, "eval_every": 0}, checkpoint={"every": 0})
    with Nursery() as nursery:
        untouched = runs.make_run(place / "untouched", short)
        nursery.train(untouched)
        for number in range(times):
            kind = _KINDS[number % len(_KINDS)]
            folder = runs.make_run(place / f"runs-{number}", long)
            worker = nursery.start(folder)
            told = place / f"told-{number}.txt"
            watch = _watch(folder, told) if number // len(_KINDS) % _WATCHED == 0 else None
            try:
                records = chance.randint(3, 40)
                _until(lambda folder=folder, records=records: len(read_lines(folder.metrics)) > records)
                with folder.log.open() as log:
                    taken = time.monotonic()
                    broken = _take_away(kind, folder)
                    if kind == "replaced":
                        folder = runs.make_run(folder.path.parent, short)
                        broken += _train_beside(folder, nursery, untouched)
                    _until(lambda worker=worker: worker.poll() is not None, _SECONDS)
                    slowest = max(slowest, time.monotonic() - taken)
                    broken += _how_it_ended(worker, log.read())
                if kind == "replaced":
                    broken += differences(untouched, folder)
                elif folder.path.exists():
                    broken.append(f"a stump came back: {sorted(path.name for path in folder.path.iterdir())}")
                if kind == "renamed":
                    broken += _goes_on(RunFolder(place / f"runs-{number}-renamed" / folder.name), nursery)
                if watch is not None:
                    broken += _what_was_told(watch, told, kind)
            finally:
                worker.kill()
                worker.wait()
            outcome.once(*(f"{number}, {kind}: {one}" for one in broken))
    outcome.worst = f"{slowest:.1f} s until its worker had ended"
    return outcome


def _take_away(kind: str, folder: RunFolder) -> list[str]:
    if kind == "renamed":
        folder.path.parent.rename(folder.path.parent.with_name(f"{folder.path.parent.name}-renamed"))
        return []
    for _ in range(100):  # a file that its worker makes meanwhile keeps the folder from going: so would it for `rm -rf`
        shutil.rmtree(folder.path, ignore_errors=True)
        if not folder.path.exists():
            return []
    return ["its worker put files into it again and again"]


def _train_beside(new: RunFolder, nursery: Nursery, untouched: RunFolder) -> list[str]:
    """The run that got the name is trained at once, while the old worker may still live."""
    status = nursery.start(new).wait()
    return [] if status == 0 else [f"the run that got its name ended with {status}: {new.log.read_text()[-500:]}"]


def _how_it_ended(worker: Worker, said: str) -> list[str]:
    if worker.poll() is None:
        return [f"its worker trains on after {_SECONDS:g} s"]
    broken = []
    if worker.poll() == 0:
        broken.append("its worker ended as if all were well")
    if "Traceback" in said:
        broken.append(f"a traceback: {said[-300:]}")
    if (words := said.count("folder is gone")) != 1:
        broken.append(f"it said {words} times that its folder is gone: {said[-500:]}")
    return broken


def _goes_on(folder: RunFolder, nursery: Nursery) -> list[str]:
    """Under its new name the run is whole and can be trained on."""
    if checkpoints.newest_valid(folder, lambda info, problems: None) is None:
        return ["renamed, it has no whole checkpoint"]
    before = len(read_lines(folder.metrics))
    worker = nursery.start(folder)
    try:
        _until(lambda: len(read_lines(folder.metrics)) > before + 2 or worker.poll() is not None)
        return [] if worker.poll() is None else [f"renamed, it does not go on: {folder.log.read_text()[-300:]}"]
    finally:
        worker.kill()
        worker.wait()


def _watch(folder: RunFolder, told: Path) -> subprocess.Popen[bytes]:
    """`craft watch`, once it has found the run; what it tells goes to a file."""
    command = [str(Path(sys.executable).with_name("craft")), "watch", str(folder.path)]
    with told.open("wb") as file:
        watch = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    _until(lambda: told.stat().st_size > 0)
    return watch


def _what_was_told(watch: subprocess.Popen[bytes], told: Path, kind: str) -> list[str]:
    """Who watches is told, in words, and is let go."""
    _until(lambda: watch.poll() is not None, _SECONDS)
    said = told.read_text()
    if watch.poll() is None:
        watch.kill()
        watch.wait()
        return [f"`craft watch` goes on: {said[-300:]}"]
    if "Traceback" in said or (kind != "replaced" and "folder is gone" not in said):
        return [f"`craft watch` said: {said[-500:]}"]
    return []


def _until(reached: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.005)


DELETED_LIVE = Fault(
    name="deleted-live",
    what="The folder of a run that trains is deleted, or `runs/` is renamed, or a new run gets the deleted one's name",
    promise="One message, the worker ends, no stump comes back, a renamed run goes on under its new name, and a run "
    "that got the name is not touched: it ends with the bits of one that nothing happened to",
    times=30,
    run=deleted_live,
    stands_in="the workers are real ones, forked from a process that had imported torch",
    least=3,
)
