"""From a plan to folders: each run's definition frozen, its identity written, a sweep's runs kept as a group."""

from __future__ import annotations

import platform as python_platform
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import craft
from craft.config.corpus import text_signature
from craft.config.definition import definition_hash, dump_definition
from craft.config.experiments import PlannedRun
from craft.config.plugins import code_dir, plugin_files
from craft.runs.folder import RunFolder, RunIdentity, create_run, load_identity, write_code
from craft.runs.groups import group_file, take_group_name, write_group


def create_runs(runs_dir: Path, planned: Sequence[PlannedRun]) -> list[RunFolder]:
    """Make a folder for each planned run, in order. What is in them does not change with the file any more.

    Raises RunError or OSError when the disk does not take one; none is left behind then.
    """
    folders: list[RunFolder] = []
    groups: dict[str, str] = {}
    try:
        _create(runs_dir, planned, folders, groups)
    except BaseException:
        for folder in folders:
            shutil.rmtree(folder.path, ignore_errors=True)
        for name in groups.values():
            group_file(runs_dir, name).unlink(missing_ok=True)
        raise
    return folders


def discard_runs(folders: Sequence[RunFolder]) -> None:
    """Remove runs that were just made, with their groups: they could not be queued."""
    for folder in folders:
        identity, _ = load_identity(folder)
        shutil.rmtree(folder.path, ignore_errors=True)
        if identity is not None and identity.group:
            group_file(folder.path.parent, identity.group).unlink(missing_ok=True)


def _create(runs_dir: Path, planned: Sequence[PlannedRun], folders: list[RunFolder], groups: dict[str, str]) -> None:
    """Fill `folders`, and `groups` with the name that each sweep's group got."""
    commit = git_commit(planned[0].source.absolute().parent) if planned else None
    members: dict[str, list[str]] = {}
    for run in planned:
        group = None
        if run.group is not None:
            if run.group not in groups:
                groups[run.group] = take_group_name(runs_dir, run.group)
            group = groups[run.group]
        identity = RunIdentity(
            experiment=run.experiment,
            group=group,
            axes=dict(run.axes),
            seed=run.config.seed,
            created=time.time(),
            source=str(run.source.absolute()),
            overrides=_overrides(run),
            versions={"craft": craft.__version__, "python": python_platform.python_version()},
            git_commit=commit,
            definition_hash=definition_hash(run.config),
            text=text_signature(run.config.data),
        )
        text = dump_definition(run.experiment, run.config, runs_dir=runs_dir)
        folder = create_run(
            runs_dir, experiment=run.experiment, definition_toml=text, identity=identity, code=own_code(run)
        )
        folders.append(folder)
        if group is not None:
            members.setdefault(group, []).append(folder.name)
    for name, runs in members.items():
        write_group(runs_dir, name, runs, planned[0].source.absolute())


def _overrides(run: PlannedRun) -> dict[str, Any]:
    """The settings that were given on the command line, by dotted path."""
    given = [path for path, origin in run.origins.items() if origin.kind == "command line"]
    return {path: _value_at(run.config.model_dump(mode="json"), path) for path in given}


def _value_at(settings: Any, path: str) -> Any:
    """The value of a dotted path; None where a key has dots of its own, whose path is only to be shown."""
    for part in path.split("."):
        if not isinstance(settings, dict) or part not in settings:
            return None
        settings = settings[part]
    return settings


def own_code(run: PlannedRun) -> dict[Path, bytes]:
    """The person's own modules as they are now; the run imports copies of them, also when it is resumed."""
    source = code_dir(run.source.absolute())
    return {file.relative_to(source): file.read_bytes() for file in plugin_files(run.config, source)}


def copy_code(run: PlannedRun, folder: RunFolder) -> None:
    """Put them into a folder that is no run yet. Raises OSError."""
    write_code(folder, own_code(run))


def git_commit(folder: Path) -> str | None:
    """The commit that `folder` stands at; None outside a repository, or without git."""
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return None  # the common case must not pay for a process
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None
