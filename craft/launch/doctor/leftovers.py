"""What killed processes left lying: half-made checkpoints, runs and forks, temporaries, trash, stale pointers."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from craft import platform
from craft.analysis.numbers import format_bytes
from craft.launch.doctor.finding import SCRATCH, Finding, Patient, nearest, plural, some
from craft.launch.going_on import child
from craft.launch.queue.dispatch import hold_queue
from craft.launch.queue.entries import Queue
from craft.runs import checkpoints, retention
from craft.runs.disk import disk_use, together
from craft.runs.folder import RunFolder
from craft.runs.liveness import observe
from craft.runs.store import RunStore
from craft.runs.trash import delete, in_trash, temporaries

_ABANDONED = 3600.0  # seconds: nobody makes a run's folder that long
_NUMBERED = re.compile(r"[a-z0-9._-]+-\d{3,7}")
_MADE_FIRST = ({"control", "checkpoints", "experiment.toml"}, {"control", "checkpoints"}, {"control"}, set[str]())
_SCRATCH = re.compile(re.escape(SCRATCH) + r"(\d+)-.+")


def leftovers(patient: Patient) -> Iterable[Finding]:
    """A line a kind. What belongs to a run that lives is left out."""
    runs_dir = patient.runs_dir
    folders = RunStore(runs_dir).folders()
    kinds: list[tuple[str, str, list[Path], Callable[[list[Path]], Iterable[str]]]] = [
        (
            "half-made checkpoint",
            "",
            [p for f in folders for p in _half_made(f)],
            lambda _: _clear_checkpoints(folders),
        ),
        ("half-made run", "", _half_made_runs(runs_dir), lambda _: _remove_half_made_runs(runs_dir)),
        ("half-made fork", "", child.half_made(runs_dir), lambda _: _clear_forks(runs_dir)),
        ("thing in the trash", "things in the trash", in_trash(runs_dir), _empty),
        ("dead temporary", "dead temporaries", _temporaries(runs_dir, folders), _remove_temporaries),
    ]
    found_any = False
    for one, several, found, remove in kinds:
        if found:
            found_any = True
            size = format_bytes(together(map(disk_use, found)).bytes)
            shown = some(_shown(path, runs_dir) for path in found)
            yield Finding(
                "leftovers",
                "warning",
                f"{plural(len(found), one, several)}, {size}: {shown}",
                "craft doctor --fix removes them",
                {"paths": [str(path) for path in found]},
                repair=lambda found=found, remove=remove: remove(found),  # type: ignore[misc]
            )
    if wrong := [folder for folder in folders if _points_wrongly(folder)]:
        found_any = True
        yield Finding(
            "leftovers",
            "warning",
            f"latest.json or best.json of {plural(len(wrong), 'run')} names another checkpoint than the newest or the "
            f"best: {some(folder.name for folder in wrong)}",
            "craft doctor --fix writes them anew; Craft itself reads the checkpoints",
            {"runs": [folder.name for folder in wrong]},
            repair=lambda: _point_again(wrong),
        )
    if not found_any:
        yield Finding("leftovers", "ok", "nothing half made, nothing to tidy up")


def _shown(path: Path, runs_dir: Path) -> str:
    return str(path.relative_to(runs_dir)) if path.is_relative_to(runs_dir) else str(path)


def _is_idle(folder: RunFolder) -> bool:
    """Whether no worker is at a run, here or on another machine."""
    look = observe(folder)
    return not look.held and not look.is_live


@contextlib.contextmanager
def _to_itself(folder: RunFolder) -> Iterator[bool]:
    """With nobody else at the run, as far as that can be had at once. With the queue held too: who looks whether a
    run is taken over must not find it held by us."""
    queue = Queue(folder.path.parent)
    # Where there is none, a full disk may have no room for its lock either.
    with hold_queue(queue) if queue.folder.is_dir() else contextlib.nullcontext():
        lock = platform.FileLock(folder.lock)
        try:
            yield folder.path.is_dir() and _is_idle(folder) and lock.acquire()
        finally:
            lock.release()


# Checkpoints ------------------------------------------------------------------------------------------------------


def _half_made(folder: RunFolder) -> list[Path]:
    set_aside = [info.path for info in checkpoints.list_checkpoints(folder) if info.path.name[0] == "."]
    left = [*checkpoints.half_made(folder), *set_aside]
    return left if left and _is_idle(folder) else []


def _clear_checkpoints(folders: list[RunFolder]) -> Iterator[str]:
    for folder in folders:
        if not _half_made(folder):
            continue
        with _to_itself(folder) as alone:
            if alone:
                checkpoints.clear_up(folder)
                yield f"{folder.name}: cleared up what was half made; its checkpoints stay"


def _points_wrongly(folder: RunFolder) -> bool:
    return _differs(folder) and _is_idle(folder)


def _differs(folder: RunFolder) -> bool:
    """Whether a pointer names another checkpoint than it should, or none."""
    present = checkpoints.list_checkpoints(folder)
    wanted = {"latest": present[-1].step, "best": checkpoints.best_step(folder)} if present else {}
    return any(_pointed_at(folder, name) != step for name, step in wanted.items())


def _pointed_at(folder: RunFolder, name: str) -> int | None:
    """The step that a pointer names; None without one, -1 for one that is damaged."""
    try:
        return int(json.loads((folder.checkpoints / f"{name}.json").read_bytes())["step"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        return -1


def _point_again(folders: list[RunFolder]) -> Iterator[str]:
    for folder in folders:
        with _to_itself(folder) as alone:
            if not alone:
                continue
            checkpoints.point_again(folder)
            if _differs(folder):  # the disk does not take it: what it took is to go
                checkpoints.clear_up(folder)
                continue
            platform.fsync_dir(folder.checkpoints)
            yield f"{folder.name}: latest.json and best.json name the newest and the best again"


# Runs and forks ---------------------------------------------------------------------------------------------------


def _half_made_runs(runs_dir: Path) -> list[Path]:
    """Folders that a killed command took a name for and never made a run of: no identity, and nothing trained."""
    try:
        folders = [path for path in runs_dir.iterdir() if _NUMBERED.fullmatch(path.name) and not path.is_symlink()]
    except OSError:
        return []
    return [path for path in folders if path.is_dir() and _is_half_made(path)]


def _is_half_made(path: Path) -> bool:
    if time.time() - path.stat().st_mtime < _ABANDONED or (path.parent / ".craft" / "forks" / path.name).exists():
        return False
    if {one.name for one in path.iterdir() if one not in platform.dead_temporaries(path)} not in _MADE_FIRST:
        return False
    return not any(any((path / name).iterdir()) for name in ("control", "checkpoints") if (path / name).is_dir())


def _remove_half_made_runs(runs_dir: Path) -> Iterator[str]:
    for path in _half_made_runs(runs_dir):
        shutil.rmtree(path)
        yield f"removed {path.name}, of which no run was made"


def _clear_forks(runs_dir: Path) -> list[str]:
    return [f"removed the half-made fork {name}" for name in child.clear_up(runs_dir)]


# Files ------------------------------------------------------------------------------------------------------------


def _temporaries(runs_dir: Path, folders: list[RunFolder]) -> list[Path]:
    of_machine = (platform.state_dir(), platform.slots_dir())
    found = [*temporaries(runs_dir), *(path for place in of_machine for path in platform.dead_temporaries(place))]
    for folder in folders:
        dead = retention.temporaries(folder)
        found += dead if dead and _is_idle(folder) else []
    for place in {nearest(runs_dir), nearest(platform.state_dir()), nearest(platform.slots_dir())}:
        for path in place.glob(f"{SCRATCH}*"):
            match = _SCRATCH.fullmatch(path.name)
            if match and platform.start_ticks(int(match[1])) is None:
                found.append(path)
    return found


def _remove_temporaries(found: list[Path]) -> Iterator[str]:
    for path in found:
        delete(path)
    yield f"removed {plural(len(found), 'dead temporary', 'dead temporaries')}"


def _empty(found: list[Path]) -> Iterator[str]:
    size = format_bytes(together(map(disk_use, found)).bytes)
    for path in found:
        delete(path)
    yield f"emptied the trash: {size}"
