"""What all that this screen does has in common: its list, its editor, and the text as it was last looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.project import problem_words
from workbench.screens.base import WorkbenchScreen
from workbench.screens.experiments.listing import ExperimentList
from workbench.screens.experiments.rows import Kind, concerns

if TYPE_CHECKING:
    from craft.config.experiments import Inspection, PlannedRun
    from craft.errors import Problem
    from workbench.screens.experiments.costing import CostsReader, Weighed
    from workbench.screens.experiments.editing.panel import EditPanel


class Parts(WorkbenchScreen):
    """The ground of the screen; its verbs stand in the classes built on this one."""

    def __init__(self) -> None:
        super().__init__()
        self.inspection: Inspection | None = None
        self.sound: Inspection | None = None
        """The last one of a text that could be read: the list and the costs are from it."""
        self.weighed: Weighed | None = None
        self.panel: EditPanel | None = None
        """The editor, once it is there."""
        self._reader: CostsReader | None = None

    @property
    def listing(self) -> ExperimentList:
        return self.query_one("#experiments-list", ExperimentList)

    @property
    def reader(self) -> CostsReader:
        """Made on first use, in a thread: importing what it needs takes a tenth of a second."""
        if self._reader is None:
            from workbench.screens.experiments.costing import CostsReader

            self._reader = CostsReader(self.app.project.file)
        return self._reader

    def current_inspection(self) -> Inspection | None:
        """That of the text as it is now: what a thread found may be a keystroke old."""
        if self.panel is not None:
            self.inspection = self.reader.inspect(self.panel.buffer.to_check)
        return self.inspection

    def plan_chosen(self, name: str) -> list[PlannedRun]:
        """The runs of an experiment of the text as it is now; empty, and said why, where it has problems."""
        inspection = self.current_inspection()
        if inspection is None or inspection.file is None or not is_sound(inspection, name):
            self.show_problem_of([name])
            return []
        return inspection.file.plan([name])

    def show_problem_of(self, names: list[str]) -> None:
        """Say the first problem of some experiments and go to it."""
        problem = self.first_problem(names)
        if problem is None:
            self.app.say("there is nothing to run yet")
            return
        self.app.say(problem_words(problem, of=self.app.project.file), "error")
        self.go_to_problem(problem)

    def first_problem(self, names: list[str]) -> Problem | None:
        """The first problem of some experiments or templates, else the first of all."""
        problems = self.inspection.problems if self.inspection is not None else []
        kinds: tuple[Kind, ...] = ("experiment", "template")
        own = [one for one in problems for name in names for kind in kinds if concerns(one, name, kind)]
        return next(iter([*own, *problems]), None)

    def go_to_problem(self, problem: Problem) -> None:
        """The editor's cursor where a problem stands, if that is in this file."""
        if self.panel is not None and problem.line and problem.file in (None, self.panel.buffer.path):
            self.add_class("-editing")
            self.panel.go_to(problem.line, problem.column)

    def show_costs(self) -> None:
        """Draw what is known of the chosen one."""
        raise NotImplementedError

    def weigh_again(self) -> None:
        """Find out the costs anew."""
        raise NotImplementedError


def is_sound(inspection: Inspection, name: str) -> bool:
    """Whether an experiment could run as far as anybody knows."""
    return inspection.file is not None and name in inspection.file.names and name not in inspection.broken
