"""How a checkpoint is measured: as its run chose, as far as this machine can, and what is another here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from craft import platform
from craft.config.schema import ExperimentConfig
from craft.errors import CraftError, UsageError
from craft.models.device import choose_device
from craft.runs.folder import RunFolder, RunIdentity, load_identity
from craft.runs.lock import read_owner
from craft.training.precision import DTYPES, choose_precision


@dataclass(frozen=True)
class Conditions:
    """How it is measured."""

    device: torch.device
    precision: str
    """As a run's, or "int8": weights in whole numbers, as for writing on a CPU."""
    threads: int
    differs: tuple[str, ...]
    """Why the figures may differ from those of training in their last digits, or more; empty where they do not."""


def take_up_conditions(
    config: ExperimentConfig | None, run: RunFolder | None, device: str | None, precision: str | None
) -> Conditions:
    """What the run chose, as far as it is here and nothing else was asked for. Sets torch's threads.

    Raises UsageError for a device that is not here.
    """
    identity = load_identity(run)[0] if run is not None else None
    chosen = identity.chosen if identity is not None else {}
    trained_on, trained_in = str(chosen.get("device", "")), str(chosen.get("precision", ""))
    differs = []
    if config is not None and (not trained_on or trained_in not in DTYPES):
        differs.append("which device, precision and threads it was trained with is not known here")
        trained_on, trained_in = config.device, config.precision
    there = _device(device, trained_on)
    if trained_on not in ("", "auto") and _place(torch.device(trained_on)) != _place(there):
        differs.append(f"it was trained on {trained_on}, and is measured on {there}")
    precision, _ = choose_precision(precision or trained_in or "fp32", there)
    if precision == "int8" and there.type != "cpu":
        raise UsageError(f"--precision int8 is for the CPU, and this is measured on {there}; add --device cpu")
    if trained_in in DTYPES and trained_in != precision:
        differs.append(f"it was trained in {trained_in}, and is measured in {precision}")
    if there.type == "cpu":
        _set_threads(config, chosen, differs)
    if identity is not None:
        differs += _other_machine(run, identity)
    if config is not None and config.training.trainer != "auto":
        differs += _own_way(config, run)
    return Conditions(there, precision, torch.get_num_threads(), tuple(differs))


def _device(given: str | None, trained_on: str) -> torch.device:
    """What was asked for, else where it was trained, else what there is."""
    try:
        return choose_device(given or trained_on or "auto")[0]
    except CraftError as error:
        if given is not None:
            raise UsageError(str(error)) from error
        return choose_device("auto")[0]


def _place(device: torch.device) -> tuple[str, int]:
    """The same for "cuda" and "cuda:0"."""
    return device.type, device.index or 0


def _set_threads(config: ExperimentConfig | None, chosen: dict[str, Any], differs: list[str]) -> None:
    """As many as in training: sums are made in another order by more or fewer."""
    wanted = chosen.get("threads")
    if wanted is None and config is not None and config.training.threads != "auto":
        wanted = config.training.threads
    if isinstance(wanted, int) and wanted > 0:
        torch.set_num_threads(wanted)
        if torch.get_num_threads() != wanted:
            differs.append(f"it was trained on {wanted} threads, and {torch.get_num_threads()} are to be had")


def _other_machine(run: RunFolder | None, identity: RunIdentity) -> list[str]:
    """Where it was trained, and by which torch, as far as that is another."""
    found = []
    trained_by = identity.versions.get("torch")
    if trained_by is not None and trained_by != torch.__version__:
        found.append(f"it was trained with torch {trained_by}, and is measured with {torch.__version__}")
    owner = read_owner(run) if run is not None else None
    if owner is not None and owner.host != platform.hostname():
        found.append(f"it was trained on the machine {owner.host}, and is measured on {platform.hostname()}")
    return found


def _own_way(config: ExperimentConfig, run: RunFolder | None) -> list[str]:
    """Whether a Trainer of a person's own measures in another way."""
    from craft.training.experiment import trainer_class
    from craft.training.trainer import Trainer

    own = trainer_class(config, run.code if run is not None else None)
    if own.evaluate is Trainer.evaluate:
        return []
    return [f"{config.training.trainer} measures in a way of its own, which is not followed here"]
