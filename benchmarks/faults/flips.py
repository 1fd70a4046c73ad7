"""Damage to the newest checkpoint of a run: each file of it in turn is flipped, cut or zeroed.

Every time, whoever looks for a checkpoint must name the file and take the one before; now and then a worker is sent
on from there as well, and must end in the same bits.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.faults.damage import KINDS, damaged
from benchmarks.faults.exact_resumes import differences
from benchmarks.faults.fault import Fault, Outcome
from benchmarks.faults.nursery import Nursery
from craft.errors import CheckpointError
from craft.runs import checkpoints
from craft.runs.checkpoints import CheckpointInfo
from craft.runs.events import read_events
from craft.runs.folder import RunFolder
from tests.training import runs

RESUMED_EVERY = 47  # a prime, so that every file has its turn
EVERY = 6  # steps between two checkpoints


@dataclass(frozen=True)
class Subject:
    """A run that was killed on its way, and what it would have come to."""

    folder: RunFolder
    untouched: RunFolder
    newest: CheckpointInfo
    before: CheckpointInfo


def run(times: int, work: Path, *, kinds: Sequence[str]) -> Outcome:
    """Damage that often, in these ways in turn, the files in turn."""
    outcome, rng = Outcome(), random.Random(13)
    resumed, done = 0, Counter[str]()
    with Nursery() as nursery:
        subject = prepare(nursery, work)
        files = sorted(subject.newest.path.iterdir())
        for number in range(times):
            kind, path = kinds[number % len(kinds)], files[number // len(kinds) % len(files)]
            done[kind] += 1
            with damaged(path, kind, rng):
                broken = look(subject, path.name)
                if number % RESUMED_EVERY == RESUMED_EVERY // 2:
                    broken += go_on(nursery, subject, work, path.name)
                    resumed += 1
            outcome.once(*(f"{path.name}, {kind}: {one}" for one in broken))
    outcome.worst = f"{len(outcome.broken) or 'none'} passed unnoticed"
    counts = ", ".join(f"{count} {kind}" for kind, count in done.items())
    outcome.notes = (
        f"{counts}, over the {len(files)} files of a checkpoint; {resumed} of the runs were gone on with, and ended in "
        "the bits of one that was never touched"
    )
    return outcome


def prepare(nursery: Nursery, work: Path) -> Subject:
    """A run that was killed with three checkpoints, of files of some pages each."""
    definition = runs.definition(
        runs.write_text(work / "text.txt"),
        model={"type": "transformer", "num_layers": 1, "num_heads": 2, "hidden_size": 32, "dropout": 0.1},
        training={"max_steps": 10 * EVERY},
        checkpoint={"every": EVERY, "keep": 3},
    )
    untouched, folder = (runs.make_run(work / "runs", definition) for _ in range(2))
    nursery.train(untouched)
    worker = nursery.start(folder)
    while worker.poll() is None:
        if len(checkpoints.list_checkpoints(folder)) >= 3:
            worker.kill()
            worker.wait()
    found = checkpoints.list_checkpoints(folder)
    return Subject(folder, untouched, found[-1], found[-2])


def look(subject: Subject, name: str) -> list[str]:
    """What whoever looks for a checkpoint says now, where it is not what it should."""
    named: dict[int, str] = {}
    found = checkpoints.newest_valid(
        subject.folder, lambda info, problems: named.update({info.step: "; ".join(problems)})
    )
    broken = [] if found == subject.before else [f"step {found and found.step} is taken, not {subject.before.step}"]
    broken += [] if name in named.get(subject.newest.step, "") else [f"it is not named, but '{named}'"]
    if (latest := checkpoints.resolve(subject.folder, "latest")) != subject.before:
        broken.append(f"@latest is step {latest.step}")
    if name not in checkpoints.passed_over(subject.folder, subject.before):
        broken.append("@latest does not say what it passes over")
    try:
        checkpoints.resolve(subject.folder, str(subject.newest.step))
        broken.append(f"@{subject.newest.step} is given")
    except CheckpointError as error:
        if name not in str(error) or str(subject.before.step) not in str(error):
            broken.append(f"@{subject.newest.step} says '{error}'")
    return broken


def go_on(nursery: Nursery, subject: Subject, work: Path, name: str) -> list[str]:
    """Let a worker go on with a copy of the damaged run, to its end."""
    copy = RunFolder(work / "copies" / "runs" / subject.folder.name)
    shutil.copytree(subject.folder.path, copy.path)
    try:
        nursery.train(copy, disturb=1)
        warned = [event["text"] for event in read_events(copy) if event["kind"] == "warning"]
        resumed = [event["step"] for event in read_events(copy) if event["kind"] == "resumed"]
        broken = differences(copy, subject.untouched)
        broken += [] if any(name in text for text in warned) else [f"its worker says {warned}"]
        return broken + ([] if resumed == [subject.before.step] else [f"its worker goes on from {resumed}"])
    finally:
        shutil.rmtree(copy.path)


_PROMISE = (
    "the damaged file is named and the checkpoint before is taken, by whoever looks for one and by a worker that goes "
    "on; nothing is silently wrong"
)
_STANDS_IN = (
    f"one in {RESUMED_EVERY} of the damaged runs is gone on with, by a real worker that was forked from a process "
    "that had imported torch; the others are looked at by what a worker calls to find its checkpoint"
)
FLIPS = Fault(
    name="flips",
    what="one bit of a file of the newest checkpoint flipped, every file in turn",
    promise=_PROMISE,
    times=1000,
    run=partial(run, kinds=("flipped",)),
    stands_in=_STANDS_IN,
)
CUTS = Fault(
    name="cuts",
    what="a file of the newest checkpoint cut short, or zeroed from some byte on, or a page of it zeroed, in turn",
    promise=_PROMISE,
    times=900,
    run=partial(run, kinds=tuple(kind for kind in KINDS if kind != "flipped")),
    stands_in=_STANDS_IN,
)
