"""Deleting and tidying up: first what would go and who leans on it, then the deed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from craft.analysis.numbers import format_bytes
from craft.errors import CraftError
from craft.launch.doomed import Doomed, Looked, doomed, look_over
from craft.launch.remove import clear_strays, leanings, prune_run, strays, why_not
from craft.runs.disk import disk_use, free_space, together
from craft.runs.folder import RunFolder
from craft.runs.store import RunStore
from workbench.verbs.telling import Telling

_SHOWN = 8


@dataclass(frozen=True)
class Deletion:
    """What would be deleted."""

    runs: list[Doomed]
    left_alone: list[str] = field(default_factory=list)
    """Why others are not."""
    leaning: list[str] = field(default_factory=list)
    """What waits for one of them."""
    forks: list[str] = field(default_factory=list)
    """Runs that were forked from one of them; they hold all they need."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it may go."""
        return not self.runs

    @property
    def why_nothing(self) -> str:
        """What is said then."""
        return "\n".join(self.left_alone[:_SHOWN])

    @property
    def question(self) -> str:
        """What is asked."""
        if len(self.runs) == 1:
            return f"Delete {self.runs[0].name} for good?"
        return f"Delete {len(self.runs)} runs for good?"

    @property
    def detail(self) -> str:
        """What goes, what that frees, and what it means to others."""
        freed = format_bytes(together(one.use for one in self.runs).freed)
        lines = [f"All of its checkpoints, curves and logs go: {freed} become free."]
        if len(self.runs) > 1:
            lines = [f"With all checkpoints, curves and logs: {freed} become free.", _some([o.name for o in self.runs])]
        lines += self.leaning[:_SHOWN]
        if self.forks:
            lines.append(f"forked from it, and whole without it: {_some(self.forks)}")
        lines += [f"left alone: {why}" for why in self.left_alone[:_SHOWN]]
        return "\n".join(lines)


def plan_deletion(folders: Sequence[RunFolder]) -> Deletion:
    """Look at what would go. Changes nothing."""
    runs, left_alone, leaning = [], [], []
    for folder in folders:
        try:
            why = why_not(folder)
        except CraftError as error:
            why = str(error)
        if why:
            left_alone.append(why)
        else:
            runs.append(doomed(folder))
    names = {one.folder.name for one in runs}
    forks: list[str] = []
    for runs_dir in dict.fromkeys(one.folder.path.parent for one in runs):
        known = leanings(runs_dir)
        leaning += [f"{one.name}: {other}" for one in runs for other in known.of(one.folder)]
        forks += [run.name for run in RunStore(runs_dir).list() if run.parent_run in names and run.name not in names]
    return Deletion(runs, left_alone, leaning, forks)


def delete(plan: Deletion, told: Telling) -> None:
    """Do what was planned, as far as it still may be."""
    gone = []
    for one in plan.runs:
        try:
            one.delete()
            gone.append(one)
        except CraftError as error:
            told.refuse(str(error))
    if gone:
        what = gone[0].name if len(gone) == 1 else f"{len(gone)} runs"
        told.say(f"deleted {what}, {_free(gone[0].folder.path.parent)}")


@dataclass(frozen=True)
class Pruning:
    """What tidying up would take."""

    runs_dir: Path
    doing: list[Looked]
    left_alone: int
    strays: list[Path]
    steps: dict[Path, set[int]]
    """Checkpoints that somebody waits to start from, by the run's folder."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.doing and not self.strays

    @property
    def why_nothing(self) -> str:
        """What is said then."""
        others = f"; {self.left_alone} that train, wait or cannot be read are left alone" if self.left_alone else ""
        return f"there is nothing to tidy up{others}"

    @property
    def question(self) -> str:
        """What is asked."""
        count = sum(len(one.plan.goes) for one in self.doing if one.plan)
        runs = len(self.doing)
        return f"Delete {count} older checkpoint{'s' * (count != 1)} of {runs} run{'s' * (runs != 1)}?"

    @property
    def detail(self) -> str:
        """What stays and what goes."""
        freed = together([*(one.plan.use for one in self.doing if one.plan), *map(disk_use, self.strays)]).freed
        lines = [f"The best and the newest of each run stay. {format_bytes(freed)} become free."]
        for one in self.doing[:_SHOWN]:
            assert one.plan is not None
            kept = ", ".join(f"{step} {why}" for step, why in one.plan.keeps.items())
            lines.append(f"{one.folder.name}: {len(one.plan.goes)} go; stay: {kept or 'none'}")
        if len(self.doing) > _SHOWN:
            lines.append(f"and {len(self.doing) - _SHOWN} more runs")
        if self.strays:
            count = len(self.strays)
            lines.append(f"{count} thing{'s' * (count != 1)} that crashes left go too")
        if self.left_alone:
            lines.append(f"left alone: {self.left_alone} that train, wait or cannot be read")
        return "\n".join(lines)


def plan_pruning(runs_dir: Path, folders: Sequence[RunFolder]) -> Pruning:
    """Look at what runs would lose. Changes nothing."""
    wanted = leanings(runs_dir)
    steps = {folder.path: wanted.steps(folder) for folder in folders}
    looked = [look_over(folder, 1, None, steps[folder.path]) for folder in folders]
    doing = [one for one in looked if one.plan and not one.plan.is_empty]
    return Pruning(runs_dir, doing, sum(bool(one.why_not) for one in looked), strays(runs_dir), steps)


def prune(plan: Pruning, told: Telling) -> None:
    """Do what was planned."""
    for problem in clear_strays(plan.runs_dir):
        told.refuse(problem)
    gone = 0
    for one in plan.doing:
        assert one.plan is not None
        try:
            gone += len(prune_run(one.plan, 1, plan.steps[one.folder.path]))
        except CraftError as error:
            told.refuse(str(error))
    told.say(f"{gone} checkpoint{'s' * (gone != 1)} deleted, {_free(plan.runs_dir)}")


def _free(place: Path) -> str:
    free = free_space(place)
    return f"{format_bytes(free)} are free now" if free is not None else "done"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
