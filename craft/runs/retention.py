"""What a run may lose without losing its work: older checkpoints, and what a crash left half made.

The best checkpoint and the newest whole ones stay, and where the best is damaged, the best whole one as well. A damaged
one stays while fewer whole ones than are to be kept are newer: nobody knows yet what it is worth.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from craft import platform
from craft.errors import CheckpointError
from craft.runs import checkpoints
from craft.runs.checkpoints import CheckpointInfo, best_steps, list_checkpoints, verify
from craft.runs.disk import DiskUse, disk_use, together
from craft.runs.folder import RunFolder


@dataclass(frozen=True)
class Tidying:
    """What one run keeps and loses."""

    folder: RunFolder
    keeps: dict[int, str] = field(default_factory=dict)
    """Step -> why it stays: "best", "newest", "wanted", "damaged"."""
    goes: list[CheckpointInfo] = field(default_factory=list)
    leftovers: list[Path] = field(default_factory=list)
    """Half-made checkpoints and files that killed writers left."""

    @property
    def use(self) -> DiskUse:
        """What all that goes takes of the disk."""
        return together(disk_use(path) for path in (*(info.path for info in self.goes), *self.leftovers))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.goes and not self.leftovers


def plan_tidying(folder: RunFolder, keep: int, wanted: Collection[int] = ()) -> Tidying:
    """What goes when the best checkpoint and the `keep` newest whole ones stay, and those that others want.

    Changes nothing. Only what has checkpoints to lose is verified, which reads the newest of them and the best whole.
    """
    present = list_checkpoints(folder)
    keeps = {info.step: "wanted" for info in present if info.step in wanted}
    best_first = best_steps(folder)
    keeps |= dict.fromkeys(best_first[:1], "best")
    # Where nothing could go even if all are whole, none needs to be read.
    if all(info.step in keeps for info in present[:-keep]):
        keeps = {info.step: "newest" for info in present} | keeps
        return Tidying(folder, dict(sorted(keeps.items())), [], leftovers(folder))
    places = {info.step: info.path for info in present}
    is_whole = cache(lambda step: step in places and not verify(places[step]))
    if best_first and not is_whole(best_first[0]):
        keeps[best_first[0]] = "damaged"
        keeps |= {step: "best" for step in [next(filter(is_whole, best_first), None)] if step is not None}
    goes, missing = [], keep
    for info in reversed(present):
        if missing:
            keeps.setdefault(info.step, "newest" if is_whole(info.step) else "damaged")
            missing -= is_whole(info.step)
        elif info.step not in keeps:
            goes.append(info)
    return Tidying(folder, dict(sorted(keeps.items())), goes[::-1], leftovers(folder))


def leftovers(folder: RunFolder) -> list[Path]:
    """Half-made checkpoints, and temporary files of processes that are dead. They mean nothing while nobody trains."""
    return [*checkpoints.half_made(folder), *temporaries(folder)]


def temporaries(folder: RunFolder) -> list[Path]:
    """What killed writers left in a run's folder."""
    return [path for place in (folder.path, folder.control) for path in platform.dead_temporaries(place)]


def tidy(plan: Tidying, keep: int, wanted: Collection[int] = ()) -> list[CheckpointInfo]:
    """Do what was planned, as far as it still holds: which checkpoints are gone. Call with the run's lock held.

    Raises OSError for the first thing that cannot be deleted.
    """
    checkpoints.clear_up(plan.folder)
    for place in (plan.folder.path, plan.folder.control):
        platform.remove_dead_temporaries(place)
    planned = {info.step for info in plan.goes}
    goes = [info for info in plan_tidying(plan.folder, keep, wanted).goes if info.step in planned]
    for info in goes:
        checkpoints.remove_checkpoint(info)
    return goes


def why_it_stays(folder: RunFolder, step: int) -> str:
    """Why the checkpoint of a step is not to be deleted, in words; empty when it may go.

    Raises CheckpointError when there is none.
    """
    present = list_checkpoints(folder)
    found = next((info for info in present if info.step == step), None)
    if found is None:
        there = ", ".join(str(info.step) for info in present)
        raise CheckpointError(
            f"{folder.name} has no checkpoint of step {step}; " + (f"there are: {there}" if there else "it has none")
        )
    best_first = best_steps(folder)
    if step in best_first[:1]:
        return "it is the best one"
    newer = [info for info in present if info.step > step]
    if verify(found.path):
        return ""  # nothing can be gone on from it, whatever its place
    if step in best_first:
        places = {info.step: info.path for info in present}
        better = sorted(other for other in best_first[: best_first.index(step)] if other in places)
        if all(verify(places[other]) for other in better):
            return f"it is the best whole one: {_are_damaged(better)}"
    if not all(verify(info.path) for info in reversed(newer)):
        return ""
    if not newer:
        return "it is the newest one, from which the run would go on"
    return f"it is the newest whole one: {_are_damaged([info.step for info in newer])}"


def _are_damaged(steps: list[int]) -> str:
    return f"{', '.join(map(str, steps))} {'is' if len(steps) == 1 else 'are'} damaged"


def remove_step(folder: RunFolder, step: int) -> None:
    """Delete the checkpoint of a step. Call with the run's lock held.

    Raises CheckpointError when it is gone or has to stay, OSError when the disk does not let it go.
    """
    if why := why_it_stays(folder, step):
        raise CheckpointError(f"{folder.name}@{step} stays: {why}")
    checkpoints.clear_up(folder)
    for info in list_checkpoints(folder):
        if info.step == step:
            checkpoints.remove_checkpoint(info)
    checkpoints.point_again(folder)
