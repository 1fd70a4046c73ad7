"""The definition that a run goes on with: its own or a file's, with `path=value` over it and what was changed live."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from craft.config.check import Problems, dotted
from craft.config.experiments import ExperimentsFile, PlannedRun, load_experiments
from craft.config.live import live_settings
from craft.config.overrides import read_overrides
from craft.config.schema import ExperimentConfig
from craft.config.toml_values import write_value
from craft.errors import UsageError
from craft.launch.going_on.meaning import changes_between
from craft.runs.changes import Change, Values, forget_changes, read_changes, values_at
from craft.runs.folder import RunFolder, read_identity


@dataclass(frozen=True)
class Edited:
    """An edited definition, and what held before."""

    planned: PlannedRun
    """As it is to be written: what was changed live stands beside it."""
    own: ExperimentConfig
    """What the run's `experiment.toml` says."""
    before: ExperimentConfig
    """What held at the step, live changes and all."""
    after: ExperimentConfig
    """What is to hold from there on."""
    live: list[Change]
    """The live changes that stay."""
    forgotten: list[str]
    """Settings whose live changes go, because they are given anew."""

    @property
    def definition_changes(self) -> bool:
        """Whether `experiment.toml` becomes another."""
        return self.planned.config != self.own


def edit(
    folder: RunFolder,
    step: int,
    overrides: Sequence[str],
    *,
    file: Path | None = None,
    name: str | None = None,
) -> Edited:
    """The definition of a run at a step, edited by `path=value`, or that of an experiment of `file`.

    Raises ConfigError for what is no sound definition, UsageError for a file that does not say which.
    """
    own_file = load_experiments(folder.definition)
    (own,) = own_file.plan()
    changes = read_changes(folder)
    source, chosen = (own_file, own.experiment) if file is None else _chosen(folder, file, name)
    planned = _one(folder, source, chosen, overrides)
    if changes:
        values = values_at(changes, step)
        before = own_file.plan([own.experiment], _texts(values, own.config))[0].config
    else:
        before = own.config
    forgotten = _forgotten(changes, own.config, planned.config, _paths(overrides))
    live = forget_changes(changes, forgotten)
    texts = _texts(values_at(live, step), planned.config)
    after = _one(folder, source, chosen, [*overrides, *texts]).config if texts else planned.config
    return Edited(planned, own.config, before, after, live, forgotten)


def _chosen(folder: RunFolder, file: Path, name: str | None) -> tuple[ExperimentsFile, str]:
    """The experiment of a file that is meant: the one that is named, else that of the run's own name, else the one."""
    found = load_experiments(file)
    if name is None:
        own = read_identity(folder).experiment
        name = own if own in found.names else found.names[0] if len(found.names) == 1 else None
    if name is None:
        raise UsageError(
            f"{file} has no experiment '{read_identity(folder).experiment}'; say which, as --with {file}:NAME, of "
            f"{', '.join(found.names[:12])}"
        )
    return found, name


def _one(folder: RunFolder, source: ExperimentsFile, name: str, overrides: Sequence[str]) -> PlannedRun:
    """The one run of an experiment; of a sweep the point that the run itself is."""
    planned = source.plan([name], overrides)
    if len(planned) > 1:
        axes = read_identity(folder).axes
        planned = [one for one in planned if one.axes == axes]
    if len(planned) != 1:
        raise UsageError(
            f"experiment '{name}' of {source.path} is a sweep of several runs, and none of them is {folder.name}; "
            "name one experiment without a sweep"
        )
    return planned[0]


def _paths(overrides: Sequence[str]) -> list[str]:
    return [dotted(path) for path in read_overrides(overrides, Problems())[1]]


def _texts(values: Values, config: ExperimentConfig) -> list[str]:
    known = live_settings(config)
    return [f"{path}={write_value(value)}" for path, value in values.items() if path in known]


def _forgotten(
    changes: Iterable[Change], own: ExperimentConfig, edited: ExperimentConfig, given: Sequence[str]
) -> list[str]:
    """Settings that were changed live and are said anew: on the command line, or by a definition that has another
    value, or another type in their place."""
    differing = changes_between(own, edited)
    retyped = [path.removesuffix("type") for path in differing if path.endswith(".type")]
    known = live_settings(edited)
    return [
        path
        for path in dict.fromkeys(path for change in changes for path in change.values)
        if path in differing
        or path not in known
        or any(path.startswith(section) for section in retyped)
        or any(f"{path}.".startswith(f"{one}.") for one in given)
    ]
