"""Damage to everything in a run's folder that is no checkpoint, and to the queue: what then is said, and by whom.

These files are for people as much as for programs. What decides how a run goes on is sealed by a hash, so that a digit
that turned into another one is damage as well; in logs and claims nobody can tell, and how often that came about is
stated.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults.damage import KINDS, damaged, replaced
from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.flips import prepare
from benchmarks.faults.nursery import Nursery
from craft.config.definition import load_definition
from craft.errors import CraftError
from craft.launch.follow import look_at
from craft.launch.going_on.resume import plan_resume
from craft.launch.queue.dispatch import waiting_runs, why_queued
from craft.launch.queue.entries import Entry, Queue
from craft.runs import checkpoints
from craft.runs.changes import Change, read_changes, write_changes
from craft.runs.events import EventWriter, read_events, read_samples
from craft.runs.folder import RunFolder, definition_fault, load_identity, read_identity
from craft.runs.groups import group_file, read_group, take_group_name, write_group
from craft.runs.jsonl import LineReader
from craft.runs.lock import read_owner
from craft.runs.metrics import MetricsReader
from craft.runs.status import load_status
from craft.runs.store import RunStore
from tests.training import runs

COMMANDS_EVERY, WORKER_EVERY = 23, 29  # primes, so that every file has its turn
# What a worker reads; the others are for those who look on.
READ_BY_WORKERS = ("run.json", "status.json", "metrics.jsonl", "changes.json", "experiment.toml", "latest.json")
IMPOSSIBLE = (b"0", b"1e999")  # numbers of slots that read well, and that nothing can be done with
SEALED = ("run.json", "changes.json", "experiment.toml")

Reading = Callable[[], tuple[Any, str | None]]
"""What a file holds, and what is said to be wrong with it."""


@dataclass
class Scene:
    """A run that was killed on its way, another that waits in the queue, and all that can be damaged of them."""

    folder: RunFolder
    waiting: RunFolder
    runs: int
    latest: checkpoints.CheckpointInfo
    files: dict[Path, Reading]


def prepare_scene(nursery: Nursery, work: Path) -> Scene:
    """Everything that a run may have, in small."""
    folder = prepare(nursery, work).folder
    runs_dir = folder.path.parent
    step = checkpoints.list_checkpoints(folder)[0].step
    write_changes(folder, [Change(step, time.time(), "a-request", {"optimizer.lr": 0.01}, {"optimizer.lr": 0.02})])
    for number in range(5):
        EventWriter(folder).sample(step=number, prompt="def ", text="the quick brown fox " * 4)
    waiting = runs.make_run(runs_dir, load_definition(folder.definition)[1])
    queue = Queue(runs_dir)
    queue.pause()  # the commands below would start it
    queue.add([Entry(waiting.name, "cpu", 1, time.time())])
    os.utime(waiting.path, (time.time() - 3600,) * 2)  # a run that was just made may not be in the queue yet
    (entry,) = queue.folder.iterdir()
    group = take_group_name(runs_dir, "sweep")
    write_group(runs_dir, group, [folder.name, waiting.name], runs_dir / "experiments.toml")
    files: dict[Path, Reading] = {
        folder.run_json: lambda: load_identity(folder),
        folder.definition: lambda: read_definition(folder),
        folder.status: lambda: load_status(folder),
        folder.owner: lambda: (read_owner(folder), None if read_owner(folder) else "owner.json: nobody is signalled"),
        folder.metrics: lambda: lines(LineReader(folder.metrics), lambda: read_metrics(folder)),
        folder.events: lambda: lines(LineReader(folder.events), lambda: read_events(folder)),
        folder.samples: lambda: lines(LineReader(folder.samples), lambda: read_samples(folder)),
        folder.changes: lambda: said(lambda: read_changes(folder)),
        folder.checkpoints / "latest.json": lambda: said(lambda: checkpoints.resolve(folder, "latest")),
        folder.checkpoints / "best.json": lambda: said(lambda: checkpoints.resolve(folder, "best")),
        group_file(runs_dir, group): lambda: said(lambda: read_group(runs_dir, group)),
        entry: lambda: queued(queue, waiting),
    }
    return Scene(folder, waiting, len(RunStore(runs_dir).list()), checkpoints.resolve(folder, "latest"), files)


def said(read: Callable[[], Any]) -> tuple[Any, str | None]:
    """What is read, or what is said instead."""
    try:
        return read(), None
    except CraftError as error:
        return None, str(error)


def read_definition(folder: RunFolder) -> tuple[Any, str | None]:
    """What a run is to do; a text that is not as it was written is told by whoever goes on with it."""
    value, fault = said(lambda: load_definition(folder.definition))
    return value, fault or definition_fault(folder, read_identity(folder))


def lines(reader: LineReader, read: Callable[[], Any]) -> tuple[Any, str | None]:
    """What a log holds; lines that cannot be read are counted."""
    reader.poll()
    return read(), f"{reader.damaged} lines of {reader.path.name} are damaged" if reader.damaged else None


def read_metrics(folder: RunFolder) -> Any:
    """The records that count."""
    reader = MetricsReader(folder.metrics)
    reader.poll()
    return reader.records


def queued(queue: Queue, waiting: RunFolder) -> tuple[Any, str | None]:
    """Who waits; a run that waits in vain must be shown as something else than queued."""
    entries = queue.entries()
    look = look_at(waiting, reasons=why_queued(waiting.path.parent))  # not as they were a moment ago
    if any(entry.run == waiting.name for entry in entries) or look.phase == "queued":
        return entries, None
    return entries, look.reason


def run(times: int, work: Path) -> Outcome:
    """Damage that often, the files and the ways in turn."""
    outcome, rng = Outcome(), random.Random(17)
    unnoticed, commands, workers = Counter[str](), 0, 0
    with Nursery() as nursery:
        scene = prepare_scene(nursery, work)
        whole = {path: read() for path, read in scene.files.items()}
        for number in range(times):
            path, turn = list(scene.files)[number % len(scene.files)], number // len(scene.files)
            value = None
            if path.parent.name == "queue":  # each second time, a number that cannot be
                turn, value = turn // 2, IMPOSSIBLE[turn // 2 % len(IMPOSSIBLE)] if turn % 2 else None
            kind = list(KINDS)[turn % len(KINDS)] if value is None else f"cpu_slots {value.decode()}"
            with replaced(path, b'"cpu_slots": 1', b'"cpu_slots": ' + value) if value else damaged(path, kind, rng):
                broken, noticed = look(scene, path, whole[path][0])
                if value and not noticed:
                    broken.append("nobody noticed")
                elif not noticed:
                    unnoticed[path.name if path.parent.name != "queue" else "a queue entry"] += 1
                if number % COMMANDS_EVERY == 0 or value:
                    broken += run_commands(scene)
                    commands += 1
                if number % WORKER_EVERY == 0 and path.name in READ_BY_WORKERS:
                    broken += send_worker(nursery, scene, work, path)
                    workers += 1
            outcome.once(*(f"{path.name}, {kind}: {one}" for one in broken))
    values = ", ".join(f"{count} in {name}" for name, count in unnoticed.most_common())
    outcome.worst = (
        f"{unnoticed.total()} turned a letter or a digit into another, which nobody can tell from a right one"
    )
    outcome.notes = (
        f"unseen: {values or 'nothing'}; `craft runs`, `status` and `queue` were called {commands} times, "
        f"and a worker was sent {workers} times"
    )
    return outcome


def look(scene: Scene, path: Path, whole: Any) -> tuple[list[str], bool]:
    """What does not hold, and whether it is noticed that the file is damaged (or the damage changed nothing)."""
    try:
        value, fault = scene.files[path]()
        listed = {summary.name: summary for summary in RunStore(scene.folder.path.parent).list()}
        _, refused = said(lambda: plan_resume(scene.folder, []))
        waiting_runs(scene.folder.path.parent)
        latest = checkpoints.resolve(scene.folder, "latest")
    except Exception as error:
        return [f"{type(error).__name__}: {error}"], True
    broken = []
    if fault is not None and path.name not in fault and path.parent.name != "queue":
        broken.append(f"what is said does not name it: {fault}")
    if fault is not None and path in (scene.folder.run_json, scene.folder.status):
        reason = listed[scene.folder.name].reason if scene.folder.name in listed else "nothing"
        if path.name not in reason or "\n" in reason:
            broken.append(f"the list of runs says {reason!r}")
    if len(listed) != scene.runs:
        broken.append(f"listed are {', '.join(listed)}")
    may_refuse = (*READ_BY_WORKERS, "owner.json")  # a host's name with another letter is another machine's
    if refused is not None and path.name not in may_refuse:
        broken.append(f"it cannot be resumed: {refused}")
    if latest != scene.latest:
        broken.append(f"@latest is step {latest.step}")
    noticed = fault is not None or value == whole
    if not noticed and path.name in SEALED:
        broken.append("nobody noticed")
    return broken, noticed


def run_commands(scene: Scene) -> list[str]:
    """What commands do that is not answering, or refusing in words."""
    craft, runs_dir = str(Path(sys.executable).with_name("craft")), str(scene.folder.path.parent)
    broken = []
    for arguments in (["runs"], ["status", scene.folder.name], ["queue"]):
        command = [craft, *arguments, "--runs-dir", runs_dir]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 2) or "Traceback" in done.stderr:
            broken.append(f"craft {' '.join(arguments)} ends with {done.returncode}: {done.stderr[-500:]}")
    return broken


def send_worker(nursery: Nursery, scene: Scene, work: Path, path: Path) -> list[str]:
    """Let a worker go on with a copy of the run: it trains to the end, or says in the run's folder what is wrong."""
    copy = RunFolder(work / "copies" / "runs" / scene.folder.name)
    shutil.copytree(scene.folder.path, copy.path)
    try:
        status = nursery.start(copy).wait()
        claim, fault = load_status(copy)
        log = copy.log.read_text()
        ended = (
            claim is not None and (claim.phase, bool(claim.error)) == (("finished", False), ("failed", True))[status]
        )
        if status not in (0, 1) or fault or not ended or "Traceback" in log:
            return [f"its worker ends with {status}, and the claim is {claim or fault}: {log[-500:]}"]
        return []
    finally:
        shutil.rmtree(copy.path)


DAMAGED_RECORDS = Fault(
    name="damaged-records",
    what=(
        "run.json, experiment.toml, status.json, owner.json, metrics, events, samples, changes.json, the pointers to "
        "checkpoints, a group or a queue entry flipped, cut or zeroed, in turn; in a queue entry also a number of "
        "slots that cannot be"
    ),
    promise=(
        "nothing crashes; what cannot be read is named in a word, in run.json, changes.json and experiment.toml every "
        "flipped digit too; all else about the run is still read and shown, and a worker goes on, or says in the run's "
        "folder why it does not"
    ),
    times=600,
    run=run,
    stands_in="each time the files are read by the calls that commands make; the commands themselves, and a real "
    "worker that was forked from a process that had imported torch, had so many of the turns as is said below",
)
