"""What a fault is, and what came of doing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Outcome:
    """So many times it was done, so many times all held, and what was worst."""

    tried: int = 0
    broken: list[str] = field(default_factory=list)
    """For each time that something did not hold: what was promised, and what was found."""
    worst: str = ""
    """The worst that was seen of what has a size, with its unit: "0.8 s until the slot was free"."""
    notes: str = ""
    """What else a reader should know of how it was done, in a sentence."""
    impossible: str = ""
    """Why this machine does not let it be done; nothing was tried then."""

    @property
    def held(self) -> int:
        """How many times everything held."""
        return self.tried - len(self.broken)

    def once(self, *broken: str) -> None:
        """It was done once more; `broken` says what did not hold, nothing when all did."""
        self.tried += 1
        if broken:
            self.broken.append("; ".join(broken))


@dataclass(frozen=True)
class Fault:
    """One row of docs/reliability.md."""

    name: str
    """How it is named on the command line: a word or two with a dash."""
    what: str
    """What is done, and to what."""
    promise: str
    """What must hold each time."""
    times: int
    """How often the long form does it."""
    run: Callable[[int, Path], Outcome]
    """Does it so many times, in an empty folder of its own, and leaves no process behind."""
    least: int = 1
    """How often it is done at least, in a short form as well."""

    def times_of(self, part: float) -> int:
        """How often a part of the long form does it."""
        return max(self.least, round(self.times * part))
