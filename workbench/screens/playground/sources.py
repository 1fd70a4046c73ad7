"""What is asked: a run's checkpoint, by name or by step, or any path that `craft generate --checkpoint` reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
            return {"path": str(Path(self.path).expanduser())}
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


def read_sources(stored: Sequence[Any]) -> list[Source]:
    """What can be read of a stored list, each once."""
    return list(dict.fromkeys(one for value in stored if (one := read_source(value))))


def same_weights(source: Source, provenance: dict[str, Any], runs_dir: Path) -> dict[str, Any]:
    """The very checkpoint that answered for `source`, to go on with, though the run may have trained on."""
    path = provenance.get("path")
    return {"path": path} if isinstance(path, str) and path else source.checkpoint(runs_dir)
