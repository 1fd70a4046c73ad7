"""What the workers of this screen tell it. Only the newest of a kind matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from craft.analysis.dry_runs import DryRunResult
    from craft.config.experiments import Inspection
    from craft.config.own_settings import OwnType
    from craft.launch.dry_run import Progress
    from workbench.screens.experiments.costing import Weighed
    from workbench.screens.experiments.rows import Brief


class _Newest(Message):
    def can_replace(self, message: Message) -> bool:
        return type(message) is type(self)


class TextInspected(_Newest):
    """What stands in the text was found out."""

    def __init__(
        self,
        inspection: Inspection,
        text: str,
        version: int,
        unchecked: frozenset[str],
        known: dict[str, OwnType],
        unknown: frozenset[str],
    ) -> None:
        super().__init__()
        self.inspection, self.text, self.version = inspection, text, version
        self.known, self.unknown = known, unknown
        """Classes of a person's own, by "module:Class", and those that nothing is known of yet."""
        self.unchecked = unchecked
        """Experiments with code of a person's own that nobody has tried yet."""


class TextWeighed(_Newest):
    """What the chosen experiment costs was found out."""

    def __init__(self, weighed: Weighed) -> None:
        super().__init__()
        self.weighed = weighed


class BriefsRead(_Newest):
    """What each experiment costs, in a few words, by name."""

    def __init__(self, briefs: dict[str, Brief]) -> None:
        super().__init__()
        self.briefs = briefs


class DryRunProgressed(_Newest):
    """A dry run came forward."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress


class DryRunEnded(Message):
    """A dry run is over: with a result, or with words on what went wrong; with neither it was stopped."""

    def __init__(self, name: str, result: DryRunResult | None, fault: str) -> None:
        super().__init__()
        self.name, self.result, self.fault = name, result, fault
