"""What the workers, which read files, tell the screens, which draw. Only the newest of a kind matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from craft.runs.store import RunSummary
    from workbench.project import Check, Project
    from workbench.screens.base import WorkbenchScreen
    from workbench.screens.runs.arrange import Arranged
    from workbench.screens.runs.next_step import State
    from workbench.verbs.going_on import Retrying
    from workbench.verbs.removing import Deletion, Pruning


class _Newest(Message):
    """A message that makes older ones of its kind, still waiting, pointless."""

    def can_replace(self, message: Message) -> bool:
        return type(message) is type(self)


class Looked(Message):
    """A look is over. `runs`: all that there are, where the folders were looked at. `show`: on the event
    loop, shows what was read along for the screen `of` which that was asked."""

    def __init__(self, runs: list[RunSummary] | None, of: WorkbenchScreen, show: Callable[[], None] | None) -> None:
        super().__init__()
        self.runs, self.of, self.show = runs, of, show


class ProjectRead(_Newest):
    """The experiments file changed."""

    def __init__(self, project: Project) -> None:
        super().__init__()
        self.project = project


class ProjectChecked(_Newest):
    """The whole schema has seen the experiments file."""

    def __init__(self, check: Check) -> None:
        super().__init__()
        self.check = check


class RunSelected(Message):
    """The cursor of the table is on another run; None when there is none."""

    def __init__(self, run: RunSummary | None) -> None:
        super().__init__()
        self.run = run


class RunOpened(Message):
    """A run was chosen by the mouse, to see its details."""


class RunsArranged(_Newest):
    """The rows of the list were made."""

    def __init__(self, arranged: Arranged) -> None:
        super().__init__()
        self.arranged = arranged


class FactsWanted(Message):
    """The list shows runs of which a column needs what is in their files."""

    def __init__(self, runs: list[RunSummary]) -> None:
        super().__init__()
        self.runs = runs


class FactsRead(Message):
    """What the files of some runs say, by column."""

    def __init__(self, facts: list[tuple[RunSummary, dict[str, str]]]) -> None:
        super().__init__()
        self.facts = facts


class StateRead(_Newest):
    """How the selected run is, and what can be done with it."""

    def __init__(self, run: RunSummary, state: State) -> None:
        super().__init__()
        self.run, self.state = run, state


class MarksChanged(Message):
    """Other runs are marked."""


class SortAsked(Message):
    """The list shall be sorted by a column; by the one that it is sorted by already, the other way round."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key


class GroupToggled(Message):
    """The runs of a group shall be shown, or not any more."""

    def __init__(self, group: str) -> None:
        super().__init__()
        self.group = group


class VerbsAsked(Message):
    """What can be done with the selected run shall be shown."""


class DeedPlanned(Message):
    """It is known what a deed would do, which is asked about before `deed` does it."""

    def __init__(self, plan: Deletion | Pruning | Retrying, deed: str) -> None:
        super().__init__()
        self.plan, self.deed = plan, deed
