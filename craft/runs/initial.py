"""Where the weights that an `init_from` names lie on this machine. Free of torch; nothing is read but names."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from craft.config.initial_weights import WeightsSource, parse_source
from craft.errors import CheckpointError, RunError
from craft.runs import checkpoints, manifest
from craft.runs.folder import RunFolder, is_dir
from craft.runs.store import RunStore


def find_weights(text: str, runs_dir: Path, *, own: str = "") -> Path | WeightsSource:
    """The checkpoint's folder, the file or the folder that `text` names; a name on the hub as it is.

    `own` is the run that asks: where an experiment's name means its newest run, that one is not meant. Raises
    CheckpointError, or RunError for a run that is not there.
    """
    source = parse_source(text)
    if source.kind == "hub":
        return source
    if source.kind == "run":
        try:
            return checkpoints.resolve(_run(source.name, runs_dir, own), source.which or "latest").path
        except (RunError, CheckpointError) as error:
            raise type(error)(f'init_from = "{text}": {error}') from error
    place = Path(source.name)
    if is_dir(place):
        if (place / "run.json").is_file():
            return checkpoints.resolve(RunFolder(place), source.which or "latest").path
        if (place / manifest.NAME).is_file() and (problems := manifest.verify(place)):
            raise CheckpointError(f'init_from = "{text}": damaged: {"; ".join(problems)}')
        return place
    if not place.is_file():
        raise CheckpointError(f'init_from = "{text}": there is no such file or folder')
    return place


def require_weights(text: str, runs_dir: Path, planned: Collection[str]) -> None:
    """Raise as `find_weights` does, unless `text` names one of the experiments that are `planned` beside: their
    weights are still to come."""
    source = parse_source(text)
    if source.kind != "run" or source.name not in planned:
        find_weights(text, runs_dir)


def _run(name: str, runs_dir: Path, own: str) -> RunFolder:
    """As everywhere, an experiment's name means its newest run, here the newest with something to take."""
    store = RunStore(runs_dir)
    others = [folder for folder in store.folders() if folder.name != own]
    if name == own:
        raise RunError("this is the run itself; name another")
    if not is_dir(runs_dir / name):
        runs = [folder for folder in others if re.fullmatch(rf"{re.escape(name)}-\d{{3,}}", folder.name)]
        trained = [folder for folder in runs if checkpoints.list_checkpoints(folder)]
        if found := trained or runs:
            return max(found, key=lambda folder: (len(folder.name), folder.name))
    return store.find(name)
