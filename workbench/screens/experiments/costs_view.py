"""Two widgets that say what the chosen experiment costs: a panel, and three lines where there is no room for one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

if TYPE_CHECKING:
    from craft.launch.dry_run import Progress
    from workbench.screens.experiments.costing import Weighed

_NOTHING = Content.styled("...", "$foreground 55%")


class _CostsView(Widget):
    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self.ascii_only = ascii_only
        self.weighed: Weighed | None = None
        self.progress: Progress | None = None
        self.fault = ""

    def show(self, weighed: Weighed | None, progress: Progress | None, fault: str) -> None:
        """The chosen experiment, how far its dry run is, and why the last one failed."""
        if weighed is not None:
            weighed = replace(weighed, version=0)  # most keys change the text and not its costs
        if (weighed, progress, fault) != (self.weighed, self.progress, self.fault):
            self.weighed, self.progress, self.fault = weighed, progress, fault
            self.refresh(layout=True)


class CostsPanel(_CostsView):
    """All figures."""

    def render(self) -> Content:
        from workbench.screens.experiments.costs_text import CostsText

        if self.weighed is None:
            return _NOTHING
        text = CostsText(self.content_size.width, ascii_only=self.ascii_only)
        return text.panel(self.weighed, self.progress, self.fault)


class CostsStrip(_CostsView):
    """What matters most, in three lines."""

    def render(self) -> Content:
        from workbench.screens.experiments.costs_text import CostsText

        if self.weighed is None:
            return _NOTHING
        text = CostsText(self.content_size.width, ascii_only=self.ascii_only)
        return text.strip(self.weighed, self.progress, self.fault)
