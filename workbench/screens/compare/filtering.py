"""Which runs the list shows: those that a filter lets through, found in a thread, as it may open their files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from craft.runs.store import RunSummary


@dataclass(frozen=True)
class Filtered:
    """What a filter let through; `fault` says where it cannot be read."""

    text: str
    names: frozenset[str]
    fault: str = ""

    def runs(self, runs: Sequence[RunSummary]) -> Sequence[RunSummary]:
        """The runs that are shown; all of them while the filter cannot be read."""
        return runs if self.fault else [run for run in runs if run.name in self.names]


class FilterRan(Message):
    """A filter was run over all runs."""

    def __init__(self, found: Filtered) -> None:
        super().__init__()
        self.found = found


def filtered(text: str, runs: Sequence[RunSummary], is_wanted: Callable[[], bool]) -> Filtered | None:
    """Run a filter; None when nobody wants to know any more."""
    from craft.analysis.facts import RunFacts
    from craft.analysis.filters import parse_filter
    from craft.analysis.names import check_names
    from craft.errors import UsageError

    try:
        wanted = parse_filter(text)
        check_names(text, wanted, runs, RunFacts)
    except UsageError as error:
        return Filtered(text, frozenset(), str(error).splitlines()[0])
    names = set()
    for run in runs:
        if not is_wanted():
            return None
        if wanted.holds(RunFacts(run)):
            names.add(run.name)
    return Filtered(text, frozenset(names))
