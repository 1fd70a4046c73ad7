"""Numbers of processes that mean somebody else by now: after a restart of the machine, or on another machine.

A stranger is a real process that does nothing, leads a group of its own, and would die of any signal that Craft sends.
It takes the very number that a worker had: Linux lets the superuser choose the number of a new process.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.hang_ups import seen_by_another_command
from benchmarks.faults.stage import project, runner_of, until
from craft import platform
from craft.config.experiments import load_experiments
from craft.errors import RunError
from craft.launch import workers
from craft.launch.create import create_runs
from craft.launch.going_on.resume import plan_resume
from craft.launch.queue import dispatch, slots
from craft.launch.queue.entries import Entry, Queue
from craft.launch.remove import why_not
from craft.runs.events import read_events
from craft.runs.folder import RunFolder
from craft.runs.json_files import encode_file, read_object
from craft.runs.liveness import observe
from craft.runs.status import Status, StatusWriter
from tests.launch.project import Project

_CLONE3 = {"x86_64": 435, "aarch64": 435}  # linux/unistd.h
_COMMANDS_EVERY = 5
_REFUSED = (("kill",), ("resume",), ("rm", "--yes"), ("stop", "--now"))
_VERBS = (("stop",), ("stop", "--now"), ("kill",), ("pause",), ("checkpoint",), ("rm",))


class Stranger:
    """A process that has nothing to do with any run."""

    def __init__(self, pid: int) -> None:
        """With this number, or as one that the kernel chooses where it cannot be had."""
        program = [sys.executable, "-S", "-c", "import time; time.sleep(3600)"]
        self.pid = _fork_as(pid)
        if self.pid == 0:
            try:
                os.setsid()
                os.chdir("/")
                os.execve(program[0], program, {})
            finally:
                os._exit(127)
        self.has_the_number = self.pid == pid
        until(lambda: os.getpgid(self.pid) == self.pid, 10.0)

    @property
    def was_hit(self) -> bool:
        """Whether a signal ended it or holds it up."""
        state = Path(f"/proc/{self.pid}/stat").read_bytes().rpartition(b") ")[2][:1]
        return state not in (b"S", b"R", b"D")

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def _fork_as(pid: int) -> int:
    """A fork with this number; with another where the kernel does not give it."""
    number = _CLONE3.get(os.uname().machine)
    if sys.platform == "linux" and number:
        chosen = (ctypes.c_int * 1)(pid)
        # struct clone_args of linux/sched.h: exit_signal is the fifth, set_tid and its size are the ninth and tenth.
        arguments = (ctypes.c_uint64 * 11)(0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(chosen), 1, 0)
        forked: int = ctypes.CDLL(None, use_errno=True).syscall(number, arguments, ctypes.sizeof(arguments))
        if forked >= 0:
            return forked
    return os.fork()


@contextlib.contextmanager
def stranger(pid: int) -> Iterator[Stranger]:
    """One, for the block."""
    one = Stranger(pid)
    try:
        yield one
    finally:
        one.end()


def make(stage: Project, name: str, steps: int = 1_000_000) -> RunFolder:
    """A run, ready to be queued."""
    planned = load_experiments(stage.folder / "experiments.toml").plan([name], [f"training.max_steps={steps}"])
    (folder,) = create_runs(stage.runs_dir, planned)
    return folder


def begin(stage: Project, folder: RunFolder) -> platform.ProcessIdentity:
    """Start a worker for it in the machine's slot, as the queue does."""
    (slot,) = slots.slots_for("cpu")
    StatusWriter(folder).write(phase="queued")
    environment = {**stage.environment, "CRAFT_SLOT": str(slot.path)}
    words = [sys.executable, "-P", "-m", "fake_worker", str(folder.path)]
    pid = platform.spawn_detached(words, folder.log, environment)
    process = platform.ProcessIdentity.of(pid, pgid=pid)
    with slots.handing_out():
        slot.give(folder.path, process)
    assert until(lambda: observe(folder).phase == "running", 30.0), folder.log.read_text()
    return process


def restart(times: int, work: Path) -> Outcome:
    """So many times the machine goes while one run trains and one waits, and the worker's number is a stranger's."""
    outcome, same_number = Outcome(), 0
    with project(work / "project") as stage:
        for number in range(times):
            trained, waiting = make(stage, "tiny"), make(stage, "other")
            process = begin(stage, trained)
            StatusWriter(waiting).write(phase="queued")
            queue = Queue(stage.runs_dir)
            with dispatch.hold_queue(queue):
                queue.add([Entry(waiting.name, "cpu", 1, time.time())])
            os.killpg(process.pid, signal.SIGKILL)
            platform.reap()
            until(lambda process=process: not Path(f"/proc/{process.pid}").exists() or platform.reap(), 10.0)
            with stranger(process.pid) as innocent:
                same_number += innocent.has_the_number
                _forge(trained, process, innocent, other_boot=number % 2 == 0)
                by_command = number % _COMMANDS_EVERY == 0
                broken = _look_and_touch(trained)
                broken += _commands(stage, trained, _VERBS[number % len(_VERBS)]) if by_command else _wake(stage)
                if not until(lambda waiting=waiting: observe(waiting).phase == "running", 30.0):
                    broken.append(f"what waited is {observe(waiting).phase}")
                if not workers.kill(waiting) or not until(lambda waiting=waiting: not observe(waiting).held, 10.0):
                    broken.append("a run that really trains could not be killed")
                if by_command:
                    broken += _end(stage, trained, resume=number % 2 == 0)
                elif not plan_resume(trained, []).max_steps or why_not(trained):
                    broken.append("it cannot be resumed or removed")
                if innocent.was_hit:
                    broken.append("the stranger was hit")
            outcome.once(*(f"{number}: {one}" for one in broken))
    outcome.worst = "a stranger was hit" if any("was hit" in one for one in outcome.broken) else "none was signalled"
    outcome.notes = f"{same_number} strangers had the very number of the worker"
    return outcome


def _forge(folder: RunFolder, process: platform.ProcessIdentity, innocent: Stranger, *, other_boot: bool) -> None:
    """What a restart would have made of the files: the worker's number is the stranger's, the boot another one.

    Without `other_boot` only the time when the process began tells the two apart; with it not even that.
    """
    (slot,) = slots.slots_for("cpu")
    note = slot.path.with_suffix(".json")
    changes: dict[str, object] = {"pid": innocent.pid, "pgid": innocent.pid}
    if other_boot:
        changes |= {"boot_id": "0" * 8 + process.boot_id[8:], "start_ticks": platform.start_ticks(innocent.pid)}
        status = read_object(folder.status)
        folder.status.write_bytes(encode_file({**status, "clock": status["clock"] + 1e6}))
    folder.owner.write_bytes(encode_file({**read_object(folder.owner), **changes}))
    given = read_object(note)
    note.write_bytes(encode_file({**given, "process": {**given["process"], **changes}}))


def _look_and_touch(folder: RunFolder) -> list[str]:
    """What is seen of a run whose worker is gone, and what comes of touching it."""
    broken = []
    if observe(folder).phase != "interrupted" or observe(folder).held:
        broken.append(f"shown as {observe(folder).phase}")
    if workers.kill(folder):
        broken.append("something was killed")
    with contextlib.suppress(RunError):
        workers.ask_to_stop(folder)
        broken.append("something was asked to stop")
    return broken


def _wake(stage: Project) -> list[str]:
    """Start a runner, as every command does that finds runs waiting."""
    words = [sys.executable, "-P", "-m", dispatch.RUNNER, str(stage.runs_dir)]
    platform.spawn_detached(words, stage.runs_dir / ".craft" / "runner.log", stage.environment)
    return []


def _commands(stage: Project, folder: RunFolder, verb: tuple[str, ...]) -> list[str]:
    """What commands see of it and do with it."""
    broken = []
    if (seen := seen_by_another_command(stage).get(folder.name)) != "interrupted":
        broken.append(f"another command shows it as {seen}")
    said = stage.craft(verb[0], folder.name, *verb[1:])
    if said.returncode != 2 or "Traceback" in said.stderr or not said.stderr.strip():
        broken.append(f"craft {' '.join(verb)} ended with {said.returncode}: {said.stderr}")
    return broken


def _end(stage: Project, trained: RunFolder, *, resume: bool) -> list[str]:
    """Let it go on, or away."""
    broken = []
    until(lambda: runner_of(stage.runs_dir) is None, 10.0, look_every=0.1)
    if resume:
        steps = observe(trained).status.step + 5
        done = stage.craft("resume", trained.name, f"training.max_steps={steps}")
        if done.returncode or sum(event["kind"] == "resumed" for event in read_events(trained)) != 1:
            broken.append(f"it could not be resumed: {done.stderr}")
    else:
        done = stage.craft("rm", trained.name, "--yes")
        if done.returncode or trained.path.exists():
            broken.append(f"it could not be removed: {done.stderr}")
    return broken


def elsewhere(times: int, work: Path) -> Outcome:
    """So many runs of another machine, whose worker has the number of a stranger here."""
    outcome = Outcome()
    with project(work / "project") as stage, stranger(os.getpid()) as innocent:
        for number in range(times):
            folder = make(stage, "tiny")
            host = _claim_from_elsewhere(folder, innocent, number)
            broken = []
            with platform.FileLock(folder.lock) if number % 3 == 0 else contextlib.nullcontext():
                observed = observe(folder)
                if observed.phase != "running" or (number % 3 and host not in observed.reason):
                    broken.append(f"shown as {observed.phase}: {observed.reason}")
                workers.ask_to_stop(folder)
                if len(list(folder.control.iterdir())) != 1:
                    broken.append("the request to stop does not lie in its folder")
                if workers.kill(folder):
                    broken.append("something was killed")
                words = _REFUSED[number % len(_REFUSED)]
                said = stage.craft(words[0], folder.name, *words[1:])
                if said.returncode != 2 or "Traceback" in said.stderr or not said.stderr.strip():
                    broken.append(f"craft {' '.join(words)} ended with {said.returncode}: {said.stderr}")
                if (seen := seen_by_another_command(stage).get(folder.name)) != "running":
                    broken.append(f"another command shows it as {seen}")
            if innocent.was_hit:
                broken.append("the stranger was hit")
            outcome.once(*(f"{number}: {one}" for one in broken))
    outcome.worst = "none was signalled" if not outcome.broken else "see below"
    return outcome


def _claim_from_elsewhere(folder: RunFolder, innocent: Stranger, number: int) -> str:
    """Write what its worker wrote there, a machine of another name or of the same; returns how it is called here."""
    host = platform.hostname() if number % 2 else "elsewhere"
    now = time.time()
    status = Status(phase="running", step=7, max_steps=100, host=host, updated=now - 3, progressed=now - 3, clock=12.0)
    there = replace(
        platform.ProcessIdentity.of(innocent.pid, pgid=innocent.pid), host=host, boot_id="another", namespace=""
    )
    folder.owner.write_bytes(encode_file({**there.as_json(), "machine": "another machine's"}))
    folder.status.write_bytes(encode_file(asdict(status)))
    return host


REBOOT = Fault(
    name="reboot",
    what="the machine restarts while one run trains and one waits (simulated: another boot's files, or only a reused "
    "number), and a stranger has the worker's number; with stop, kill, pause, checkpoint, resume and rm at hand",
    promise="never shown as running, the stranger is never signalled, the waiting run begins, the other one can be "
    "resumed or removed",
    times=100,
    run=restart,
    least=6,
    stands_in="no machine was restarted; the workers keep the contract and train nothing, and the strangers are "
    "processes of this machine that only sleep",
)
OTHER_HOST = Fault(
    name="other-host",
    what="runs that another machine trains, of another name or of the same, with the number of a process here as owner",
    promise="shown by its claim, asked by a file only, never signalled, and neither resumed nor removed",
    times=50,
    run=elsewhere,
    least=5,
    stands_in="there is no other machine and no network between: the files are written here as its worker writes them",
)
