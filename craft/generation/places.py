"""What a path to a checkpoint leads to, told from names alone. Free of torch: nothing is loaded.

runs/small-001                       a run: its newest whole checkpoint
runs/small-001/checkpoints/step-...  a checkpoint of Craft's
folder/model.safetensors             weights of Craft's, with experiment.toml and tokenizer.json beside them
folder                               a Hugging Face folder: config.json and weights; or one of nanoGPT's: ckpt.pt
folder/x.safetensors, x.pt           one file of such
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from craft.config.initial_weights import SUFFIXES
from craft.errors import CheckpointError
from craft.runs import checkpoints, manifest
from craft.runs.folder import RunFolder

WEIGHTS, DEFINITION, TOKENIZER = "model.safetensors", "experiment.toml", "tokenizer.json"
_NANOGPT = "ckpt.pt"

Kind = Literal["checkpoint", "weights", "foreign"]
"""A checkpoint folder of Craft's with its manifest; Craft's files without one; what another program wrote."""


@dataclass(frozen=True)
class CheckpointPlace:
    """Where the parts of a checkpoint lie."""

    kind: Kind
    path: Path
    """A folder, or a file with weights."""
    run: str | None = None
    """The run that it is of, where it lies in one."""
    step: int | None = None

    @property
    def folder(self) -> Path:
        """Where what belongs to the weights lies."""
        return self.path if self.path.is_dir() else self.path.parent

    @property
    def weights(self) -> Path:
        """The file with the weights, of Craft's own."""
        return self.path / WEIGHTS if self.kind == "checkpoint" else self.path

    @property
    def title(self) -> str:
        """What it is, in words."""
        of = f" of {self.run}" if self.run else ""
        if self.kind == "checkpoint":
            return f"checkpoint{of}" + ("" if self.step is None else f"{', ' if of else ' of '}step {self.step}")
        return f"weights in {self.path.name}"

    @property
    def definition(self) -> Path | None:
        """The definition; None for what another program wrote."""
        return None if self.kind == "foreign" else self.folder / DEFINITION


def find_checkpoint(path: Path) -> CheckpointPlace:
    """What a path leads to. Raises CheckpointError when that is no checkpoint, saying what is missing."""
    try:
        return _folder(path) if path.is_dir() else _file(path)
    except (OSError, ValueError) as error:  # a name too long, a zero byte in it, a folder that may not be read
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise CheckpointError(f"{path}: cannot be read: {reason}") from error


def _folder(path: Path) -> CheckpointPlace:
    run = next((RunFolder(place) for place in (path, path.parent) if (place / "run.json").is_file()), None)
    if run is not None and path in (run.path, run.checkpoints):
        return _of_craft(_newest(run))
    if (path / manifest.NAME).exists() or manifest.STEP_FOLDER.fullmatch(path.name):
        return _of_craft(path)
    names = {entry.name for entry in path.iterdir()}
    if DEFINITION in names and WEIGHTS in names:
        return _file(path / WEIGHTS)
    if "config.json" in names:
        return CheckpointPlace("foreign", path)
    if _NANOGPT in names:
        return CheckpointPlace("foreign", path / _NANOGPT)
    found = sorted(name for name in names if name.endswith(SUFFIXES))
    if len(found) == 1:
        return _file(path / found[0])
    there = f"it holds {', '.join(sorted(names)[:5])}" if names else "it is empty"
    raise CheckpointError(
        f"{path}: no checkpoint: {there}; name a run, a checkpoint's folder, a Hugging Face folder (config.json and "
        "weights), or a file: .safetensors, or nanoGPT's ckpt.pt"
    )


def _newest(run: RunFolder) -> Path:
    """The newest whole checkpoint, of a run that may train on and tidy up meanwhile."""
    while True:
        before = checkpoints.list_checkpoints(run)
        try:
            return checkpoints.resolve(run, "latest").path
        except CheckpointError:
            if checkpoints.list_checkpoints(run) == before:
                raise


def _of_craft(path: Path) -> CheckpointPlace:
    """A checkpoint folder with a manifest, and the run that it lies in."""
    whole = path.resolve()
    run = whole.parent.parent if whole.parent.name == "checkpoints" else None
    named = manifest.STEP_FOLDER.fullmatch(whole.name)
    try:
        step: int | None = manifest.read_manifest(path).step
    except ValueError:  # whoever loads it says what is wrong
        step = int(named[1]) if named else None
    return CheckpointPlace("checkpoint", path, run.name if run and (run / "run.json").is_file() else None, step)


def _file(path: Path) -> CheckpointPlace:
    if not path.exists():
        raise CheckpointError(f"{path}: there is no such file or folder")
    if not path.is_file():
        raise CheckpointError(f"{path}: it is neither a file nor a folder")
    folder = path.parent
    if path.name == WEIGHTS and ((folder / manifest.NAME).exists() or manifest.STEP_FOLDER.fullmatch(folder.name)):
        return _of_craft(folder)
    if path.suffix == ".safetensors" and (folder / DEFINITION).is_file():
        return CheckpointPlace("weights", path)
    if not path.name.endswith(SUFFIXES):
        raise CheckpointError(f"{path}: no checkpoint: a file's name ends in {', '.join(SUFFIXES)}")
    return CheckpointPlace("foreign", path)
