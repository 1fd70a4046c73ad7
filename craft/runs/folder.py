"""A run's folder: where each thing lies, and how a new one is made."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from craft import platform
from craft.errors import RunError
from craft.runs.json_files import encode_file, known_fields, read_object, sealed, unsealed, why

NAME_LENGTH, _NUMBER_LENGTH = 64, 7
GONE = "its run.json is gone"
"""What is wrong with a folder that was a run."""
_STEM_LENGTH = NAME_LENGTH - _NUMBER_LENGTH - 1


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
    def samples(self) -> Path:
        """Text sampled while training."""
        return self.path / "samples.jsonl"

    @property
    def log(self) -> Path:
        """Everything the worker printed."""
        return self.path / "log.txt"

    @property
    def changes(self) -> Path:
        """What was changed in its definition while it trained."""
        return self.path / "changes.json"

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

    def at(self, name: str) -> str:
        """The place of a file of it as text: of ten thousand runs listed, making Paths would be a third of the time."""
        return f"{self.path}/{name}"

    def require(self, *, definition: bool = True) -> RunFolder:
        """This folder, or RunError when it is not a run; without its `definition` it can be looked at and deleted."""
        if not is_dir(self.path):
            raise RunError(f"{self.path}: no such folder")
        if was_a_run(str(self.path)):
            raise RunError(f"{self.path}: {GONE}; put it back from a copy, or delete the folder by hand")
        if not self.run_json.is_file():
            raise RunError(f"{self.path}: not a run: it has no {self.run_json.name}")
        if definition and not self.definition.is_file():
            raise RunError(f"{self.path}: its {self.definition.name} is missing: it can be looked at and deleted only")
        return self


@dataclass
class RunIdentity:
    """What a run is: written to `run.json` when it is made, and completed by the worker at its first start."""

    experiment: str
    id: str = field(default_factory=lambda: os.urandom(8).hex())
    group: str | None = None
    axes: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    created: float = 0.0
    source: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    """What was given on a command line, when it was made or on a resume, by dotted path."""
    parent_run: str | None = None
    """The run that this one was forked from: its name, beside which `fork` has its path and id."""
    parent_step: int | None = None
    fork: dict[str, Any] = field(default_factory=dict)
    """For a fork: {"path", "id"} of the parent, and "anew": the parts of its checkpoint that start anew."""
    versions: dict[str, str] = field(default_factory=dict)
    git_commit: str | None = None
    definition_hash: str | None = None
    """Of what the definition says."""
    definition_sha256: str | None = None
    """Of the very text of `experiment.toml`."""
    text: str | None = None
    """What changes when the files of its text do, as they were when it was queued."""
    data_hash: str | None = None
    flops_per_token: float | None = None
    """Of training, forward and backward pass; None before its first start, and for a model whose code alone knows."""
    parameters: int | None = None
    """Of its model; None before its first start."""
    initial: dict[str, Any] = field(default_factory=dict)
    """Where its first weights came from, and what fitted; empty for fresh ones."""
    chosen: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> bytes:
        """The text of `run.json`."""
        return encode_file(sealed(asdict(self)))


def digest_of(definition: bytes) -> str:
    """SHA-256 of a definition's text, in hexadecimal."""
    return hashlib.sha256(definition).hexdigest()


def definition_fault(folder: RunFolder, identity: RunIdentity) -> str | None:
    """In words, that `experiment.toml` is not the text that Craft wrote; None where it is, or that is not known."""
    if identity.definition_sha256 is None:
        return None
    try:
        same = digest_of(folder.definition.read_bytes()) == identity.definition_sha256
    except OSError as error:
        return f"experiment.toml cannot be read: {why(error)}"
    return None if same else "experiment.toml is not as Craft wrote it: it was edited by hand, or damaged"


def holds_a_run(path: str) -> bool:
    """Whether a folder is a run, by text: among thousands of folders, making Paths would be half of the time."""
    return os.path.lexists(f"{path}/run.json")


def was_a_run(path: str) -> bool:
    """Whether a folder has lost its `run.json`."""
    return not holds_a_run(path) and _has_traces(path)


def is_or_was_a_run(path: str) -> bool:
    """Whether a folder is listed."""
    return holds_a_run(path) or _has_traces(path)


def _has_traces(path: str) -> bool:
    """Whether a folder holds what a run gets once it is queued, or trains. One that is just being made has nothing of
    that, and one of a person's own neither."""
    trained = os.path.lexists(f"{path}/metrics.jsonl") or os.path.lexists(f"{path}/checkpoints/latest.json")
    return trained or (os.path.lexists(f"{path}/status.json") and os.path.lexists(f"{path}/experiment.toml"))


def is_dir(path: Path) -> bool:
    """Whether it is a folder. `Path.is_dir` raises for a name that is too long, which a person may well type."""
    try:
        return path.is_dir()
    except OSError:
        return False


def slug(experiment: str) -> str:
    """The experiment's name as a folder can bear it: a-z, 0-9, dot, underscore and dash."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", experiment.lower()).strip("-.")
    return plain[:_STEM_LENGTH].rstrip("-.") or "run"


def create_run(
    runs_dir: Path,
    *,
    experiment: str,
    definition_toml: str,
    identity: RunIdentity,
    code: Mapping[Path, bytes] | None = None,
) -> RunFolder:
    """Make `EXPERIMENT-NNN` under `runs_dir` with the next free number, its definition and identity on disk.

    `code`: the person's own modules, by their paths under the folder's `code`. The name is taken by `mkdir`, which only
    one process can win; `run.json` comes last, so a folder without one is not a run yet. Raises RunError, with nothing
    left behind, when the disk does not take it.
    """
    folder = None
    try:
        platform.make_dir_durable(runs_dir)
        folder = _take_name(runs_dir, slug(experiment))
        folder.control.mkdir()
        folder.checkpoints.mkdir()
        text = definition_toml.encode()
        platform.write_file_durable(folder.definition, text)
        write_code(folder, code or {})
        platform.write_file_durable(folder.run_json, replace(identity, definition_sha256=digest_of(text)).as_json())
        platform.fsync_dir(runs_dir)
    except BaseException as error:
        if folder is not None:
            shutil.rmtree(folder.path, ignore_errors=True)
        if isinstance(error, OSError):
            raise RunError(f"{runs_dir}: a run's folder cannot be made there: {error.strerror}") from error
        raise
    return folder


def write_code(folder: RunFolder, code: Mapping[Path, bytes]) -> None:
    """Put a person's own modules into a folder that is no run yet, durably. Raises OSError."""
    for place, content in code.items():
        copy = folder.code / place
        platform.make_dir_durable(copy.parent)
        platform.write_file_durable(copy, content)


def _take_name(runs_dir: Path, stem: str) -> RunFolder:
    numbered = re.compile(re.escape(stem) + rf"-(\d{{1,{_NUMBER_LENGTH}}})")
    with os.scandir(runs_dir) as entries:
        taken = [int(found[1]) for entry in entries if (found := numbered.fullmatch(entry.name))]
    for number in itertools.count(max(taken, default=0) + 1):
        folder = RunFolder(runs_dir / f"{stem}-{number:03d}")
        with contextlib.suppress(FileExistsError):
            folder.path.mkdir()
            return folder
    raise AssertionError("numbers do not end")


def load_identity(folder: RunFolder) -> tuple[RunIdentity | None, str | None]:
    """What `run.json` says, and what is wrong with it; an identity beside a fault holds what could be read."""
    try:
        record = read_object(folder.at("run.json"))
    except (OSError, ValueError) as error:
        return None, f"run.json is damaged: {why(error)}" if holds_a_run(str(folder.path)) else GONE
    values, faults = known_fields(record, RunIdentity)
    try:
        unsealed(record)
    except ValueError as error:
        faults.append(str(error))
    identity = RunIdentity(**values) if "experiment" in values else None
    return identity, f"run.json is damaged: {faults[0]}" if faults else None


def read_identity(folder: RunFolder) -> RunIdentity:
    """What `run.json` says. Raises RunError when it is missing or damaged."""
    identity, fault = load_identity(folder)
    if identity is None or fault:
        raise RunError(f"{folder.path}: {fault}")
    return identity


def update_identity(folder: RunFolder, **changes: Any) -> RunIdentity:
    """Complete `run.json`, durably. Only the holder of the run's lock calls this.

    Raises RunError when what is there is damaged, OSError when the disk does not take it.
    """
    identity = replace(read_identity(folder), **changes)
    platform.write_file_durable(folder.run_json, identity.as_json())
    return identity
