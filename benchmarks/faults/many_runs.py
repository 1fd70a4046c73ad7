"""Thousands of runs in one folder, on a disk of their own that is taken away and brought back, where that is possible:
so the first look finds nothing in memory."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from benchmarks.faults.fault import Fault, Outcome
from craft.launch.queue.dispatch import runner_lock
from craft.launch.queue.entries import Entry, Queue
from craft.runs.folder import RunIdentity
from craft.runs.status import Status
from craft.runs.store import RunStore

_MOST_SECONDS = 1.0
"""Of a processor's time that 10,000 runs may take; for a command, beyond the start of Python. What the disk takes is
stated and not judged: it is another one everywhere."""
_LEAST = 4000  # a short form is not asked to be quicker than for so many: a busy machine's pauses are as long
_WAIT_EVERY = 20
_TOLD = 10  # of what does not hold
_CRAFT = str(Path(sys.executable).with_name("craft"))

Answer = TypeVar("Answer")


class Disk:
    """A folder on a disk of its own in a file, mounted anew by `forget`; only a folder where that is not possible."""

    def __init__(self, place: Path, runs: int) -> None:
        self.path, self._image = place / "disk", place / "image"
        self.path.mkdir()
        self._is_mounted = False
        if os.geteuid() == 0:
            with self._image.open("wb") as file:
                file.truncate((64 << 20) + runs * (64 << 10))
            made = _run("mkfs.ext4", "-q", "-N", str(10 * runs + 1000), str(self._image))
            self._is_mounted = made and _run("mount", "-o", "loop", str(self._image), str(self.path))

    def forget(self) -> bool:
        """Let nothing of it be in memory; False where that cannot be."""
        if not self._is_mounted or not _run("umount", str(self.path)):
            return False
        with self._image.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        assert _run("mount", "-o", "loop", str(self._image), str(self.path))
        return True

    def close(self) -> None:
        """Take it away."""
        if self._is_mounted:
            _run("umount", "--lazy", str(self.path))
        self._image.unlink(missing_ok=True)


def many_runs(times: int, place: Path) -> Outcome:
    """One folder of so many runs."""
    outcome, broken, seconds = Outcome(), list[str](), dict[str, float]()
    with ExitStack() as at_end:
        disk = Disk(place, times)
        at_end.callback(disk.close)
        runs_dir = disk.path / "runs"
        wanted = _make_all(runs_dir, times)
        is_cold = disk.forget()
        first, listed = _timed(lambda: RunStore(runs_dir).list())
        found = {run.name: run.phase for run in listed}
        broken += [f"{name} is {found.get(name)}, not {is_}" for name, is_ in wanted.items() if found.get(name) != is_]
        seconds["the list"] = min(_timed(lambda: RunStore(runs_dir).list(), time.process_time)[0] for _ in range(3))
        # Commands would start a runner for what waits; with this lock, they find one.
        runner = runner_lock(runs_dir)
        assert runner.acquire()
        at_end.callback(runner.release)
        bare = _quickest("--version")[0]
        for words, lines in ((["runs"], times), (["status", _name(7)], 5), (["queue"], times // _WAIT_EVERY)):
            taken, done = _quickest(*words, "--runs-dir", str(runs_dir))
            seconds[f"`craft {words[0]}`"] = taken - bare
            if done.returncode or len(done.stdout.splitlines()) < lines:
                broken.append(f"`craft {' '.join(words)}` says {done.stderr[-300:]} {done.stdout[-300:]}")
        taken, done = _quickest(COMP_WORDS=f"craft status --runs-dir {runs_dir} {_name(7)}", COMP_CWORD="4")
        seconds["completing a name"] = taken - bare
        if _name(7) not in done.stdout:
            broken.append(f"completion says {done.stdout[-300:]}")
    most = _MOST_SECONDS * max(times, _LEAST) / 10_000
    broken += [f"{words} took {taken:.2f} s" for words, taken in seconds.items() if taken > most]
    outcome.once(*broken[:_TOLD])
    outcome.notes = f"there were {times:,} runs"
    outcome.worst = "; ".join(f"{words} {taken:.2f} s" for words, taken in seconds.items())
    if is_cold:
        outcome.worst += f"; the first list, read from a disk that was just mounted, {first:.1f} s by the clock"
    return outcome


def _name(number: int) -> str:
    return f"exp-{number:05d}"


def _make_all(runs_dir: Path, times: int) -> dict[str, str]:
    """Make the runs: nine in ten have finished or wait, the others were interrupted. What each must be shown as."""
    runs_dir.mkdir()
    shown = {}
    entries = []
    for number in range(times):
        claim = "queued" if number % _WAIT_EVERY == 9 else "running" if number % 10 == 8 else "finished"
        shown[_name(number)] = "interrupted" if claim == "running" else claim
        folder = runs_dir / _name(number)
        folder.mkdir()
        identity = RunIdentity("exp", created=1e9 + number, seed=number, axes={"optimizer.lr": 0.1}, source="/x/e.toml")
        status = Status(phase=claim, step=500, max_steps=500, train_loss=1.9, val_loss=1.8, best=1.8, updated=1e9)
        (folder / "run.json").write_bytes(identity.as_json())
        (folder / "experiment.toml").write_text("craft = 1\n")
        (folder / "status.json").write_text(json.dumps(asdict(status), indent=1))
        if claim == "queued":
            entries.append(Entry(folder.name, "cpu", 1, 1e9 + number))
        else:
            (folder / "worker.lock").touch()
            (folder / "owner.json").write_text("{}")
    queue = Queue(runs_dir)
    queue.folder.mkdir(parents=True)
    with queue.lock():
        queue.add(entries)
    return shown


def _timed(do: Callable[[], Answer], clock: Callable[[], float] = time.perf_counter) -> tuple[float, Answer]:
    began = clock()
    answer = do()
    return clock() - began, answer


def _time_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _quickest(*words: str, **environment: str) -> tuple[float, subprocess.CompletedProcess[str]]:
    """The quickest of three calls of the command: what else the machine does is not its fault."""
    if environment:
        environment["_CRAFT_COMPLETE"] = "bash_complete"

    def call() -> subprocess.CompletedProcess[str]:
        return subprocess.run([_CRAFT, *words], env={**os.environ, **environment}, capture_output=True, text=True)

    return min((_timed(call, _time_of_children) for _ in range(3)), key=lambda one: one[0])


def _run(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


MANY_RUNS = Fault(
    name="many-runs",
    what="10,000 runs in one folder, one in twenty of them waiting: listed, looked at, and a name completed; on a disk "
    "that was just mounted, and again",
    promise=f"Every run is listed as what it is; once in memory, in under {_MOST_SECONDS:g} s of one processor (a "
    "command: beyond its start)",
    times=10_000,
    run=many_runs,
    size_in="runs",
    stands_in="the runs are files as runs leave them, without checkpoints and logs; nobody trained them",
)
