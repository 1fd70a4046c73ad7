"""What the faults around commands share: a project whose workers wait instead of training, terminals that hang up."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from craft import platform
from craft.launch.queue.dispatch import runner_lock
from craft.runs.folder import RunFolder
from craft.runs.jsonl import read_lines
from tests.launch.project import EXPERIMENTS, FAKE, Project

STAND_INS, ROOT = Path(__file__).parent / "stand_ins", Path(__file__).parents[2]
# The root too, so that what is started belongs to this very tree, wherever Craft is installed from.
PATHS = os.pathsep.join(map(str, (STAND_INS, FAKE, ROOT)))
WORKBENCH = [sys.executable, "-m", "workbench.app", "experiments.toml"]
MANY = """
[experiment.many]
sweep = { seeds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] }
"""


@contextlib.contextmanager
def project(place: Path, *, step_seconds: float = 0.01, **more: str) -> Iterator[Project]:
    """A project with workers that wait, and `more` in the environment of all that is started in it.

    What was started in it is ended with it.
    """
    made = Project(place, fake=True, experiments=EXPERIMENTS + MANY, step_seconds=step_seconds)
    made.environment |= {"PYTHONPATH": PATHS, "CRAFT_FAULT_WORKER": "fake_worker", **more}
    try:
        yield made
    finally:
        made.end()
        kill_all(started_in(place))


def kill_all(processes: list[psutil.Process]) -> None:
    """SIGKILL, and wait until they are gone."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)


def started_in(place: Path) -> list[psutil.Process]:
    """Living processes that were started in a folder: by where they stand, or by what they were told."""
    found = []
    for process in psutil.process_iter(["cwd", "cmdline", "status"]):
        if process.pid == os.getpid() or process.info["status"] == psutil.STATUS_ZOMBIE:
            continue
        words = [process.info["cwd"] or "", *(process.info["cmdline"] or [])]
        if any(word == str(place) or word.startswith(f"{place}{os.sep}") for word in words):
            found.append(process)
    return found


def runner_of(runs_dir: Path, *, at_work: bool = True) -> int | None:
    """The runner of a runs folder, if there is one; `at_work`: only one that holds the runner's lock."""
    if at_work and not platform.is_locked(runner_lock(runs_dir).path):
        return None
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if (
            "craft.launch.queue.runner" in words
            and str(runs_dir) in words
            and process.info["status"] != psutil.STATUS_ZOMBIE
        ):
            return int(process.pid)
    return None


def until(what: Callable[[], Any], seconds: float = 60.0, *, look_every: float = 0.01) -> bool:
    """Whether it became true in time; the time is only there to end what hangs."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(look_every)
    return True


def left_behind(place: Path, seconds: float = 15.0) -> list[str]:
    """What still runs in a folder although it should have left by itself, in words for an outcome."""
    if until(lambda: not started_in(place), seconds, look_every=0.2):
        return []
    return [f"left behind: {' '.join(process.cmdline())}" for process in started_in(place)]


class Terminal:
    """A program in a terminal of its own, which can be closed under it."""

    def __init__(self, words: list[str], project: Project) -> None:
        self.written = b""
        kept = {name: value for name, value in project.environment.items() if name != "COLUMNS"}
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(project.folder)
                os.execve(words[0], words, kept)
            finally:
                os._exit(127)
        self._open = True

    def read_for(self, seconds: float, until: Callable[[bytes], Any] = lambda written: False) -> bool:
        """Take what it writes for so long, or until that holds; whether it did."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._terminal], [], [], min(left, 0.05))[0]:
                try:
                    self.written += os.read(self._terminal, 65_536)
                except OSError:  # it has ended
                    return bool(until(self.written))
            if until(self.written):
                return True
        return False

    def hang_up(self) -> None:
        """Close the terminal: the kernel sends SIGHUP, and every read and write of it fails from now on."""
        os.close(self._terminal)
        self._open = False

    def has_ended(self, seconds: float = 10.0) -> bool:
        """Whether the program ends by itself in time."""
        ended = until(self._collect, seconds)
        if ended and self._open:
            self.hang_up()
        return ended

    def kill(self) -> bool:
        """SIGKILL at this instant, and no trace of it afterwards; False when it had ended by itself."""
        was_killed = False
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            was_killed = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]) == -signal.SIGKILL
            self.pid = 0
        if self._open:
            self.hang_up()
        return was_killed

    def _collect(self) -> bool:
        if self.pid and os.waitpid(self.pid, os.WNOHANG)[0]:
            self.pid = 0
        return self.pid == 0


def acknowledged(written: bytes) -> list[str]:
    """The runs that `craft run` named in its terminal."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", written.decode(errors="replace"))
    return re.findall(r"^([a-z]+-\d+)  ", plain, re.MULTILINE)


def gaps(folder: RunFolder, *, finished: bool) -> list[str]:
    """What shows in a run's curve that something happened to it: it was to be trained once, from its first step on."""
    found = []
    records = read_lines(folder.metrics)
    events = read_lines(folder.events)
    steps = [record["step"] for record in records if "train/loss" in record]
    if steps != list(range(1, len(steps) + 1)):
        found.append(f"{folder.name}: its curve has a gap or a step twice")
    if any("resumed_from" in record for record in records):
        found.append(f"{folder.name}: it was begun a second time")
    started = sum(event["kind"] == "started" for event in events)
    if started > 1 or (finished and started != 1):
        found.append(f"{folder.name}: it was started {started} times")
    if finished and sum(event["kind"] == "finished" for event in events) != 1:
        found.append(f"{folder.name}: it did not end once")
    return found
