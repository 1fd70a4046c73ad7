"""Checkpoints on disk: written whole or not at all, verified before use, and the one before when one is damaged.

A checkpoint is a folder `step-NNNNNNNN` with a manifest. It is filled beside its place, forced to disk, renamed, and
its parent forced. Wherever a crash falls, the newest folder whose manifest holds is a state that was once whole.
The manifests are the truth; `latest.json` and `best.json` repeat it for people and other programs.

Only the holder of the run's lock commits and prunes. Anyone reads at any time, and readers change nothing.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from craft import platform
from craft.errors import CheckpointError
from craft.runs import manifest
from craft.runs.folder import RunFolder
from craft.runs.manifest import Manifest, verify

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

__all__ = [
    "CheckpointInfo",
    "best_step",
    "clear_up",
    "commit_checkpoint",
    "half_made",
    "list_checkpoints",
    "newest_valid",
    "point_again",
    "prune",
    "remove_checkpoint",
    "resolve",
    "step_folder",
    "verify",
]

_PARTIAL, _OLD = ".partial-step-", ".old-step-"
_POINTER = re.compile(r"\.(latest|best)\.json\.tmp")
_AT_ONCE = 8  # files forced at the same time: the file system's journal takes them in one go


@dataclass(frozen=True)
class CheckpointInfo:
    """A checkpoint folder that is in its place. Whether its files hold, `verify` says."""

    step: int
    path: Path


def step_folder(folder: RunFolder, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return folder.checkpoints / f"step-{step:08d}"


# Writing ----------------------------------------------------------------------------------------------------------


def commit_checkpoint(
    folder: RunFolder,
    step: int,
    write: Callable[[Path], None],
    *,
    monitor_value: float | None = None,
    mode: str = "min",
    monitor: str = "",
) -> Path:
    """Let `write` fill a folder with files and make it the checkpoint of `step`, on disk when this returns.

    `best.json` says which `monitor_value`, of the figure named `monitor`, is the best so far, by `mode`: "min" or
    "max"; one that is not finite is none. Raises OSError when the disk does not take it, and whatever `write` raises:
    every earlier checkpoint is untouched then, and nothing half made is left.
    """
    from concurrent.futures import ThreadPoolExecutor  # those who only read need none

    if not folder.checkpoints.is_dir():
        folder.checkpoints.mkdir()  # and not its parents: a run that was deleted is not to come back as a stump
        platform.fsync_dir(folder.path)
    clear_up(folder)
    if monitor_value is not None and not math.isfinite(monitor_value):
        monitor_value = None  # it would be the best for ever: nothing is less than NaN
    place = step_folder(folder, step)
    partial = _hidden(place, _PARTIAL)
    try:
        partial.mkdir()
        write(partial)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            sealed = _seal(partial, Manifest(step, monitor_value, mode, {}, monitor), pool)
            pointers = _point(folder, sealed)
            list(pool.map(platform.fsync_file, [partial / manifest.NAME, *pointers]))
        platform.fsync_dir(partial)
        _put(partial, place)
        for temporary, pointer in pointers.items():
            platform.replace(temporary, pointer)
        platform.fsync_dir(folder.checkpoints)
    except BaseException:
        clear_up(folder)
        raise
    shutil.rmtree(_hidden(place, _OLD), ignore_errors=True)
    return place


def _hidden(place: Path, prefix: str) -> Path:
    return place.with_name(prefix + place.name.removeprefix("step-"))


def _seal(partial: Path, empty: Manifest, pool: ThreadPoolExecutor) -> Manifest:
    """Force all files, and write the manifest that names them. Hashing goes on while the disk writes."""
    paths = sorted(partial.iterdir())
    assert paths and all(path.is_file() for path in paths), "a checkpoint is a folder of files"
    forced = [pool.submit(platform.fsync_file, path) for path in paths]
    files = {path.name: (path.stat().st_size, manifest.file_digest(path)) for path in paths}
    for one in forced:
        one.result()
    sealed = replace(empty, files=files)
    (partial / manifest.NAME).write_bytes(sealed.encode())
    return sealed


def point_again(folder: RunFolder) -> None:
    """Let the pointers name what is there, after checkpoints were removed. A full disk leaves them as they are."""
    if known := _manifests(folder):
        with contextlib.suppress(OSError):
            for temporary, pointer in _point(folder, known[-1]).items():
                platform.replace(temporary, pointer)


def _point(folder: RunFolder, new: Manifest) -> dict[Path, Path]:
    """The texts of `latest.json` and `best.json`, each beside the file that it is to replace."""
    best = _best([*(known for known in _manifests(folder) if known.step != new.step), new], new)
    pointers = {}
    for name, target in (("latest", new), ("best", best)):
        if target is None:
            continue
        place = step_folder(folder, target.step).name
        text = json.dumps({"step": target.step, "path": place, "monitor_value": target.monitor_value}, indent=1)
        pointer = folder.checkpoints / f"{name}.json"
        temporary = pointer.with_name(f".{pointer.name}.tmp")
        temporary.write_text(text + "\n")
        pointers[temporary] = pointer
    return pointers


def _put(partial: Path, place: Path) -> None:
    """Rename into place. What is there already, damaged or of an earlier pass, is kept aside until all is forced."""
    if not place.exists():
        platform.rename(partial, place)
        return
    old = _hidden(place, _OLD)
    platform.rename(place, old)
    platform.rename(partial, place)


def half_made(folder: RunFolder) -> list[Path]:
    """What a crash left in the middle of a save: dead for whoever holds the run's lock."""
    try:
        left = [path for path in folder.checkpoints.iterdir() if path.name.startswith(".")]
    except OSError:
        return []
    return [
        path
        for path in left
        if path.name.startswith(_PARTIAL)
        or _POINTER.fullmatch(path.name)
        or (path.name.startswith(_OLD) and path.with_name(path.name.replace(_OLD, "step-")).exists())
    ]


def clear_up(folder: RunFolder) -> None:
    """Remove what a crash left half made, and put back what it left set aside."""
    for path in half_made(folder):
        with contextlib.suppress(OSError):
            if _POINTER.fullmatch(path.name):
                path.unlink()
            else:
                shutil.rmtree(path)
    for info in list_checkpoints(folder):
        if info.path.name.startswith(_OLD):
            with contextlib.suppress(OSError):
                platform.rename(info.path, step_folder(folder, info.step))


def prune(folder: RunFolder, keep: int, spared: Collection[int] = ()) -> None:
    """Remove all but the newest `keep` checkpoints; the newest, the best one and those of `spared` steps always stay.

    A folder that cannot be removed stays too: that is no reason to stop training.
    """
    best = best_step(folder)
    for info in list_checkpoints(folder)[: -max(keep, 1)]:
        if info.step == best or info.step in spared:
            continue
        with contextlib.suppress(OSError):
            remove_checkpoint(info)
    clear_up(folder)


def remove_checkpoint(info: CheckpointInfo) -> None:
    """Under a hidden name first: a removal that is cut short leaves nothing that looks like a checkpoint.

    Only the holder of the run's lock calls this. Raises OSError, with the checkpoint in its place, when it cannot go.
    """
    hidden = _hidden(info.path, _PARTIAL)
    platform.rename(info.path, hidden)
    shutil.rmtree(hidden, ignore_errors=True)


# Reading ----------------------------------------------------------------------------------------------------------


def list_checkpoints(folder: RunFolder) -> list[CheckpointInfo]:
    """Checkpoints in their places, by step; also one that a crash left set aside for another of the same step."""
    found: dict[int, Path] = {}
    try:
        for path in folder.checkpoints.iterdir():
            match = manifest.STEP_FOLDER.fullmatch(path.name.replace(_OLD, "step-"))
            if match and path.is_dir() and (path.name == match[0] or int(match[1]) not in found):
                found[int(match[1])] = path
    except OSError:
        return []
    return [CheckpointInfo(step, found[step]) for step in sorted(found)]


def newest_valid(folder: RunFolder, report: Callable[[CheckpointInfo, list[str]], None]) -> CheckpointInfo | None:
    """The newest checkpoint that verifies; each damaged one that is passed over goes to `report`."""
    for info in reversed(list_checkpoints(folder)):
        problems = verify(info.path)
        if not problems:
            return info
        report(info, problems)
    return None


def passed_over(folder: RunFolder, taken: CheckpointInfo) -> str:
    """In words, the newer checkpoints that are damaged, so that `taken` is the latest; empty where there are none."""
    newer = [info for info in reversed(list_checkpoints(folder)) if info.step > taken.step]
    damaged = [
        f"step {info.step} is damaged: {'; '.join(problems)}" for info in newer if (problems := verify(info.path))
    ]
    return f"{folder.name}: {'. '.join(damaged)}. Step {taken.step} is taken instead" if damaged else ""


def go_back(folder: RunFolder, before_step: int) -> CheckpointInfo | None:
    """The newest whole checkpoint of step `before_step` or earlier, after removing all later ones; None, and nothing
    removed, when there is none.

    The pointers follow at the next save; until then whoever resolves "latest" or "best" looks at the folders.
    """
    kept = [info for info in list_checkpoints(folder) if info.step <= before_step]
    found = next((info for info in reversed(kept) if not verify(info.path)), None)
    if found is None:
        return None
    for info in reversed(list_checkpoints(folder)):
        if info.step > found.step:
            remove_checkpoint(info)
    platform.fsync_dir(folder.checkpoints)
    return found


def best_step(folder: RunFolder) -> int | None:
    """The step whose monitored value is the best, the first of equal ones; None when none was measured."""
    return next(iter(best_steps(folder)), None)


def best_steps(folder: RunFolder) -> list[int]:
    """The steps that were measured, the best first."""
    known = _manifests(folder)
    return [one.step for one in _best_first(known, known[-1])] if known else []


def _manifests(folder: RunFolder) -> list[Manifest]:
    known = []
    for info in list_checkpoints(folder):
        with contextlib.suppress(ValueError):
            known.append(manifest.read_manifest(info.path))
    return known


def _best(known: list[Manifest], newest: Manifest) -> Manifest | None:
    return next(iter(_best_first(known, newest)), None)


def _best_first(known: list[Manifest], newest: Manifest) -> list[Manifest]:
    """Those that were judged as the newest is, by that. One that names no figure is of an earlier Craft."""
    sign = 1.0 if newest.mode == "min" else -1.0
    alike = [m for m in known if m.mode == newest.mode and (m.monitor == newest.monitor or not m.monitor)]
    measured = [(sign * m.monitor_value, m.step, m) for m in alike if m.monitor_value is not None]
    return [one for _, _, one in sorted(measured)]


def resolve(folder: RunFolder, which: str) -> CheckpointInfo:
    """The verified checkpoint that "latest", "best" or a step number names.

    Raises CheckpointError, naming what is damaged and what there is instead.
    """
    present = list_checkpoints(folder)
    if not present:
        raise CheckpointError(f"{folder.name} has no checkpoint yet")
    if which == "latest":
        damaged: list[str] = []
        found = newest_valid(folder, lambda info, problems: damaged.append(f"step {info.step}: {'; '.join(problems)}"))
        if found is None:
            raise CheckpointError(f"{folder.name}: every checkpoint is damaged: " + "; ".join(damaged))
        return found
    if which == "best":
        step = best_step(folder)
        if step is None:
            raise CheckpointError(f"{folder.name}: no checkpoint was measured yet; try @latest")
    elif which.isascii() and which.isdigit() and len(which) <= 18:
        step = int(which)
    else:
        raise CheckpointError(f"@{which}: not a checkpoint; write @latest, @best or a step such as @{present[-1].step}")
    for info in present:
        if info.step == step:
            problems = verify(info.path)
            if problems and not info.path.is_dir():
                raise CheckpointError(f"{folder.name}: its checkpoint of step {step} was deleted while it was read")
            if problems:
                others = ", ".join(str(other.step) for other in present if other.step != step) or "none"
                raise CheckpointError(f"{info.path}: damaged: {'; '.join(problems)}. Other steps of this run: {others}")
            return info
    steps = ", ".join(str(info.step) for info in present)
    raise CheckpointError(f"{folder.name} has no checkpoint of step {step}; there are: {steps}")
