"""The first start of a fork: its parent's checkpoint, of which some parts start anew, seen as the child's own.

The checkpoint is a copy, bit by bit; what is another in the child is decided whenever exactly this copy is restored:
at the first start, at a second one after a kill, and when the run goes back to it. What the child saves itself, also
at the same step, holds all of that, and is restored whole.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from craft.config.schema import ExperimentConfig
from craft.data import PreparedData, TrainBatches
from craft.errors import CheckpointError
from craft.runs import manifest
from craft.runs.folder import RunFolder, read_identity, update_identity


@dataclass(frozen=True)
class Inherited:
    """What a fork makes of its parent's checkpoint."""

    step: int
    digest: str
    """The sha256 of the copy's manifest, by which it is known."""
    anew: frozenset[str]
    """The parts of it that start anew."""
    data_begins: int
    """The step after which the first epoch of the data begins."""
    config: ExperimentConfig
    fingerprint: str
    """The child's text and order."""

    def is_at(self, path: Path) -> bool:
        """Whether a checkpoint is the parent's copy, and not one that the child saved."""
        return bool(self.digest) and _digest(path) == self.digest

    def as_own(self, own: dict[str, Any]) -> dict[str, Any]:
        """The values of the parent's checkpoint as those of the child; changed in place."""
        trainer, monitor = own["trainer"], self.config.checkpoint.monitor
        trainer["finished_early"] = None  # whoever forks a run wants it to go on
        trainer["monitor"] = [monitor, self.config.checkpoint.mode]
        if "data" in self.anew:
            trainer["fingerprint"] = self.fingerprint
            own["loop"]["skipped"] = 0
        if "figures" in self.anew:
            trainer |= {"evaluated": {}, "evaluated_step": -1, "evaluation_owed": True}
            for waiting in [own.get("scheduler", {}).get("state", {}), *own.get("callbacks", {}).values()]:
                if isinstance(waiting, dict) and "monitor" in waiting:
                    waiting["monitor"] = None  # what it waits for was measured on another text
        # The best so far is that of the checkpoints that the child holds, which is this one.
        measured = trainer["evaluated"].get(monitor) if trainer["evaluated_step"] == trainer["step"] else None
        trainer |= {"best": measured, "best_step": None if measured is None else trainer["step"]}
        for part in self.anew:
            if part.startswith("callbacks."):
                own.get("callbacks", {}).pop(_name(part), None)
        for name, state in own.get("callbacks", {}).items():
            guard = self.config.callbacks.get(name)
            if guard is not None and guard.type == "spike_guard" and "last_good" in state:
                state["last_good"] = max(state["last_good"], trainer["step"])  # there is nothing older to go back to
        return own

    def begin_random(self) -> None:
        """Random numbers from the seed on, the same at every start from this checkpoint."""
        torch.manual_seed(self.config.seed)
        random.seed(self.config.seed)
        np.random.seed(self.config.seed % 2**32)


def _digest(path: Path) -> str:
    try:
        return manifest.file_digest(path / manifest.NAME)
    except OSError:
        return ""


def _name(part: str) -> str:
    """The callback that "callbacks.NAME" means; a name may be quoted as TOML has it."""
    import tomllib

    name = part.removeprefix("callbacks.")
    (key,) = tomllib.loads(f"{name} = 0")
    return str(key)


def inherited(folder: RunFolder, config: ExperimentConfig, data: PreparedData) -> Inherited | None:
    """What a run was forked with; None for one that is no fork.

    Whether its text is another than its parent's is known now, and kept from here on.
    """
    identity = read_identity(folder)
    if identity.parent_step is None or not identity.fork:
        return None
    fork, step, fingerprint = identity.fork, identity.parent_step, _fingerprint(config, data)
    anew, begins = set(map(str, fork.get("anew", []))), int(fork.get("data_begins", 0))
    if "text" in anew:
        anew.remove("text")
        if fork.get("fingerprint") != fingerprint:
            anew |= {"data", "figures"}
        begins = step if "data" in anew else begins
        update_identity(folder, fork={**fork, "anew": sorted(anew), "data_begins": begins})
    return Inherited(step, str(fork.get("checkpoint", "")), frozenset(anew), begins, config, fingerprint)


def _fingerprint(config: ExperimentConfig, data: PreparedData) -> str:
    batches = TrainBatches(data.splits["train"], batch_size=1, shuffle=config.data.shuffle, seed=config.seed)
    return f"{batches.fingerprint}, of text {data.corpus_hash}"


def require_tokenizer(path: Path, save_tokenizer: Callable[[Path], None], folder: RunFolder) -> None:
    """Raise CheckpointError unless the child's tokens are those that the checkpoint's weights know."""
    with TemporaryDirectory() as place:
        save_tokenizer(Path(place))
        for file in Path(place).iterdir():
            there = path / file.name
            if not there.is_file() or there.read_bytes() != file.read_bytes():
                raise CheckpointError(
                    f"{folder.name}: its text gives other tokens than its parent's weights know, so it cannot go on "
                    f"from them. A tokenizer of the parent's own file (tokenizer.path) keeps them; or start a new run, "
                    f"which takes what fits: craft run {folder.definition} init_from={folder.name}@latest"
                )
