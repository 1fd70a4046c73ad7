"""What `craft generate` writes with: runs and checkpoints by name, found before torch is imported, then loaded."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from craft.cli.common import find_run, run_and_which
from craft.errors import CraftError, RunError, TrainingError, UsageError
from craft.text import clean_line

if TYPE_CHECKING:
    from craft.config.schema import ExperimentConfig
    from craft.generation.checkpoint import LoadedCheckpoint
    from craft.runs.folder import RunFolder

_TRIES = 10


@dataclass(frozen=True)
class Source:
    """A checkpoint that was asked for."""

    given: str
    """As it was typed."""
    path: Path
    config: ExperimentConfig | None
    """The definition; None for what another program wrote."""
    run: RunFolder | None = None
    which: str = ""

    @property
    def title(self) -> str:
        """What its texts are shown under."""
        from craft.runs.manifest import STEP_FOLDER

        step = STEP_FOLDER.fullmatch(self.path.name)
        name = self.run.name if self.run is not None else self.given
        return f"{name}, step {int(step[1])}" if step else name


def find_sources(
    names: tuple[str, ...], checkpoints: tuple[Path, ...], runs_dir: Path | None, *, fresh: bool
) -> list[Source]:
    """All that were named, in that order. Raises CraftError for one that leads nowhere."""
    if not names and not checkpoints:
        raise click.UsageError("name a RUN, or a checkpoint with --checkpoint")
    if fresh and not names:
        raise click.UsageError("--fresh asks a run to save first; name a RUN")
    return [
        *(_of_run(name, runs_dir, fresh=fresh) for name in names),
        *(_of_path(path) for path in checkpoints),
    ]


def load_source(source: Source, device: str, precision: str | None) -> tuple[Source, LoadedCheckpoint, str]:
    """The model, and the sha256 of its weights. The source is another where a run tidied the first up meanwhile."""
    from craft.generation.checkpoint import load_checkpoint
    from craft.generation.provenance import weights_digest
    from craft.generation.sampler.beside_training import Threads, place

    for tries_left in reversed(range(_TRIES)):
        try:
            digest = weights_digest(source.path)
            placement = place(device, source.run)
            loaded = load_checkpoint(source.path, placement.device, precision)
            break
        except TrainingError as error:  # a device that is not there: wrong use, and no run that failed
            raise UsageError(str(error)) from error
        except (CraftError, OSError):
            # A run that trains on saves and tidies up meanwhile: then @latest is another checkpoint by now.
            if source.path.exists() or not tries_left or source.run is None:
                raise
            source = _resolved(source.given, source.run, source.which)
    if placement.beside:
        say(placement.why)
    Threads().set(placement.threads)
    for remark in loaded.remarks:
        say(remark)
    return source, loaded, digest


def say(words: str) -> None:
    """Something a person should know, on standard error."""
    sys.stderr.write(f"craft: {clean_line(words)}\n")
    sys.stderr.flush()


def _of_run(name: str, runs_dir: Path | None, *, fresh: bool) -> Source:
    run, which = run_and_which(name)
    folder = find_run(run, runs_dir)
    if fresh:
        if which != "latest":
            raise click.UsageError(
                f"--fresh takes what the run saves now, and {name} names another; leave out @{which}"
            )
        which = _saved(folder)
    return _resolved(name, folder, which)


def _saved(folder: RunFolder) -> str:
    """Let the run save: the step that it saved."""
    from craft.runs.saving import save_now

    step = save_now(folder)
    if step is None:
        say(f"{folder.name} does not train now: what it saved last is taken")
        return "latest"
    return str(step)


def _resolved(given: str, folder: RunFolder, which: str) -> Source:
    """A run's checkpoint as it is now, with its definition."""
    from craft.config.definition import load_definition
    from craft.runs.checkpoints import passed_over, resolve
    from craft.runs.liveness import observe

    for tries_left in reversed(range(_TRIES)):
        try:
            found = resolve(folder, which)
            path = found.path
        except CraftError:
            # What was found, or just saved, may be tidied up while it is read: there is a newer one then.
            if not tries_left or "@" in given or not observe(folder).is_live:
                raise
            which = "latest"
            continue
        try:
            source = Source(given, path, load_definition(path / "experiment.toml")[1], folder, which)
            if which == "latest" and (words := passed_over(folder, found)):
                say(words)
            return source
        except CraftError:
            if path.is_dir() or not tries_left:
                raise
    raise RunError(f"{folder.name}: no checkpoint stayed long enough to be read; try @best")


def _of_path(path: Path) -> Source:
    """Whatever `load_checkpoint` reads."""
    from craft.config.definition import load_definition
    from craft.generation.places import find_checkpoint

    place = find_checkpoint(path)
    config = load_definition(place.definition)[1] if place.definition is not None else None
    return Source(str(path), place.path, config)
