"""What the workers, which read files, tell the screens, which draw. Only the newest of a kind matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from craft.runs.store import RunSummary
    from workbench.project import Check, Project
    from workbench.watch import Curve


class _Newest(Message):
    """A message that makes older ones of its kind, still waiting, pointless."""

    def can_replace(self, message: Message) -> bool:
        return type(message) is type(self)


class RunsRead(_Newest):
    """All run folders were looked at."""

    def __init__(self, runs: list[RunSummary]) -> None:
        super().__init__()
        self.runs = runs


class CurveRead(_Newest):
    """The selected run's metrics were read, and there is something new to draw."""

    def __init__(self, curve: Curve) -> None:
        super().__init__()
        self.curve = curve


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
