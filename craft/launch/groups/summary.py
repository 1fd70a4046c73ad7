"""A sweep summed up: its runs, its points over their seeds, the best of it, and how long is left."""

from __future__ import annotations

import heapq
import json
import math
import statistics
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from craft.config.toml_values import dotted, leaves
from craft.launch.follow import look_at
from craft.launch.queue.dispatch import why_queued
from craft.runs.changes import held_now
from craft.runs.folder import RunFolder, load_identity
from craft.runs.groups import Group
from craft.runs.json_files import read_object
from craft.runs.liveness import Observed
from craft.runs.status import Status

SEED = "seed"


@dataclass(frozen=True)
class Member:
    """One run of a group."""

    folder: RunFolder
    axes: dict[str, Any]
    """What distinguishes it, by dotted path, its seed among them where seeds were swept."""
    observed: Observed
    moved: dict[str, Any] = field(default_factory=dict)
    """What it trains with by now of what distinguishes it: a resume or a live change gave it another value."""

    @property
    def best(self) -> float | None:
        """The best value of the monitored figure so far."""
        value = self.observed.status.best
        return value if value is not None and math.isfinite(value) else None

    @property
    def point(self) -> dict[str, Any]:
        """What it has in common with the runs that differ from it only in their seed."""
        return {path: value for path, value in self.axes.items() if path != SEED}


@dataclass(frozen=True)
class Point:
    """The runs of a group that differ in nothing but their seed."""

    axes: dict[str, Any]
    runs: int
    finished: int
    """Of these the figures are: a run that still trains has not come to its best."""
    mean: float | None
    spread: float | None
    """The standard deviation of one run, from two finished ones on."""
    best: float | None


@dataclass(frozen=True)
class Summary:
    """A group at one look."""

    group: Group
    members: list[Member]
    gone: list[str]
    """Runs that were removed since."""
    phases: dict[str, int]
    monitor: str
    mode: str
    """Whether the monitored figure should be small ("min") or large ("max")."""
    best: Member | None
    points: list[Point]
    left_seconds: float | None
    """Until those that train and wait have finished, at as many at once as now; None where nothing can be said."""

    @property
    def has_seeds(self) -> bool:
        """Whether some point has several runs."""
        return any(point.runs > 1 for point in self.points)


def summarize(group: Group, reasons: Mapping[str, str] | None = None) -> Summary:
    """Sum a group up. `reasons`: what `why_queued` gave for its folder, where several groups are looked at."""
    folders = group.folders()
    reasons = why_queued(group.runs_dir) if reasons is None else reasons
    members = [_member(folder, reasons) for folder in folders]
    there = {folder.name for folder in folders}
    monitor, mode = _monitored(folders)
    phases: dict[str, int] = {}
    for member in members:
        phases[member.observed.phase] = phases.get(member.observed.phase, 0) + 1
    return Summary(
        group,
        members,
        [run for run in group.runs if run not in there],
        phases,
        monitor,
        mode,
        _best(members, mode),
        _points(members, mode),
        _left(members),
    )


def _member(folder: RunFolder, reasons: Mapping[str, str]) -> Member:
    identity, _ = load_identity(folder)
    axes = identity.axes if identity is not None else {}
    now = _settings(folder)
    moved = {path: now[path] for path, value in axes.items() if path in now and now[path] != value}
    return Member(folder, axes, look_at(folder, reasons=reasons), moved)


def _settings(folder: RunFolder) -> dict[str, Any]:
    """What a run trains with by now, by dotted path; nothing where its definition cannot be read."""
    try:
        (table,) = tomllib.loads(folder.definition.read_text(encoding="utf-8"))["experiment"].values()
        return {dotted(path): value for path, value in leaves(table).items()} | held_now(folder)
    except (OSError, ValueError, KeyError, AttributeError, RecursionError):
        return {}


def _monitored(folders: Sequence[RunFolder]) -> tuple[str, str]:
    """The figure that decides which checkpoint is best, as the first readable definition of a group has it."""
    for folder in folders:
        try:
            (settings,) = tomllib.loads(folder.definition.read_text()).get("experiment", {}).values()
            checkpoint = settings.get("checkpoint", {})
            return str(checkpoint.get("monitor", "val/loss")), str(checkpoint.get("mode", "min"))
        except (OSError, ValueError, AttributeError, RecursionError):
            continue
    return "val/loss", "min"


def _best(members: Iterable[Member], mode: str) -> Member | None:
    measured = [member for member in members if member.best is not None]
    sign = -1.0 if mode == "max" else 1.0
    return min(measured, key=lambda member: sign * (member.best or 0.0), default=None)


def _points(members: Sequence[Member], mode: str) -> list[Point]:
    by_point: dict[str, list[Member]] = {}
    for member in members:
        if member.moved:
            continue  # it is of no point any more
        by_point.setdefault(json.dumps(member.point, sort_keys=True), []).append(member)
    return [_sum_up(runs, mode) for runs in by_point.values()]


def _sum_up(runs: Sequence[Member], mode: str) -> Point:
    values = [run.best for run in runs if run.observed.phase == "finished" and run.best is not None]
    best = _best(runs, mode)
    return Point(
        runs[0].point,
        len(runs),
        len(values),
        statistics.fmean(values) if values else None,
        statistics.stdev(values) if len(values) > 1 else None,
        best.best if best is not None else None,
    )


def _left(members: Sequence[Member]) -> float | None:
    """Those that train go on as they are; those that wait take as long as the others and begin one after another."""
    live = [member.observed.status for member in members if member.observed.is_live]
    waiting = [member.observed.status for member in members if member.observed.phase == "queued"]
    if not live and not waiting:
        return None
    lengths = [length for member in members if (length := _whole_length(member)) is not None]
    usual = statistics.fmean(lengths) if lengths else None
    ends = []
    for status in live:
        left = status.eta_seconds if status.eta_seconds is not None else _rest(status, usual)
        if left is None:
            return None
        ends.append(left)
    ends = ends or [0.0]
    heapq.heapify(ends)
    for status in waiting:
        left = _rest(status, usual)
        if left is None:
            return None
        heapq.heapreplace(ends, ends[0] + left)
    return max(ends)


def _rest(status: Status, usual: float | None) -> float | None:
    """What is left of a run that takes as long as usual."""
    if usual is None:
        return None
    return usual * (1 - min(1.0, status.step / status.max_steps)) if status.max_steps else usual


def _whole_length(member: Member) -> float | None:
    """Seconds that a run takes from its first step to its last, as far as it can be told by now."""
    status = member.observed.status
    if member.observed.phase == "finished":
        return _recorded_seconds(member.folder.results)
    if not member.observed.is_live or not status.step or not 0 < status.step < status.max_steps:
        return None
    if status.eta_seconds is None:
        return None
    return status.eta_seconds * status.max_steps / (status.max_steps - status.step)


def _recorded_seconds(results: Path) -> float | None:
    try:
        seconds = read_object(results).get("seconds")
    except (OSError, ValueError):
        return None
    return float(seconds) if isinstance(seconds, int | float) and math.isfinite(seconds) else None
