"""First weights that come from elsewhere: what fits by name and shape is taken, and everything else is said.

foreign.py   reads files of other programs, and knows what they call things
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from craft.config.definition import load_definition
from craft.config.schema.model import ModelConfig
from craft.errors import CheckpointError, ConfigError
from craft.models import foreign
from craft.models.base import LanguageModel
from craft.models.weights import FILE, PLAIN, read_tensors
from craft.runs import manifest
from craft.runs.initial import find_weights

_SHOWN = 6  # tensors that did not fit, by name, in words
_KEPT = 200  # and in run.json


@dataclass
class InitReport:
    """What came of an `init_from`."""

    source: str
    """As it was set."""
    path: str
    """What it turned out to be."""
    sha256: str
    """Of the files with the weights."""
    tensors: int = 0
    """Tensors of the model that were taken."""
    parameters: int = 0
    all_tensors: int = 0
    all_parameters: int = 0
    misfits: dict[str, str] = field(default_factory=dict)
    """Tensors of the model that were not, with the reason."""
    unused: list[str] = field(default_factory=list)
    """Tensors that only the source has."""
    remarks: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """All of it in words."""
        taken = f"{self.tensors} of {self.all_tensors} tensors, {self.parameters:,} of {self.all_parameters:,} numbers"
        lines = [f"first weights from {self.path}: {taken}"]
        lines += [f"not taken: {name}: {why}" for name, why in list(self.misfits.items())[:_SHOWN]]
        if len(self.misfits) > _SHOWN:
            lines.append(f"not taken: {len(self.misfits) - _SHOWN} more tensors")
        if self.unused:
            names = ", ".join(self.unused[:_SHOWN]) + (", ..." if len(self.unused) > _SHOWN else "")
            lines.append(f"{len(self.unused)} tensors of the source have no place in this model: {names}")
        return lines + self.remarks

    def as_json(self) -> dict[str, Any]:
        """All of it, for run.json; of many misfits the first ones: readers take files of a sensible size."""
        shortened = {"misfits": dict(list(self.misfits.items())[:_KEPT]), "unused": self.unused[:_KEPT]}
        return {**asdict(self), **shortened, "all_misfits": len(self.misfits)}


def load_initial(
    model: LanguageModel,
    source: str,
    *,
    runs_dir: Path,
    own: str = "",
    config: ModelConfig | None = None,
    tokenizer: Path | None = None,
) -> InitReport:
    """Put the weights that an `init_from` names into a model, in place, as far as they fit.

    `own` is the run that asks, `config` its `[model]` table, `tokenizer` a folder that holds its tokenizer's files.
    Raises CheckpointError when there are no such weights, when they cannot be read, and when none of them fits.
    """
    found = find_weights(source, runs_dir, own=own)
    place = found if isinstance(found, Path) else foreign.download(found.name)
    report = InitReport(source, str(place), "")
    is_craft = (place / manifest.NAME).is_file() and (place / FILE).is_file()
    if is_craft:
        files, tensors = [place / FILE], read_tensors(place / FILE, whole=not manifest.verify(place))
        report.remarks += _differences(place, config)
    else:
        read = foreign.read(place)
        files, tensors = read.files, foreign.translate(read, model, report.remarks)
    report.sha256 = _digest(files)
    other_words = "its tokenizer is another, so its rows are of other tokens"
    strange = other_words if is_craft and tokenizer and not _same_tokenizer(place, tokenizer) else ""
    _take(model, foreign.best_names(tensors, model), report, strange)
    if not report.tensors:
        reasons = "; ".join(f"{name}: {why}" for name, why in list(report.misfits.items())[:3])
        raise CheckpointError(f'init_from = "{source}": nothing in {place} fits this model: {reasons}')
    return report


def load_whole(model: LanguageModel, read: foreign.Foreign, called: str) -> None:
    """Put what was read of another program's files into a model, all of it. Raises CheckpointError, naming what has no
    place in the model and what the model lacks; then it is of no use."""
    report = InitReport("", called, "")
    tensors = foreign.translate(read, model, report.remarks)
    _take(model, foreign.best_names(tensors, model), report, "")
    wrong = [f"{name}: {why}" for name, why in report.misfits.items()]
    wrong += [f"{name}: the model has none of this name" for name in report.unused]
    if wrong:
        raise CheckpointError(f"{called}: {foreign.listed(wrong)}")


@torch.no_grad()
def _take(model: LanguageModel, tensors: dict[str, Tensor], report: InitReport, strange: str) -> None:
    """Copy what fits. `strange` says why rows of the vocabulary do not; empty when they do."""
    roles, seen = model.parameter_roles(), set()
    for name, own in model.state_dict(keep_vars=True).items():
        if id(own) in seen:
            continue  # a tied one, under another name
        seen.add(id(own))
        report.all_tensors += 1
        report.all_parameters += own.numel()
        given = tensors.pop(name, None)
        of_places = _holds_places(name)
        if given is None:
            report.misfits[name] = "the source has none of this name"
            continue
        if of_places and given.ndim == 2 and given.shape[1:] == own.shape[1:] and len(given) > len(own):
            report.remarks.append(f"{name}: the first {len(own):,} of {len(given):,} positions")
            given = given[: len(own)]
        if given.shape != own.shape:
            report.misfits[name] = f"its shape is {tuple(given.shape)} there and {tuple(own.shape)} here"
        elif given.dtype not in (*PLAIN, own.dtype):
            report.misfits[name] = f"it holds {given.dtype} there"
        elif strange and roles.get(name) in ("embedding", "head") and not of_places and len(own) == model.vocab_size:
            report.misfits[name] = strange
        else:
            own.data.copy_(given)
            report.tensors += 1
            report.parameters += own.numel()
    tied = {name for name in model.state_dict() if name in tensors}
    report.unused = sorted(tensors.keys() - tied)


def _holds_places(name: str) -> bool:
    """Whether a tensor's rows are positions: of learned ones the first are worth taking by themselves."""
    return "position" in name or ".wpe." in name or "embed_positions" in name


def _differences(checkpoint: Path, config: ModelConfig | None) -> list[str]:
    """Settings of the architecture that the shapes of weights do not show, where they are others here."""
    try:
        _, there = load_definition(checkpoint / "experiment.toml")
    except ConfigError as error:
        return [f"its definition does not read, so the architectures are not compared: {str(error).splitlines()[0]}"]
    if config is None:
        return []
    theirs, ours = there.model.model_dump(), config.model_dump()
    if theirs["type"] != ours["type"]:
        return [f"its model is of type {theirs['type']}, this one of type {ours['type']}"]
    silent = ("preset", "dropout")  # the first is a name for others, and weights do not depend on the second
    other = [key for key in ours if key in theirs and ours[key] != theirs[key] and key not in silent]
    return [f"model.{key} is {theirs[key]} there and {ours[key]} here" for key in other]


def _same_tokenizer(there: Path, here: Path) -> bool:
    files = {file.name: file for file in here.iterdir() if file.is_file()}
    return all((there / name).is_file() and _same(there / name, file) for name, file in files.items())


def _same(left: Path, right: Path) -> bool:
    return manifest.file_digest(left) == manifest.file_digest(right)


def _digest(files: list[Path]) -> str:
    """The sha256 of one file, or of those of several in their order."""
    digests = [manifest.file_digest(file) for file in files]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
