"""The runs under one folder: listed quickly, found by name."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from craft.errors import UnknownRunError
from craft.runs.folder import (
    GONE,
    RunFolder,
    RunIdentity,
    holds_a_run,
    is_dir,
    is_or_was_a_run,
    load_identity,
    slug,
    was_a_run,
)
from craft.runs.liveness import Observed, observe
from craft.runs.status import Status


@dataclass(frozen=True)
class RunSummary:
    """One line about a run. `fault` says what is wrong with its folder; the other fields then hold what is known."""

    folder: RunFolder
    experiment: str
    group: str | None
    created: float
    observed: Observed
    fault: str | None = None
    parent_run: str | None = None
    """What it was forked from."""
    parent_step: int | None = None

    @property
    def name(self) -> str:
        """The run's name."""
        return self.folder.name

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.folder.path

    @property
    def phase(self) -> str:
        """The phase as shown."""
        return self.observed.phase

    @property
    def shown_phase(self) -> str:
        """The phase as people see it in lists: a folder that cannot be read has one of its own."""
        return "damaged" if self.fault else self.phase

    @property
    def reason(self) -> str:
        """Why it is in that phase, or what is wrong with its folder."""
        return self.fault or self.observed.reason

    @property
    def is_robbed(self) -> bool:
        """Whether its folder has lost its `run.json`: it is listed, and does not go on."""
        return (self.fault or "").startswith(GONE)

    @property
    def status(self) -> Status:
        """The worker's claim."""
        return self.observed.status

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return self.status.step

    @property
    def max_steps(self) -> int:
        """Steps to do; 0 while that is not known."""
        return self.status.max_steps

    @property
    def best(self) -> float | None:
        """The best value of what is monitored."""
        return self.status.best

    @property
    def train_loss(self) -> float | None:
        """The last one recorded."""
        return self.status.train_loss

    @property
    def val_loss(self) -> float | None:
        """The last one measured."""
        return self.status.val_loss

    @property
    def tokens_per_second(self) -> float | None:
        """The last speed recorded."""
        return self.status.tokens_per_second

    @property
    def eta_seconds(self) -> float | None:
        """What its worker thinks is left, in seconds."""
        return self.status.eta_seconds

    @property
    def updated(self) -> float:
        """When its worker last wrote, in seconds since 1970; 0 when it never did."""
        return self.status.updated


class RunStore:
    """All runs under `runs_dir`."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir

    def folders(self) -> list[RunFolder]:
        """Every folder that holds a run, by name."""
        return self._those(holds_a_run)

    def robbed(self) -> list[RunFolder]:
        """Every folder that was a run and has lost its `run.json`, by name: it is listed, and nothing acts on it."""
        return self._those(was_a_run)

    def _those(self, wanted: Callable[[str], bool]) -> list[RunFolder]:
        try:
            with os.scandir(self.runs_dir) as entries:
                names = [entry.name for entry in entries if entry.name[0] != "." and wanted(entry.path)]
        except OSError:
            return []
        return [RunFolder(self.runs_dir / name) for name in sorted(names)]

    def list(self) -> list[RunSummary]:
        """A line about each run, the oldest first."""
        return sorted(map(self.summary, self._those(is_or_was_a_run)), key=lambda s: (s.created, s.name))

    def summary(self, folder: RunFolder) -> RunSummary:
        """A line about one run; a damaged folder is said to be one."""
        identity, fault = load_identity(folder)
        if identity is None:
            identity = RunIdentity(experiment=folder.name.rpartition("-")[0] or folder.name, id="")
        observed = observe(folder)
        faults = "; ".join(filter(None, (fault, observed.fault)))
        return RunSummary(
            folder,
            identity.experiment,
            identity.group,
            identity.created,
            observed,
            faults or None,
            identity.parent_run,
            identity.parent_step,
        )

    def find(self, name: str | Path) -> RunFolder:
        """The run that a name or a path means; an experiment's name means its newest run.

        Raises UnknownRunError with the nearest names, or RunError for a folder that holds no run.
        """
        text = str(name)
        if os.sep in text or text in (".", ".."):
            return RunFolder(Path(text).resolve()).require(definition=False)
        inside = RunFolder(self.runs_dir / text)
        if text and is_dir(inside.path):
            return inside.require(definition=False)
        if text and is_dir(Path(text)):
            return RunFolder(Path(text).resolve()).require(definition=False)
        folders = self.folders()
        stem = slug(text)  # the name as folders can bear it, where that is another
        of_experiment = [folder for folder in folders if re.fullmatch(rf"{re.escape(stem)}-\d{{3,}}", folder.name)]
        if stem != text:
            of_experiment = [folder for folder in of_experiment if _experiment_of(folder) == text]
        if of_experiment:
            return max(of_experiment, key=lambda folder: (len(folder.name), folder.name))
        names = [folder.name for folder in folders]
        import difflib  # a list of runs should not wait for it

        near = difflib.get_close_matches(text, names, n=3)
        if near:
            hint = f"did you mean {' or '.join(near)}?"
        elif names:
            hint = f"there are {len(names)} runs; `craft runs` lists them"
        else:
            hint = "there is none there yet; `craft run experiments.toml` makes one"
        raise UnknownRunError(f"no run '{text}' in {self.runs_dir}: {hint}")


def _experiment_of(folder: RunFolder) -> str | None:
    identity, _ = load_identity(folder)
    return identity.experiment if identity is not None else None
