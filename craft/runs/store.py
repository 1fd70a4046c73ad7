"""The runs under one folder: listed quickly, found by name."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from craft.errors import RunError, UnknownRunError
from craft.runs.folder import RunFolder, RunIdentity, read_identity
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

    @property
    def name(self) -> str:
        """The run's name."""
        return self.folder.name

    @property
    def phase(self) -> str:
        """The phase as shown."""
        return self.observed.phase

    @property
    def reason(self) -> str:
        """Why it is in that phase."""
        return self.fault or self.observed.reason

    @property
    def status(self) -> Status:
        """The worker's claim: steps, losses, speed."""
        return self.observed.status


class RunStore:
    """All runs under `runs_dir`."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir

    def folders(self) -> list[RunFolder]:
        """Every folder that looks like a run, by name."""
        try:
            with os.scandir(self.runs_dir) as entries:
                names = [e.name for e in entries if not e.name.startswith(".") and e.is_dir()]
        except OSError:
            return []
        folders = [RunFolder(self.runs_dir / name) for name in sorted(names)]
        return [folder for folder in folders if folder.run_json.exists()]

    def list(self) -> list[RunSummary]:
        """A line about each run, the oldest first."""
        return sorted((self.summary(folder) for folder in self.folders()), key=lambda s: (s.created, s.name))

    def summary(self, folder: RunFolder) -> RunSummary:
        """A line about one run; a damaged folder is said to be one."""
        fault = None
        try:
            identity = read_identity(folder)
        except RunError as error:
            fault = str(error).partition(": ")[2]
            identity = RunIdentity(experiment=folder.name.rpartition("-")[0] or folder.name)
        return RunSummary(folder, identity.experiment, identity.group, identity.created, observe(folder), fault)

    def find(self, name: str | Path) -> RunFolder:
        """The run that a name or a path means; an experiment's name means its newest run.

        Raises UnknownRunError with the nearest names, or RunError for a folder that is no run.
        """
        text = str(name)
        if os.sep in text or text in (".", ".."):
            return RunFolder(Path(text).resolve()).require()
        inside = RunFolder(self.runs_dir / text)
        if inside.path.is_dir():
            return inside.require()
        if Path(text).is_dir():
            return RunFolder(Path(text).resolve()).require()
        folders = self.folders()
        of_experiment = [f for f in folders if re.fullmatch(re.escape(text) + r"-\d{3,}", f.name)]
        if of_experiment:
            return max(of_experiment, key=lambda folder: (len(folder.name), folder.name))
        names = [folder.name for folder in folders]
        near = difflib.get_close_matches(text, names, n=3)
        if near:
            hint = f"did you mean {' or '.join(near)}?"
        elif names:
            hint = f"there are {len(names)} runs; `craft runs` lists them"
        else:
            hint = "there is none there yet; `craft run experiments.toml` makes one"
        raise UnknownRunError(f"no run '{text}' in {self.runs_dir}: {hint}")
