"""What a metric is, in plain words."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from workbench.actions import bindings_of
from workbench.dialogs.answers import Answers
from workbench.dialogs.dialog import Dialog
from workbench.screens.runs.details.metric_help import About
from workbench.screens.runs.details.panels import Panel


class MetricHelp(Dialog[None]):
    """A page on the metric of one chart."""

    BINDINGS = bindings_of("text", "back")

    def __init__(self, panel: Panel, known: About | None) -> None:
        super().__init__()
        self._panel, self._known = panel, known

    def compose(self) -> ComposeResult:
        known, panel = self._known, self._panel
        what = known.what if known else "A metric of your own, or of a callback: Craft knows only its name and values."
        lines = [
            Content.styled(self.line(panel.title), "bold $text-accent"),
            Content.styled(self.line(", ".join(panel.names)), "$foreground 55%"),
            Content(""),
            Content(what),
        ]
        if known and known.bad:
            lines += [Content(""), Content.assemble(("What to look out for  ", "bold"), known.bad)]
        with VerticalScroll(classes="dialog"):
            yield Static(Content("\n").join(lines))
            yield Answers()

    def action_back(self) -> None:
        self.dismiss(None)
