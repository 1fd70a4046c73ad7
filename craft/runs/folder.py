"""A run's folder: where each thing lies, and how a new one is made."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from craft import platform
from craft.errors import RunError

NAME_LENGTH = 64


@dataclass(frozen=True)
class RunFolder:
    """The places of one run. Nothing is checked or made here."""

    path: Path

    @property
    def name(self) -> str:
        """`EXPERIMENT-NNN`."""
        return self.path.name

    @property
    def run_json(self) -> Path:
        """Identity."""
        return self.path / "run.json"

    @property
    def definition(self) -> Path:
        """The resolved definition."""
        return self.path / "experiment.toml"

    @property
    def code(self) -> Path:
        """The person's own Python files, as they were when the run was queued."""
        return self.path / "code"

    @property
    def status(self) -> Path:
        """The worker's claim."""
        return self.path / "status.json"

    @property
    def lock(self) -> Path:
        """Held by the worker for its life."""
        return self.path / "worker.lock"

    @property
    def owner(self) -> Path:
        """The worker's process, for signals only."""
        return self.path / "owner.json"

    @property
    def metrics(self) -> Path:
        """The metrics log."""
        return self.path / "metrics.jsonl"

    @property
    def events(self) -> Path:
        """What happened."""
        return self.path / "events.jsonl"

    @property
    def log(self) -> Path:
        """Everything the worker printed."""
        return self.path / "log.txt"

    @property
    def control(self) -> Path:
        """Requests to the worker."""
        return self.path / "control"

    @property
    def checkpoints(self) -> Path:
        """Checkpoints, a folder each."""
        return self.path / "checkpoints"

    @property
    def results(self) -> Path:
        """The final summary."""
        return self.path / "results.json"

    def require(self) -> RunFolder:
        """This folder, or RunError when it is not a run."""
        if not self.path.is_dir():
            raise RunError(f"{self.path}: no such folder")
        if not self.run_json.is_file() or not self.definition.is_file():
            missing = self.run_json.name if not self.run_json.is_file() else self.definition.name
            raise RunError(f"{self.path}: not a run: it has no {missing}")
        return self


@dataclass
class RunIdentity:
    """What a run is: written to `run.json` when it is made, and completed by the worker at its first start."""

    experiment: str
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    group: str | None = None
    axes: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    created: float = 0.0
    source: str | None = None
    parent_run: str | None = None
    parent_step: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    git_commit: str | None = None
    definition_hash: str | None = None
    data_hash: str | None = None
    chosen: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> bytes:
        """The text of `run.json`."""
        return (json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n").encode()


def slug(experiment: str) -> str:
    """The experiment's name as a folder can bear it: a-z, 0-9, dot, underscore and dash."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", experiment.lower()).strip("-.")
    return plain[: NAME_LENGTH - 6].rstrip("-.") or "run"


def create_run(runs_dir: Path, *, experiment: str, definition_toml: str, identity: RunIdentity) -> RunFolder:
    """Make `EXPERIMENT-NNN` under `runs_dir` with the next free number, its definition and identity on disk.

    The name is taken by `mkdir`, which only one process can win; `run.json` comes last, so a folder without one is
    not a run yet. Raises OSError, with nothing left behind, when the disk does not take it.
    """
    runs_dir.mkdir(parents=True, exist_ok=True)
    stem = slug(experiment)
    number = _last_number(runs_dir, stem) + 1
    while True:
        folder = RunFolder(runs_dir / f"{stem}-{number:03d}")
        try:
            folder.path.mkdir()
            break
        except FileExistsError:
            number += 1
    try:
        folder.control.mkdir()
        folder.checkpoints.mkdir()
        platform.write_file_durable(folder.definition, definition_toml.encode())
        platform.write_file_durable(folder.run_json, identity.as_json())
        platform.fsync_dir(runs_dir)
    except OSError:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
    return folder


def _last_number(runs_dir: Path, stem: str) -> int:
    numbered = re.compile(re.escape(stem) + r"-(\d+)")
    return max((int(found[1]) for path in runs_dir.iterdir() if (found := numbered.fullmatch(path.name))), default=0)


def read_identity(folder: RunFolder) -> RunIdentity:
    """What `run.json` says. Raises RunError when it is missing or damaged."""
    try:
        data = json.loads(folder.run_json.read_bytes())
        if not isinstance(data, dict) or not isinstance(data.get("experiment"), str):
            raise TypeError("it names no experiment")
    except OSError as error:
        raise RunError(f"{folder.path}: not a run: run.json: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise RunError(f"{folder.run_json}: damaged: {error}") from error
    known = {f.name for f in fields(RunIdentity)}
    return RunIdentity(**{name: value for name, value in data.items() if name in known})


def update_identity(folder: RunFolder, **changes: Any) -> RunIdentity:
    """Complete `run.json`, durably. Only the holder of the run's lock calls this."""
    identity = read_identity(folder)
    for name, value in changes.items():
        setattr(identity, name, value)
    platform.write_file_durable(folder.run_json, identity.as_json())
    return identity
