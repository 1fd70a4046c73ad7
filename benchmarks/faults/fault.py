"""What a fault is, and what came of doing it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_MISSES = 3  # trials for each time that the fault has to come


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
    hit: int | None = None
    """In how many of those tried the fault was seen to come; None where it cannot fail to."""
    missed: int = 0
    """How often it did not come and nothing was amiss: that says nothing, and is not counted."""

    @property
    def held(self) -> int:
        """How many times everything held."""
        return max(0, self.tried - len(self.broken))

    def trials(self, times: int) -> Iterator[int]:
        """The numbers of the trials, until the fault has come so many times; one that missed is done again.

        Where it misses most of the time, that is what did not hold.
        """
        for _ in range(times * _MISSES + 10):
            if self.tried >= times:
                return
            yield self.tried
        if self.tried < times:
            self.broken.append(f"the fault came in {self.hit or 0} of {self.tried + self.missed} trials only")

    def once(self, *broken: str, hit: bool | None = None) -> None:
        """It was done once more; `broken` says what did not hold, nothing when all did.

        `hit`: whether the fault was seen to come, for one that can miss.
        """
        if hit is not None:
            self.hit = (self.hit or 0) + hit
        if hit is False and not broken:
            self.missed += 1
            return
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
    """How often the long form does it; of one that is done once, its size."""
    run: Callable[[int, Path], Outcome]
    """Does it so many times, in an empty folder of its own, and leaves no process behind."""
    least: int = 1
    """How often it is done at least, in a short form as well."""
    size_in: str = ""
    """What `times` counts where it is one trial, however large: "records"."""
    stands_in: str = ""
    """What is not as it is for users: what stands in for what, and where the figure therefore ends."""

    def times_of(self, part: float) -> int:
        """How often a part of the long form does it."""
        return max(self.least, round(self.times * part))

    def trials_of(self, part: float) -> int:
        """How many trials these are."""
        return 1 if self.size_in else self.times_of(part)
