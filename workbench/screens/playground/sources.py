"""What is asked: a run's checkpoint, by name or by step, or any path that `craft generate --checkpoint` reads."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from craft.errors import CraftError
from workbench.paths import typed_path

LETTERS = "ABCDEFGHIJKLMNOP"
"""Names of the sources that are asked side by side, so that nothing but colour need not tell them apart."""


@dataclass(frozen=True)
class Source:
    """One of those who write. Either `run`, a run's name, with `at`; or `path`."""

    run: str = ""
    at: str = "latest"
    """latest and best are what they are at each asking, also while the run trains on; or a step."""
    path: str = ""
    save_first: bool = False
    """The run saves before it is asked; only one that trains can."""

    @property
    def label(self) -> str:
        """What it is called, not cleaned."""
        if self.path:
            return self.path
        return f"{self.run}@{'now' if self.save_first else self.at}"

    def checkpoint(self, runs_dir: Path) -> dict[str, Any]:
        """As a request of the sampler process names it."""
        if self.path:
            return {"path": str(typed_path(self.path))}
        folder = str(runs_dir / self.run)
        if self.save_first:
            return {"run": folder, "save_first": True}
        if self.at.isdecimal():
            return {"run": folder, "at": int(self.at)}
        return {"run": folder, "at": self.at, "follow": True}

    def as_json(self) -> dict[str, Any]:
        """For the session and the history."""
        return asdict(self)


def read_source(stored: Any) -> Source | None:
    """What `as_json` gave, or a run's name; None for anything else."""
    if isinstance(stored, str) and stored:
        return Source(run=stored)
    if not isinstance(stored, dict):
        return None
    run, at, path = (value if isinstance(value := stored.get(name), str) else "" for name in ("run", "at", "path"))
    made = Source(run=run, at=at or "latest", path=path, save_first=stored.get("save_first") is True)
    return made if made.run or made.path else None


def read_sources(stored: Any) -> list[Source]:
    """What can be read of a stored list, each once; nothing of anything else."""
    values = stored if isinstance(stored, list) else []
    return list(dict.fromkeys(one for value in values if (one := read_source(value))))


def own_generation(source: Source, runs_dir: Path) -> dict[str, Any]:
    """The [generation] section of what a source was defined by; empty where there is none that can be read.

    It reads a file: not for the event loop.
    """
    from craft.config.document import read_document

    folder = typed_path(source.path) if source.path else runs_dir / source.run
    places = (folder / "experiment.toml", folder.parent / "experiment.toml")
    try:
        place = next((place for place in places if place.is_file()), None)
        experiments = {} if place is None else read_document(place).data.get("experiment")
    except (CraftError, OSError, ValueError):
        return {}
    one: Any = next(iter(experiments.values()), {}) if isinstance(experiments, dict) else {}
    section = one.get("generation") if isinstance(one, dict) else None
    return section if isinstance(section, dict) else {}


def same_weights(source: Source, provenance: dict[str, Any], runs_dir: Path) -> dict[str, Any]:
    """The very checkpoint that answered for `source`, to go on with, though the run may have trained on."""
    path = provenance.get("path")
    return {"path": path} if isinstance(path, str) and path else source.checkpoint(runs_dir)
