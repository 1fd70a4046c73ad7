"""A fork's folder: all of its parent up to the fork, by itself, so that the parent may go.

It is put together in `runs/.craft/forks` and takes its place by a rename: what lies among the runs is whole. Its lock
is held meanwhile, so what a kill left half made is known, and removed by the next fork.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform as python_platform
import re
import shutil
import time
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import craft
from craft import platform
from craft.config.definition import definition_hash, dump_definition
from craft.errors import CheckpointError, RunError
from craft.launch.create import copy_code, git_commit
from craft.launch.going_on.edited import Edited
from craft.launch.going_on.meaning import CHOSEN, changes_between
from craft.runs import manifest
from craft.runs.changes import write_changes
from craft.runs.checkpoints import CheckpointInfo, commit_checkpoint
from craft.runs.events import append_event, read_samples
from craft.runs.folder import RunFolder, RunIdentity, digest_of, read_identity, slug
from craft.runs.json_files import decode_object, encode_line
from craft.runs.status import StatusWriter

# Seconds after which something half made that nobody holds is no fork that has only just begun.
_ABANDONED = 5.0
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Birth:
    """All that a fork's folder is made of."""

    parent: RunFolder
    checkpoint: CheckpointInfo
    experiment: str
    edited: Edited
    anew: list[str]
    """The parts of the checkpoint that start anew."""
    state: dict[str, Any]
    """The values of the checkpoint's training state."""
    max_steps: int
    """0 while that is not known."""


def make_child(birth: Birth) -> RunFolder:
    """Make the folder. It is whole when it appears, on disk when this returns, and not queued yet.

    Raises RunError, with nothing left behind, when the disk does not take it, CheckpointError when the checkpoint is
    not what was written.
    """
    runs_dir = birth.parent.path.parent
    with contextlib.suppress(OSError):
        clear_up(runs_dir)
    forks = _forks(runs_dir)
    try:
        platform.make_dir_durable(forks)
        building = RunFolder(forks / f".{os.urandom(8).hex()}")
        building.path.mkdir()
        lock = platform.FileLock(building.lock)
        try:
            assert lock.acquire(1.0), "nobody else knows of it yet"
            _fill(birth, building)
            for folder in (building.path, *(path for path in building.path.rglob("*") if path.is_dir())):
                platform.fsync_dir(folder)
            return _put(building.path, runs_dir, slug(birth.experiment))
        except BaseException:
            shutil.rmtree(building.path, ignore_errors=True)
            raise
        finally:
            lock.release()
    except OSError as error:
        raise RunError(f"{runs_dir}: a fork's folder cannot be made there: {error.strerror or error}") from error


def _put(building: Path, runs_dir: Path, stem: str) -> RunFolder:
    """Give a whole folder the next free name. The name is taken by `mkdir`, as every run's is."""
    forks = _forks(runs_dir)
    numbered = re.compile(re.escape(stem) + r"-(\d{1,7})")
    names = [path.name for folder in (runs_dir, forks) for path in folder.iterdir()]
    number = max((int(found[1]) for name in names if (found := numbered.fullmatch(name))), default=0)
    while True:
        number += 1
        named, place = forks / f"{stem}-{number:03d}", runs_dir / f"{stem}-{number:03d}"
        if place.exists() or not _take(building, named):
            continue
        building = named
        try:
            platform.fsync_dir(forks)  # a crash leaves the empty folder only beside one that says whose it is
            place.mkdir()
        except FileExistsError:
            continue
        except BaseException:
            shutil.rmtree(named, ignore_errors=True)
            raise
        try:
            platform.rename(named, place)
            platform.fsync_dir(runs_dir)
        except BaseException:
            shutil.rmtree(named, ignore_errors=True)
            with contextlib.suppress(OSError):
                place.rmdir()
            raise
        return RunFolder(place)


def _take(building: Path, named: Path) -> bool:
    """Rename what is built; False when another fork has that name."""
    try:
        platform.rename(building, named)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _forks(runs_dir: Path) -> Path:
    return runs_dir / ".craft" / "forks"


def half_made(runs_dir: Path) -> list[Path]:
    """The forks that were killed while they were made: what `clear_up` removes. Raises OSError."""
    forks = _forks(runs_dir)
    return [path for path in sorted(forks.iterdir()) if _is_dead(path)] if _is_own_dir(forks) else []


def _is_dead(building: Path) -> bool:
    place, lock = building.parents[2] / building.name, building / "worker.lock"
    if not _is_own_dir(building) or (not lock.exists() and _is_young(building)):
        return False
    if _is_empty(place) and _is_young(place):
        return False  # it may be somebody else's new run; the next one to look sees it again
    return not platform.is_locked(lock)


def _is_own_dir(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def clear_up(runs_dir: Path) -> list[str]:
    """Remove the forks that were killed while they were made; returns their names. Raises OSError."""
    removed = []
    for building in half_made(runs_dir):
        place, lock = runs_dir / building.name, platform.FileLock(building / "worker.lock")
        if not lock.acquire():
            continue
        try:
            with contextlib.suppress(OSError):  # a run of that name that is somebody's is not empty
                place.rmdir()
            shutil.rmtree(building)
            removed.append(building.name)
        finally:
            lock.release()
    return removed


def _is_empty(path: Path) -> bool:
    try:
        return not any(path.iterdir())
    except OSError:
        return False


def _is_young(path: Path) -> bool:
    try:
        return abs(time.time() - path.stat().st_mtime) < _ABANDONED
    except OSError:
        return True


def _fill(birth: Birth, folder: RunFolder) -> None:
    """Everything but the name. `run.json` comes last: without it, this is no run."""
    parent, config, step = birth.parent, birth.edited.planned.config, birth.checkpoint.step
    folder.control.mkdir()
    folder.checkpoints.mkdir()
    text = dump_definition(birth.experiment, config, runs_dir=parent.path.parent).encode()
    platform.write_file_durable(folder.definition, text)
    copy_code(birth.edited.planned, folder)
    copy_metrics(parent.metrics, folder.metrics, step)
    samples = [encode_line(sample) for sample in read_samples(parent) if sample["step"] <= step]
    if samples:
        platform.write_file_durable(folder.samples, b"".join(samples))
    write_changes(folder, [change for change in birth.edited.live if change.step <= step])
    digest = _copy_checkpoint(birth, folder)
    changes = {path: list(pair) for path, pair in changes_between(birth.edited.before, birth.edited.after).items()}
    append_event(folder, "forked", run=parent.name, step=step, anew=birth.anew, changes=changes)
    platform.fsync_file(folder.events)
    _claim(birth, folder)
    identity = replace(_identity(birth, digest), definition_sha256=digest_of(text))
    platform.write_file_durable(folder.run_json, identity.as_json())


def _identity(birth: Birth, digest: str) -> RunIdentity:
    parent, edited, step = read_identity(birth.parent), birth.edited, birth.checkpoint.step
    config, source = edited.planned.config, edited.planned.source.absolute()
    own = source == birth.parent.definition.absolute()
    given = {path: new for path, (_, new) in changes_between(edited.own, config).items()}
    begins = step if "data" in birth.anew else parent.fork.get("data_begins", 0)
    return RunIdentity(
        experiment=birth.experiment,
        seed=config.seed,
        created=time.time(),
        source=parent.source if own else str(source),
        overrides=parent.overrides | parent.axes | given if own else {},
        parent_run=birth.parent.name,
        parent_step=step,
        fork={
            "path": str(birth.parent.path),
            "id": parent.id,
            "anew": birth.anew,
            "checkpoint": digest,
            "data_begins": begins,
            "fingerprint": birth.state["trainer"]["fingerprint"],
        },
        versions={**parent.versions, "craft": craft.__version__, "python": python_platform.python_version()},
        git_commit=parent.git_commit if own else git_commit(source.parent),
        definition_hash=definition_hash(config),
        data_hash=parent.data_hash,
        initial=parent.initial,
        chosen=_chosen(birth, parent.chosen),
    )


def _chosen(birth: Birth, chosen: dict[str, Any]) -> dict[str, Any]:
    """What `auto` chose for the parent, for the same bits; where the choice is another's, it is made anew."""
    changed = changes_between(birth.edited.own, birth.edited.planned.config)
    if any(path in changed for path in CHOSEN):
        return {}
    if "training.batch_size" in changed and chosen:
        size = birth.edited.planned.config.training
        micro = size.batch_size if size.micro_batch_size == "auto" else size.micro_batch_size
        return {**chosen, "micro_batch_size": micro}
    return chosen


def _claim(birth: Birth, folder: RunFolder) -> None:
    """Where it stands before it begins: at its parent's step."""
    best = _measured(birth)
    writer = StatusWriter(folder)
    writer.write(
        phase="stopped",
        step=birth.checkpoint.step,
        max_steps=birth.max_steps,
        tokens=int(birth.state["loop"]["tokens"]),
        seconds=birth.state["trainer"].get("seconds"),
        val_loss=_measured(birth, "val/loss"),
        best=best,
        best_step=None if best is None else birth.checkpoint.step,
        message=f"forked from {birth.parent.name} at step {birth.checkpoint.step}, and not started yet",
        durable=True,
    )
    if writer.failed_writes:
        raise RunError(f"{folder.status}: the disk does not take it")


def _measured(birth: Birth, figure: str | None = None) -> float | None:
    """A figure of the checkpoint, without a name the one that decides which is best; None where it was not measured, or
    on a text that is not the child's."""
    trainer = birth.state["trainer"]
    if "figures" in birth.anew or trainer["evaluated_step"] != birth.checkpoint.step:
        return None
    found = trainer["evaluated"].get(figure or birth.edited.planned.config.checkpoint.monitor)
    return float(found) if isinstance(found, int | float) else None


def _copy_checkpoint(birth: Birth, folder: RunFolder) -> str:
    """The checkpoint as the child's own, every file as its parent's manifest has it; the sha256 of its manifest."""
    source, settings = birth.checkpoint.path, birth.edited.planned.config.checkpoint
    try:
        known = manifest.read_manifest(source)

        def write(place: Path) -> None:
            for name in known.files:
                shutil.copyfile(source / name, place / name)

        place = commit_checkpoint(
            folder,
            birth.checkpoint.step,
            write,
            monitor_value=_measured(birth),
            mode=settings.mode,
            monitor=settings.monitor,
        )
    except (FileNotFoundError, ValueError) as error:
        raise CheckpointError(
            f"{birth.parent.name}: its checkpoint of step {birth.checkpoint.step} went while it was copied; "
            "take one that is there"
        ) from error
    if manifest.read_manifest(place).files != known.files:
        raise CheckpointError(f"{source}: damaged: a copy of it is not what was written")
    return manifest.file_digest(place / manifest.NAME)


def copy_metrics(source: Path, target: Path, step: int) -> None:
    """Copy the records up to a step, those that a resume superseded left out; on disk when this returns.

    Of a long log only places are kept in memory.
    """
    steps, starts, ends = array("q"), array("q"), array("q")
    place = 0
    with contextlib.suppress(FileNotFoundError), source.open("rb") as log:
        for line in log:
            start, place = place, place + len(line)
            try:
                record = decode_object(line) if line.endswith(b"\n") else {}
            except ValueError:
                continue
            back, at = record.get("resumed_from"), record.get("step")
            if isinstance(back, int | float) and not isinstance(back, bool):
                while steps and steps[-1] > back:
                    del steps[-1], starts[-1], ends[-1]
            elif isinstance(at, int) and not isinstance(at, bool) and abs(at) < 1 << 62:
                steps.append(at)
                starts.append(start)
                ends.append(place)
        with target.open("xb") as copy:
            for start, end in _joined(zip(steps, starts, ends, strict=True), step):
                log.seek(start)
                while start < end:
                    start += copy.write(log.read(min(_CHUNK, end - start)))
    if target.exists():
        platform.fsync_file(target)


def _joined(records: Iterable[tuple[int, int, int]], step: int) -> Iterator[tuple[int, int]]:
    """Where records up to a step lie, neighbours taken together."""
    first = last = 0
    for at, start, end in records:
        if at > step:
            continue
        if start != last:
            yield first, last
            first = start
        last = end
    yield first, last
