"""Reading the runs of a comparison again and again, in a thread: only what is new, and nothing where nothing is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from craft.analysis.comparison.compare import Comparison
    from craft.analysis.comparison.points import Axis
    from craft.analysis.comparison.runs import ComparedReader, ComparedRun
    from craft.analysis.comparison.seeds import Spread
    from craft.analysis.comparison.table import Row
    from craft.analysis.plots import Series
    from craft.runs.folder import RunFolder


@dataclass(frozen=True)
class Wanted:
    """What is to be compared, and how it is to be looked at."""

    folders: tuple[RunFolder, ...]
    metric: str
    axis: Axis
    seeds: Spread | None
    sort: str | None
    descending: bool | None
    every_setting: bool
    ascii_only: bool


@dataclass(frozen=True)
class Shown:
    """A comparison as the screen shows it, all of it reckoned beforehand."""

    wanted: Wanted
    found: Comparison
    curves: list[Series]
    """All that there are; which of them are drawn is a matter of taste."""
    settings: dict[str, list[str]]
    """Dotted path -> what each row has."""
    remarks: list[str]
    warnings: int
    """How many of the remarks are to be read first."""
    metrics: list[str]
    """All that the runs have recorded."""

    @property
    def rows(self) -> list[Row]:
        """The table's."""
        return self.found.rows

    @cached_property
    def runs_of(self) -> dict[int, frozenset[str]]:
        """The look of each curve, and the runs that it shows."""
        bands = self.found.bands
        return {
            one.look: frozenset(run.name for run in getattr(bands[one.look], "runs", [bands[one.look]]))
            for one in self.curves
            if one.look is not None
        }

    @cached_property
    def looks(self) -> dict[str, int]:
        """Runs, and the names of those that are taken together, and the look of their curve."""
        found = {name: look for look, names in self.runs_of.items() for name in names}
        return found | {one.name: one.look for one in self.curves if one.look is not None}


class Compared(Message):
    """A comparison was read; None: there was none to make. `faults`: what is wrong with runs that cannot be read."""

    def __init__(self, wanted: Wanted, shown: Shown | None, faults: list[str]) -> None:
        super().__init__()
        self.wanted, self.shown, self.faults = wanted, shown, faults


class Reading(Message):
    """So many runs of so many were read; long logs take a while."""

    def __init__(self, done: int, of: int) -> None:
        super().__init__()
        self.done, self.of = done, of


@dataclass
class Comparer:
    """Keeps a reader for each run of the comparison, and lets go of those of others."""

    _readers: dict[Path, ComparedReader] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _last: tuple[Wanted, tuple[int, ...], tuple[str, ...]] | None = None
    _kept: list[ComparedRun] = field(default_factory=list)  # whose ids stand in `_last`
    _forgotten: bool = False

    def forget(self) -> None:
        """What was given last is not on the screen: the same is given again."""
        self._forgotten = True

    def read(
        self, wanted: Wanted, is_wanted: Callable[[], bool], tell: Callable[[int, int], None]
    ) -> tuple[Shown | None, list[str]] | None:
        """The comparison as it is now, and faults; None where nothing changed since, or it is no longer wanted."""
        from craft.analysis.comparison.runs import ComparedReader
        from craft.errors import CraftError

        with self._lock:
            self._readers = {
                folder.path: self._readers.get(folder.path) or ComparedReader(folder) for folder in wanted.folders
            }
            runs: list[ComparedRun] = []
            faults: list[str] = []
            for done, folder in enumerate(wanted.folders):
                if not is_wanted():
                    return None
                tell(done, len(wanted.folders))
                try:
                    runs.append(self._readers[folder.path].read(wanted.metric))
                except (CraftError, OSError) as error:
                    faults.append(str(error))
            now = wanted, tuple(map(id, runs)), tuple(faults)
            if now == self._last and not self._forgotten:
                return None
            shown = _shown(wanted, runs) if runs else None
            if not is_wanted():
                return None
            self._last, self._kept, self._forgotten = now, runs, False
            return shown, faults


def _shown(wanted: Wanted, runs: Sequence[ComparedRun]) -> Shown:
    from craft.analysis.comparison.compare import Comparison
    from craft.analysis.comparison.table import figures_of, settings_of_rows

    found = Comparison(
        wanted.metric,
        wanted.axis,
        list(runs),
        figures_of(wanted.metric),
        wanted.sort,
        wanted.descending,
        wanted.seeds,
    )
    metrics = sorted({name for run in runs for name in run.metrics}, key=_rank)
    return Shown(
        wanted,
        found,
        found.series(),
        settings_of_rows(found.rows, every=wanted.every_setting),
        found.remarks(ascii_only=wanted.ascii_only),
        len(found.warnings()),
        metrics,
    )


def _rank(name: str) -> tuple[int, str]:
    """Validation before training before the machine."""
    places = ("val/", "test/", "train/")
    return next((rank for rank, place in enumerate(places) if name.startswith(place)), len(places)), name
