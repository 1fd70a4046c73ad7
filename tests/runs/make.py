"""Run folders for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from craft.runs.folder import RunFolder, RunIdentity, create_run


def a_run(runs_dir: Path, experiment: str = "exp", **identity: Any) -> RunFolder:
    """A folder as `craft run` makes one."""
    return create_run(
        runs_dir,
        experiment=experiment,
        definition_toml="craft = 1\n",
        identity=RunIdentity(experiment, **{"created": 1_000_000.0, **identity}),
    )
