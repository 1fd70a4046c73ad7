"""What filters, sorting and columns ask of a run that is listed."""

from __future__ import annotations

from craft.analysis.facts import RunFacts
from craft.runs.notes import Notes
from workbench.watch import ListedRun


class ListedFacts(RunFacts):
    """Asks no file for what the list knows already."""

    @property
    def notes(self) -> Notes:
        """What a person said of it."""
        return self.run.notes if isinstance(self.run, ListedRun) else super().notes

    @property
    def parent(self) -> str | None:
        """The run that it was forked from."""
        return self.run.parent_run
