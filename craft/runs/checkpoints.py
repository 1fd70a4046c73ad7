"""Checkpoints on disk: written whole or not at all, verified before use, and the one before when one is damaged.

A checkpoint is a folder `step-NNNNNNNN` with a `manifest.json` that names each file with its size and sha256.
It is filled beside its place, forced to disk file by file, renamed, and its parent forced, before `latest.json`
points to it. Wherever a crash falls, the newest folder whose manifest holds is a state that was once whole.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from craft import platform
from craft.errors import CheckpointError
from craft.runs.folder import RunFolder

FORMAT, LAYOUT = 1, "single"
MANIFEST = "manifest.json"
_STEP = re.compile(r"step-(\d{8,})")
_PARTIAL = re.compile(r"\.(partial|old)-step-\d+")


@dataclass(frozen=True)
class CheckpointInfo:
    """A checkpoint folder that is in its place. Whether its files hold, `verify` says."""

    step: int
    path: Path


def step_folder(folder: RunFolder, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return folder.checkpoints / f"step-{step:08d}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def commit_checkpoint(
    folder: RunFolder,
    step: int,
    write: Callable[[Path], None],
    *,
    monitor_value: float | None = None,
    mode: str = "min",
) -> Path:
    """Let `write` fill a folder and make it the checkpoint of `step`, on disk when this returns.

    With `monitor_value`, `best.json` follows when it is better than the best so far. Raises OSError when the disk
    does not take it: every earlier checkpoint is untouched then.
    """
    folder.checkpoints.mkdir(exist_ok=True)
    place = step_folder(folder, step)
    partial = folder.checkpoints / f".partial-{place.name}"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        write(partial)
        files: dict[str, dict[str, Any]] = {}
        for path in sorted(partial.iterdir()):
            platform.fsync_file(path)
            files[path.name] = {"size": path.stat().st_size, "sha256": _sha256(path)}
        manifest = {
            "format": FORMAT,
            "layout": LAYOUT,
            "step": step,
            "monitor_value": monitor_value,
            "files": files,
        }
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=1))
        platform.fsync_file(partial / MANIFEST)
        platform.fsync_dir(partial)
        if place.exists():  # a resume from an earlier step comes by again
            old = folder.checkpoints / f".old-{place.name}"
            shutil.rmtree(old, ignore_errors=True)
            platform.rename(place, old)
            platform.rename(partial, place)
            platform.fsync_dir(folder.checkpoints)
            shutil.rmtree(old, ignore_errors=True)
        else:
            platform.rename(partial, place)
            platform.fsync_dir(folder.checkpoints)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    pointer = json.dumps({"step": step, "path": place.name, "monitor_value": monitor_value}).encode()
    platform.write_file_durable(folder.checkpoints / "latest.json", pointer)
    if monitor_value is not None and _improves(folder, step, monitor_value, mode):
        platform.write_file_durable(folder.checkpoints / "best.json", pointer)
    return place


def _improves(folder: RunFolder, step: int, value: float, mode: str) -> bool:
    best = _read_pointer(folder, "best")
    if best is None or best["step"] == step or not isinstance(best.get("monitor_value"), int | float):
        return True
    old = float(best["monitor_value"])
    return value < old if mode == "min" else value > old


def _read_pointer(folder: RunFolder, name: str) -> dict[str, Any] | None:
    """What `latest.json` or `best.json` says, when it says something true."""
    try:
        data = json.loads((folder.checkpoints / f"{name}.json").read_bytes())
        step = data["step"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(step, int) or not step_folder(folder, step).is_dir():
        return None
    return dict(data)


def list_checkpoints(folder: RunFolder) -> list[CheckpointInfo]:
    """Checkpoints in their places, by step."""
    try:
        found = [
            CheckpointInfo(int(match[1]), path)
            for path in folder.checkpoints.iterdir()
            if (match := _STEP.fullmatch(path.name))
        ]
    except OSError:
        return []
    return sorted(found, key=lambda info: info.step)


def verify(path: Path) -> list[str]:
    """What is wrong with a checkpoint: each file against the manifest's size and sha256. Empty when it holds."""
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        files = dict(manifest["files"])
        expected = {name: (int(entry["size"]), str(entry["sha256"])) for name, entry in files.items()}
        version = manifest["format"]
    except OSError as error:
        return [f"{MANIFEST}: {error.strerror}"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return [f"{MANIFEST}: damaged"]
    if version != FORMAT:
        return [f"{MANIFEST}: format {version}, and this Craft reads format {FORMAT}"]
    if not expected:
        return [f"{MANIFEST}: names no files"]
    problems = []
    for name, (size, digest) in expected.items():
        file = path / name
        try:
            if Path(name).name != name:
                problems.append(f"{name}: not a plain file name")
            elif (found := file.stat().st_size) != size:
                problems.append(f"{name}: {found} bytes where {size} were written")
            elif _sha256(file) != digest:
                problems.append(f"{name}: its content is not what was written")
        except OSError as error:
            problems.append(f"{name}: {error.strerror}")
    return problems


def newest_valid(folder: RunFolder, report: Callable[[CheckpointInfo, list[str]], None]) -> CheckpointInfo | None:
    """The newest checkpoint that verifies; each damaged one that is passed over goes to `report`."""
    _finish_replacement(folder)
    for info in reversed(list_checkpoints(folder)):
        problems = verify(info.path)
        if not problems:
            return info
        report(info, problems)
    return None


def _finish_replacement(folder: RunFolder) -> None:
    """Put a checkpoint back that a crash left between the two renames of its replacement."""
    try:
        aside = [path for path in folder.checkpoints.iterdir() if path.name.startswith(".old-step-")]
    except OSError:
        return
    for old in aside:
        place = folder.checkpoints / old.name.removeprefix(".old-")
        if not place.exists() and not verify(old):
            platform.rename(old, place)
            platform.fsync_dir(folder.checkpoints)


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
        pointer = _read_pointer(folder, "best")
        step = pointer["step"] if pointer else _best_by_manifest(present)
        if step is None:
            raise CheckpointError(f"{folder.name}: no checkpoint was measured yet; try @latest")
    elif which.isdigit():
        step = int(which)
    else:
        raise CheckpointError(f"@{which}: not a checkpoint; write @latest, @best or a step such as @{present[-1].step}")
    for info in present:
        if info.step == step:
            if problems := verify(info.path):
                others = ", ".join(str(other.step) for other in present if other.step != step) or "none"
                raise CheckpointError(f"{info.path}: damaged: {'; '.join(problems)}. Other steps of this run: {others}")
            return info
    steps = ", ".join(str(info.step) for info in present)
    raise CheckpointError(f"{folder.name} has no checkpoint of step {step}; there are: {steps}")


def _best_by_manifest(present: list[CheckpointInfo]) -> int | None:
    """The step with the smallest monitored value, when `best.json` is lost."""
    values = {}
    for info in present:
        try:
            value = json.loads((info.path / MANIFEST).read_bytes())["monitor_value"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if isinstance(value, int | float):
            values[info.step] = value
    return min(values, key=lambda step: values[step]) if values else None


def best_step(folder: RunFolder) -> int | None:
    """The step that `best.json` points to."""
    pointer = _read_pointer(folder, "best")
    return pointer["step"] if pointer else None


def prune(folder: RunFolder, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints; the best one stays besides. Also what a crash left half made."""
    best = best_step(folder)
    for info in list_checkpoints(folder)[:-keep]:
        if info.step != best:
            # Under a hidden name first: a removal that is cut short leaves nothing that looks like a checkpoint.
            hidden = folder.checkpoints / f".partial-{info.path.name}"
            shutil.rmtree(hidden, ignore_errors=True)
            platform.rename(info.path, hidden)
    for path in folder.checkpoints.iterdir():
        if _PARTIAL.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)
