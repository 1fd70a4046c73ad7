"""Deleting runs and checkpoints, and tidying up: only what nobody trains, waits with, or is just about to start.

The queue's lock and then the run's, as a start takes them: a start at the same moment comes before or after, and
never into the middle.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from craft import platform
from craft.config.definition import load_definition
from craft.config.initial_weights import parse_source
from craft.errors import CraftError, RunBusyError, RunError
from craft.launch.going_on import child
from craft.launch.queue.dispatch import was_taken_over
from craft.launch.queue.entries import Queue
from craft.runs import trash
from craft.runs.checkpoints import CheckpointInfo
from craft.runs.folder import RunFolder, load_identity
from craft.runs.groups import remove_if_empty
from craft.runs.liveness import host_elsewhere, observe
from craft.runs.manifest import STEP_FOLDER
from craft.runs.retention import Tidying, remove_step, tidy, why_it_stays
from craft.runs.store import RunStore

# A run is made before it is queued: seconds in which one that has said nothing yet belongs to a command that is at it.
_JUST_MADE = 60.0
_PATIENCE = 20.0  # seconds that another command may have the queue: far more than it takes


def why_not(folder: RunFolder) -> str:
    """Why a run is not to be touched, in words and with what to do; empty when it may be deleted or tidied up.

    Only who holds the locks knows it for certain, so it is asked again then. Raises RunError for what is no run.
    """
    if folder.path.is_symlink():
        return (
            f"{folder.path} is a link to {folder.path.resolve()}, and links are not followed: name the folder itself, "
            "or remove the link by hand"
        )
    folder.require(definition=False)
    observed = observe(folder)
    if host := host_elsewhere(folder, observed.status):
        return f"{folder.name}: the machine {host} says that it trains it, and only there can it be stopped"
    if waits(folder):
        return f"{folder.name} waits in the queue; 'craft stop {folder.name}' takes it out"
    if observed.held:
        return f"{folder.name} is {observed.phase}, and its worker lives; 'craft stop {folder.name}' ends it"
    if platform.is_locked(folder.lock):  # by what a worker left behind
        return f"{folder.name} is {observed.phase}: {observed.reason}; 'craft stop {folder.name} --now' ends it"
    made_ago = time.time() - folder.run_json.stat().st_mtime
    if observed.phase == "queued" and abs(made_ago) < _JUST_MADE:
        return f"{folder.name} was made {max(made_ago, 0):.0f} s ago, and a command is about to queue it"
    return ""


def waits(folder: RunFolder) -> bool:
    """Whether a run is in the queue, also while its worker is being started."""
    queued = any(entry.run == folder.name for entry in Queue(folder.path.parent).entries())
    return queued and not was_taken_over(folder)


@dataclass(frozen=True)
class _Locks:
    queue: platform.FileLock
    run: platform.FileLock


@contextlib.contextmanager
def _held(folder: RunFolder) -> Iterator[_Locks]:
    """Both locks for the block, which may let go of the queue's sooner. Raises RunBusyError."""
    locks = _Locks(Queue(folder.path.parent).lock(), platform.FileLock(folder.lock))
    with contextlib.ExitStack() as stack:
        stack.callback(locks.run.release)
        stack.callback(locks.queue.release)
        with _unless_full():
            if not locks.queue.acquire(_PATIENCE):
                raise RunBusyError(f"{locks.queue.path} has been locked by another process for {_PATIENCE:.0f} s")
        if reason := why_not(folder):
            raise RunBusyError(reason)
        with _unless_full():
            if not locks.run.acquire(0.0):
                raise RunBusyError(f"{folder.name}: another process has just taken it; nothing was deleted")
        yield locks


@contextlib.contextmanager
def _unless_full() -> Iterator[None]:
    """A full disk has no room for a lock file that was never needed, and so nobody holds it: deleting goes on."""
    try:
        yield
    except OSError as error:
        if error.errno not in trash.FULL:
            raise


def remove_run(folder: RunFolder, known_as: str = "") -> None:
    """Delete a run with all that is in it. Out of sight at once; a kill leaves the rest to the next tidying.

    `known_as`: the id of the run that was meant, where time has passed since. Raises RunBusyError when it may not be
    deleted, RunError when the disk does not let it go.
    """
    runs_dir, place = folder.path.parent, None
    try:
        with _held(folder) as locks:
            identity, _ = load_identity(folder)
            if known_as and identity is not None and identity.id != known_as:
                raise RunBusyError(f"{folder.name} is another run by now: it was deleted and made again meanwhile")
            place = trash.move_to_trash(folder.path, runs_dir)
            if identity is not None and identity.group:
                remove_if_empty(runs_dir, identity.group)
            with contextlib.suppress(OSError):
                Queue(runs_dir).drop([folder.name])  # what a runner that was killed left of an earlier start
            locks.queue.release()  # the run's is held until its last file is gone
            trash.delete(place)
    except OSError as error:
        if place is None:
            raise RunError(f"{folder.path}: cannot be deleted: {error.strerror}") from error
        raise RunError(
            f"{folder.name} is out of the list, but not all of it can be deleted: {error.strerror}: "
            f"{error.filename or place}; 'craft prune' tries it again"
        ) from error


def remove_checkpoint(folder: RunFolder, step: int) -> None:
    """Delete the checkpoint of a step. Raises CheckpointError when it has to stay, RunBusyError as `remove_run`."""
    try:
        with _held_for_long(folder):
            remove_step(folder, step)
    except OSError as error:
        raise RunError(f"{folder.name}@{step}: cannot be deleted: {error.strerror}") from error


def why_not_checkpoint(folder: RunFolder, step: int) -> str:
    """Why the checkpoint of a step is not to be deleted; empty when it may go. Raises CheckpointError for none."""
    if reason := why_not(folder):
        return reason
    if reason := why_it_stays(folder, step):
        return f"{folder.name}@{step} stays: {reason}"
    return ""


def prune_run(plan: Tidying, keep: int, wanted: Collection[int]) -> list[CheckpointInfo]:
    """Do what was planned for a run: the checkpoints that are gone. Raises RunBusyError as `remove_run`."""
    try:
        with _held_for_long(plan.folder):
            return tidy(plan, keep, wanted)
    except OSError as error:
        raise RunError(f"{plan.folder.path}: cannot be tidied up: {error.strerror}") from error


@contextlib.contextmanager
def _held_for_long(folder: RunFolder) -> Iterator[None]:
    """The run's lock for as long as checkpoints are read: no start comes past it, and nobody else has to wait."""
    with _held(folder) as locks:
        if locks.run.held:
            locks.queue.release()
        yield


def strays(runs_dir: Path) -> list[Path]:
    """What crashes left beside the runs: half-deleted ones, half-made forks, files of writers that were killed."""
    return [*trash.strays(runs_dir), *child.half_made(runs_dir)]


def clear_strays(runs_dir: Path) -> list[str]:
    """Delete them; in words, what cannot be deleted and why."""
    problems = trash.empty_trash(runs_dir)
    try:
        child.clear_up(runs_dir)
    except OSError as error:
        problems.append(f"{error.filename}: {error.strerror}")
    return problems


# Who leans on a run -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Leaning:
    """What a waiting run needs of another."""

    waiting: str
    """The run that waits."""
    ends: bool = False
    """It begins when the other has ended."""
    weights: str = ""
    """"latest", "best" or a step: the other's weights are its first ones."""

    def __str__(self) -> str:
        what = ["waits for its end"] if self.ends else []
        what += [f"starts from its weights (@{self.weights})"] if self.weights else []
        return f"{self.waiting}, which is queued, {' and '.join(what)}"


@dataclass(frozen=True)
class Leanings:
    """Who of the queue leans on which run."""

    by_run: dict[Path, list[Leaning]] = field(default_factory=dict)

    def of(self, folder: RunFolder) -> list[Leaning]:
        """Those that lean on a run."""
        return self.by_run.get(folder.path, [])

    def steps(self, folder: RunFolder) -> set[int]:
        """The steps of a run whose checkpoints somebody waits to start from."""
        return {int(one.weights) for one in self.of(folder) if one.weights.isdecimal()}


def leanings(runs_dir: Path) -> Leanings:
    """Which runs the queue of a runs folder needs."""
    found = Leanings()
    for entry in Queue(runs_dir).entries():
        after = {runs_dir / wait.run for wait in entry.after}
        source = _weights_of(RunFolder(runs_dir / entry.run))
        for path in after | ({source[0]} if source else set()):
            weights = source[1] if source and source[0] == path else ""
            found.by_run.setdefault(path, []).append(Leaning(entry.run, path in after, weights))
    return found


def _weights_of(folder: RunFolder) -> tuple[Path, str] | None:
    """The run, and which of its checkpoints, that a waiting run takes its first weights from."""
    try:
        text = load_definition(folder.definition)[1].init_from
        source = parse_source(text) if text else None
    except (CraftError, OSError, ValueError):
        return None  # its worker will say what is wrong with it
    if source is None or source.kind == "hub":
        return None
    if source.kind == "path":
        path = Path(source.name)
        if step := STEP_FOLDER.fullmatch(path.name):
            return path.parent.parent, str(int(step[1]))
        return path, source.which or "latest"
    store = RunStore(folder.path.parent)
    pattern = re.compile(rf"{re.escape(source.name)}(-\d{{3,}})?")
    named = [one for one in store.folders() if pattern.fullmatch(one.name) and one.path != folder.path]
    newest = max(named, key=lambda one: (one.name == source.name, len(one.name), one.name), default=None)
    return (newest.path, source.which or "latest") if newest is not None else None
