"""The queue: what waits there and cannot begin, and what should wait there and does not."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from craft import platform
from craft.errors import CraftError, RunError
from craft.launch.doctor.entries_again import entry_again
from craft.launch.doctor.finding import Finding, Patient, plural, some
from craft.launch.queue.dispatch import ensure_runner, has_work, hold_queue, runner_lock
from craft.launch.queue.entries import Queue
from craft.runs.folder import RunFolder, load_identity
from craft.runs.liveness import observe
from craft.runs.status import read_status
from craft.runs.store import RunStore

_LOOKS, _BETWEEN = 10, 0.1  # and seconds
_JUST_MADE = 60.0  # seconds in which a command that made a run may not yet have queued it


def queue(patient: Patient) -> Iterable[Finding]:
    """Entries without a run, damaged entries, runs that fell out, and whether somebody starts what waits."""
    runs_dir = patient.runs_dir
    waiting = Queue(runs_dir)
    entries = waiting.entries()
    yield from _stuck(waiting)
    gone, damaged, lost = _without_a_run(waiting), _damaged(waiting), _fallen_out(runs_dir)
    if gone:
        yield Finding(
            "queue",
            "warning",
            f"{plural(len(gone), 'place')} of runs that are gone: {some(gone)}",
            "craft doctor --fix drops them",
            {"runs": gone},
            repair=lambda: _drop(waiting),
        )
    if damaged:
        yield Finding(
            "queue",
            "fault",
            f"{plural(len(damaged), 'damaged entry', 'damaged entries')}: {some(damaged)}",
            "craft doctor --fix writes them anew for the runs that wait, and moves the others out",
            {"files": damaged},
            repair=lambda: _mend(waiting),
        )
    if lost:
        yield Finding(
            "queue",
            "fault",
            f"{plural(len(lost), 'run')} queued, but in no queue: {some(folder.name for folder in lost)}",
            "craft doctor --fix puts them back, the oldest first, and they wait until you let them begin",
            {"runs": [folder.name for folder in lost]},
            repair=lambda: _put_back(runs_dir),
        )
    if not entries:
        if not (gone or damaged or lost):
            yield Finding("queue", "ok", "nobody waits", details={"waiting": 0})
        return
    details = {"waiting": len(entries), "paused": waiting.is_paused()}
    text = f"{plural(len(entries), 'run waits', 'runs wait')}"
    if waiting.is_paused():
        yield Finding("queue", "warning", f"{text}, and the queue is paused", "'craft queue go' goes on", details)
    elif has_work(waiting) and not platform.is_locked(runner_lock(runs_dir).path):
        advice = "the next craft command that looks at these runs starts one; so does craft doctor --fix"
        text += ", and no runner is there to start them"
        yield Finding("queue", "warning", text, advice, details, repair=lambda: _start_runner(runs_dir))
    else:
        yield Finding("queue", "ok", text, details=details)


def _stuck(waiting: Queue) -> Iterable[Finding]:
    """Whether one process keeps the queue to itself: a step that takes milliseconds."""
    path = waiting.lock().path
    for _ in range(_LOOKS):
        if not platform.is_locked(path):
            return
        time.sleep(_BETWEEN)
    pids = [pid for pid, _ in platform.lock_holders(path)]
    who = f"process {some(map(str, pids))}" if pids else "a process"
    suspended = [pid for pid in pids if platform.is_suspended(pid)]
    text = f"{who} keeps the queue locked, so nothing begins" + (", and is suspended" if suspended else "")
    advice = f"`kill -CONT {suspended[0]}` lets it go on" if suspended else f"look at {who}, and end it if it hangs"
    yield Finding("queue", "fault", text, advice, {"processes": pids})


def _without_a_run(waiting: Queue) -> list[str]:
    return [entry.run for entry in waiting.entries() if not (waiting.runs_dir / entry.run / "run.json").exists()]


def _drop(waiting: Queue) -> list[str]:
    with hold_queue(waiting):
        return [f"dropped the place of {run}, which is gone" for run in waiting.drop(_without_a_run(waiting))]


def _damaged(waiting: Queue) -> list[str]:
    """Names of files among the entries that hold none. A run's name is part of its entry's."""
    try:
        names = sorted(name for name in os.listdir(waiting.folder) if name[0] != ".")  # noqa: PTH208
    except OSError:
        return []
    known = {entry.run for entry in waiting.entries()}
    return [name for name in names if _run_of(name) not in known]


def _run_of(name: str) -> str:
    return name[21:].removesuffix(".json") if name[:20].isdecimal() and name[20:21] == "-" else ""


def _mend(waiting: Queue) -> Iterator[str]:
    with hold_queue(waiting):
        for name in _damaged(waiting):
            folder = RunFolder(waiting.runs_dir / (_run_of(name) or "."))
            if _run_of(name) and _should_wait(folder):
                entry, lost = entry_again(folder, waiting.folder / name)
                if waiting.change(entry):
                    yield f"wrote the entry of {folder.name} anew, in its place{lost}"
                    continue
            (waiting.folder / name).rename(waiting.folder.parent / f"damaged-{name}")
            yield f"moved {name} out of the queue, to {waiting.folder.parent.name}/damaged-{name}"


def _should_wait(folder: RunFolder) -> bool:
    status = read_status(folder)
    return status is not None and status.phase == "queued" and not observe(folder).held


def _fallen_out(runs_dir: Path) -> list[RunFolder]:
    """Runs that were queued once and are not any more, the oldest first."""
    waiting = Queue(runs_dir)
    known = {entry.run for entry in waiting.entries()} | {_run_of(name) for name in _damaged(waiting)}
    others = [folder for folder in RunStore(runs_dir).folders() if folder.name not in known]
    lost = [folder for folder in others if _should_wait(folder) and _age(folder.status) > _JUST_MADE]
    # Again: one that waited a moment ago may have begun, or been taken out.
    known = {entry.run for entry in waiting.entries()}
    lost = [folder for folder in lost if folder.name not in known and _should_wait(folder)]
    return sorted(lost, key=_made)


def _put_back(runs_dir: Path) -> Iterator[str]:
    waiting = Queue(runs_dir)
    left = []
    with hold_queue(waiting):
        for folder in _fallen_out(runs_dir):
            try:
                entry, lost = entry_again(folder)
            except CraftError as error:
                left.append(f"{folder.name}: {error}")
                continue
            waiting.add([entry])
            yield f"put {folder.name} back into the queue{lost}"
    ensure_runner(runs_dir)
    if left:
        raise RunError(f"left out of the queue: {'; '.join(left)}")


def _start_runner(runs_dir: Path) -> list[str]:
    ensure_runner(runs_dir)
    return ["started a runner"]


def _age(path: Path) -> float:
    """Seconds since a file was written; none since for one that is gone or of the future."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _made(folder: RunFolder) -> tuple[float, str]:
    identity, _ = load_identity(folder)
    return (identity.created if identity else 0.0, folder.name)
