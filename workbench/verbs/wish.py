"""What a person asks of a fork, and what it would be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Wish:
    """What a person asks of a fork."""

    which: str = "latest"
    """The checkpoint: "latest", "best" or a step."""
    edits: tuple[str, ...] = ()
    """As `path=value`."""
    file: Path | None = None
    experiment: str | None = None
    """The definition comes from this experiment of `file`; None: the run's own."""
    name: str | None = None
    """What the new run is called."""


@dataclass(frozen=True)
class Sketch:
    """What a fork would be."""

    step: int = 0
    rows: Sequence[tuple[str, str, str]] = field(default_factory=list)
    """continues, anew or cannot; what; how or why."""
    remarks: list[str] = field(default_factory=list)
    fault: str = ""
    """Why it cannot be made."""
