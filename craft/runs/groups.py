"""A sweep's runs as one group: `runs/.craft/groups/NAME.json` holds their names, in the order they were planned."""

from __future__ import annotations

import contextlib
import difflib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from craft import platform
from craft.errors import RunError
from craft.runs.folder import RunFolder, load_identity, slug
from craft.runs.json_files import encode_file, read_object, why


@dataclass(frozen=True)
class Group:
    """Runs that were made together. A run that was removed since is still named."""

    runs_dir: Path
    name: str
    runs: list[str]
    source: str | None = None
    """The experiments file."""
    created: float = 0.0
    """Seconds since 1970."""

    def folders(self) -> list[RunFolder]:
        """The runs that are still there, in order; not a later run that got the name of one that was removed."""
        folders = [RunFolder(self.runs_dir / run) for run in self.runs]
        return [folder for folder in folders if folder.run_json.exists() and self._has(folder)]

    def _has(self, folder: RunFolder) -> bool:
        identity, _ = load_identity(folder)
        return identity is None or identity.group == self.name


def group_file(runs_dir: Path, name: str) -> Path:
    """Where a group lies."""
    return runs_dir / ".craft" / "groups" / f"{name}.json"


def take_group_name(runs_dir: Path, experiment: str) -> str:
    """Take a name for a sweep's runs: the experiment's, then with -2, -3 ... when it is swept again."""
    stem, number = slug(experiment), 1
    while True:
        name = stem if number == 1 else f"{stem}-{number}"
        file = group_file(runs_dir, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))
        except FileExistsError:
            number += 1
        else:
            return name


def write_group(runs_dir: Path, name: str, runs: Sequence[str], source: Path) -> None:
    """Put a group on disk. Raises OSError when the disk does not take it."""
    record = {"name": name, "created": time.time(), "source": str(source), "runs": list(runs)}
    platform.write_file_durable(group_file(runs_dir, name), encode_file(record))


def read_group(runs_dir: Path, name: str) -> Group:
    """The group of this name. Raises RunError, with the nearest names, when there is none or its file is damaged."""
    file = group_file(runs_dir, name)
    try:
        record = read_object(file)
        runs = record["runs"]
        if not isinstance(runs, list) or not all(isinstance(run, str) for run in runs):
            raise ValueError("its runs are no list of names")
        return Group(runs_dir, name, runs, str(record.get("source")), float(record.get("created") or 0.0))
    except FileNotFoundError:
        known = group_names(runs_dir)
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}" if known else ""
        hint = hint or "there is none; a sweep makes one"
        raise RunError(f"no group '{name}' in {runs_dir}: {hint}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        words = why(error) if isinstance(error, OSError | ValueError) else "it has no runs"
        raise RunError(f"{file}: damaged: {words}") from error


def remove_if_empty(runs_dir: Path, name: str) -> None:
    """Take a group away whose last run was deleted. One that cannot be read, or is just being made, stays."""
    with contextlib.suppress(RunError, OSError):
        if not read_group(runs_dir, name).folders():
            group_file(runs_dir, name).unlink()


def group_names(runs_dir: Path) -> list[str]:
    """All groups of a runs folder, by name; one whose runs are only being made is none yet."""
    try:
        files = [file for file in (runs_dir / ".craft" / "groups").iterdir() if file.suffix == ".json"]
        return sorted(file.stem for file in files if file.stat().st_size)
    except OSError:
        return []
