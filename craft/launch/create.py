"""From a plan to folders: each run's definition frozen, its identity written, a sweep's runs kept as a group."""

from __future__ import annotations

import json
import os
import platform as python_platform
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import craft
from craft import platform
from craft.config.definition import definition_hash, dump_definition
from craft.config.experiments import PlannedRun
from craft.config.plugins import code_dir, plugin_files
from craft.runs.folder import RunFolder, RunIdentity, create_run, slug


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
            _group_file(runs_dir, name).unlink(missing_ok=True)
        raise
    return folders


def _create(runs_dir: Path, planned: Sequence[PlannedRun], folders: list[RunFolder], groups: dict[str, str]) -> None:
    """Fill `folders`, and `groups` with the name that each sweep's group got."""
    commit = git_commit(planned[0].source.absolute().parent) if planned else None
    members: dict[str, list[str]] = {}
    for run in planned:
        group = None
        if run.group is not None:
            if run.group not in groups:
                groups[run.group] = _open_group(runs_dir, run.group)
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
        )
        text = dump_definition(run.experiment, run.config, runs_dir=runs_dir)
        folder = create_run(runs_dir, experiment=run.experiment, definition_toml=text, identity=identity)
        folders.append(folder)
        _copy_code(run, folder)
        if group is not None:
            members.setdefault(group, []).append(folder.name)
    for name, runs in members.items():
        group_record = {"name": name, "created": time.time(), "source": str(planned[0].source.absolute()), "runs": runs}
        platform.write_file_durable(_group_file(runs_dir, name), json.dumps(group_record, indent=1).encode())


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


def _copy_code(run: PlannedRun, folder: RunFolder) -> None:
    """The person's own modules as they are now; the run imports these copies, also when it is resumed."""
    source = code_dir(run.source.absolute())
    for file in plugin_files(run.config, source):
        copy = folder.code / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        platform.write_file_durable(copy, file.read_bytes())


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


def _open_group(runs_dir: Path, experiment: str) -> str:
    """Take a name for a sweep's runs: the experiment's, then with -2, -3 ... when it is swept again."""
    stem, number = slug(experiment), 1
    while True:
        name = stem if number == 1 else f"{stem}-{number}"
        file = _group_file(runs_dir, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))
        except FileExistsError:
            number += 1
        else:
            return name


def _group_file(runs_dir: Path, name: str) -> Path:
    return runs_dir / ".craft" / "groups" / f"{name}.json"
