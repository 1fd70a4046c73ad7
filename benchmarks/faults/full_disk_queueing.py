"""A full disk while runs are made, queued, gone on with and deleted: whole commands, on a disk of their own.

The disk is full to the last page or to some before it, or has no room for new names, so that each command fails at
another of its writes. Workers are the ones of the tests that wait instead of training.
"""

from __future__ import annotations

import random
import shutil
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired

from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.small_disk import SmallDisk, mounted, mounting
from craft.cli import LAZY
from craft.launch.follow import look_at
from craft.launch.queue.entries import Queue
from craft.runs.folder import RunFolder
from craft.runs.groups import group_names
from craft.runs.store import RunStore
from tests.launch.project import EXPERIMENTS, Project

_SWEEP = "[experiment.swept]\n[experiment.swept.sweep]\nseeds = [1, 2, 3]\n"
_COMMANDS = {
    "run": ("run", "experiments.toml", "tiny", "--detach"),
    "sweep": ("run", "experiments.toml", "swept", "--detach"),
    "resume": ("resume", "other-001", "training.max_steps=30", "--detach"),
    "fork": ("fork", "other-001", "training.max_steps=30", "--detach"),
    "rm": ("rm", "other-001", "--yes"),
}
_SECONDS = 30.0  # far more than any of them takes


@dataclass(frozen=True)
class Seen:
    """What everybody sees of a project: its runs, what they are and do, who waits, its groups, and what lies about."""

    runs: dict[str, tuple[str, int, int]]
    queue: list[str]
    groups: list[str]
    half_made: list[str]

    @classmethod
    def of(cls, runs_dir: Path) -> Seen:
        listed = RunStore(runs_dir).list()
        names = {run.name for run in listed}
        return cls(
            {run.name: (run.fault or run.phase, run.max_steps, _definition(run.folder)) for run in listed},
            [entry.run for entry in Queue(runs_dir).entries()],
            group_names(runs_dir),
            sorted(path.name for path in runs_dir.iterdir() if path.name[0] != "." and path.name not in names),
        )


def _definition(folder: RunFolder) -> int:
    return zlib.crc32(folder.definition.read_bytes() + folder.run_json.read_bytes())


@mounting
def full_disk_queueing(times: int, place: Path) -> Outcome:
    """Each command in turn."""
    outcome, chance, slowest = Outcome(), random.Random(31), 0.0
    first = Project(place / "first", fake=False, experiments=EXPERIMENTS + _SWEEP)  # a fork needs what was trained
    made = first.craft("run", "experiments.toml", "other")
    assert made.returncode == 0, made.stderr
    commands = [name for name, words in _COMMANDS.items() if words[0] in LAZY]
    for number in range(times):
        name = commands[number % len(commands)]
        with mounted(place / f"disk-{number}", kilobytes=768, names=1500) as disk:
            shutil.copytree(first.folder, disk.path / "project")
            project = Project(disk.path / "project", fake=True, experiments=EXPERIMENTS + _SWEEP)
            if chance.random() < 0.5:  # what belongs to the machine lies on the full disk as well
                project.environment["CRAFT_STATE_DIR"] = str(disk.path / "state")
            try:
                seconds, broken = _try(project, disk, name, chance)
                slowest = max(slowest, seconds)
            finally:
                disk.free()
                project.end()
            outcome.once(*(f"{number}, {name}: {one}" for one in broken))
    outcome.worst = f"{slowest:.1f} s until a command had said that the disk is full"
    return outcome


def _try(project: Project, disk: SmallDisk, name: str, chance: random.Random) -> tuple[float, list[str]]:
    """Do it on the full disk, look, give room, and do it again."""
    command, runs_dir = _COMMANDS[name], project.runs_dir
    before = Seen.of(runs_dir)
    room = chance.randint(0, 14)
    if chance.random() < 0.7:
        disk.fill(but_pages=room)
    else:
        disk.fill_names(but=room)
    began = time.monotonic()
    try:
        done = project.craft(*command, timeout=_SECONDS)
    except TimeoutExpired:
        return _SECONDS, [f"it hung with room for {room}"]
    seconds = time.monotonic() - began
    after = Seen.of(runs_dir)
    words = f"with room for {room} it ended with {done.returncode} ({_last(done)})"
    broken = [f"{words}: {one}" for one in _what_it_said(done, name)]
    if after.half_made:
        broken.append(f"{words} and left {after.half_made}")
    if done.returncode and after != before:
        broken.append(f"{words}, and yet something is changed: {before} became {after}")
    if set(before.runs) - set(after.runs) and name != "rm":
        broken.append(f"{words}, and {set(before.runs) - set(after.runs)} is gone")
    disk.free()
    if done.returncode:
        again = project.craft(*command, timeout=_SECONDS)
        if again.returncode:
            broken.append(f"{words}; with room again it says: {_last(again)}")
    broken += [f"{words}; with room again, {one}" for one in _all_come_to_an_end(project, name)]
    return seconds, broken


def _what_it_said(done: CompletedProcess[str], name: str) -> list[str]:
    if "Traceback" in done.stderr:
        return [f"a traceback: {_last(done)}"]
    if not done.returncode:
        return []
    broken = []
    if name == "rm":
        broken.append(f"deleting is what gives room, and it fails: {done.stderr}")
    if done.returncode != 2:
        broken.append("that is no status of a command that could do nothing")
    if "No space left" not in done.stderr or len(done.stderr.strip().splitlines()) > 2:
        broken.append(f"it said {done.stderr!r}")
    return broken


def _all_come_to_an_end(project: Project, name: str) -> list[str]:
    """Every run that is listed ends; one whose worker found no room says so and can be gone on with."""
    runs_dir = project.runs_dir
    project.craft("runs")  # any command starts a runner where one is missing
    broken = []
    for folder in RunStore(runs_dir).folders():
        ended = _until(lambda folder=folder: look_at(folder).phase in ("finished", "failed", "interrupted", "stopped"))
        look = look_at(folder)
        if not ended:
            broken.append(f"{folder.name} is {look.phase} for ever: {look.reason}")
        elif look.phase != "finished":
            _until(lambda folder=folder: not look_at(folder).held)
            on = project.craft("resume", folder.name, timeout=_SECONDS)
            if on.returncode or look_at(folder).phase != "finished":
                broken.append(f"{folder.name} is {look.phase} ({look.reason}), and a resume says {_last(on)}")
    if not _until(lambda: not Queue(runs_dir).entries()):
        broken.append(f"the queue still holds {[entry.run for entry in Queue(runs_dir).entries()]}")
    if (name == "rm") == (runs_dir / "other-001").exists():
        broken.append(f"other-001 is {'still there' if name == 'rm' else 'gone'}")
    return broken


def _until(reached: Callable[[], bool], seconds: float = _SECONDS) -> bool:
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _last(done: CompletedProcess[str]) -> str:
    return " / ".join(done.stderr.strip().splitlines()[-3:])


FULL_DISK_QUEUEING = Fault(
    name="full-disk-queueing",
    what="The disk is full, or full but for some pages or names, while `craft run`, a sweep, `craft resume`, `craft "
    "fork` and `craft rm` make folders and entries",
    promise="One clear line, nothing half made is listed, nothing that was there is changed, deleting works; "
    "with room again the same command does it, and every run that is listed comes to its end",
    times=50,
    run=full_disk_queueing,
    stands_in="the disk is a file system in memory of its own; the workers keep the contract and train nothing, but "
    "the one that trained the run which is forked",
    least=5,
)
