"""What a run took of its machine, as its system callback recorded it; and how this machine is now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from craft.text import clean_line
from workbench.screens.runs.details.charts import ChartsTab
from workbench.screens.runs.details.machine import Machine, look_at_machine
from workbench.screens.runs.details.panels import panels_of

if TYPE_CHECKING:
    from craft.runs.store import RunSummary

_PAUSE = 2.0  # seconds between two looks at the machine


class SystemTab(ChartsTab):
    """The charts of `system/...`."""

    ALONE = True
    SYSTEM = True
    KEPT = "runs.system"

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(ascii_only=ascii_only, id=id)
        self._machine: Machine | None = None
        self._asked = 0.0

    def compose(self) -> ComposeResult:
        yield Static(Content(""), id="machine")
        yield Static(Content(""), id="no-system")
        yield from super().compose()

    @property
    def is_due(self) -> bool:
        """The machine goes on when the run is over."""
        return super().is_due or time.monotonic() >= self._asked + _PAUSE

    def read(self, run: RunSummary, wanted: Any) -> Any:
        curves, panels, axis = wanted
        machine = self._machine
        if time.monotonic() >= self._asked + _PAUSE:
            machine = look_at_machine(run.path.parent)
            self._asked = time.monotonic()
        return curves.look(panels, axis), machine

    def take(self, found: Any) -> None:
        look, self._machine = found
        super().take(look)
        if self._machine is not None:
            lines = [clean_line(line, ascii_only=self.ascii_only) for line in self._machine.lines()]
            self.query_one("#machine", Static).update(Content("\n".join(lines)))
        records = bool(panels_of(look.names, system=True))
        self.set_class(not records, "-none")
        if not records:
            self.query_one("#no-system", Static).update(self._how_to_record())

    def _how_to_record(self) -> Content:
        assert self.run is not None
        nothing = f"This run has recorded nothing{self.yet}."
        why = "This run records nothing of its machine." if self.found.names else nothing
        return Content("\n").join(
            [
                Content.styled(why, "bold"),
                Content(
                    "To have memory, processor and GPU recorded, put this into the experiment, or under [defaults]:"
                ),
                Content(""),
                Content.styled("  [experiment.NAME.callbacks]", "bold $text-accent"),
                Content.styled("  system = { every = 10 }", "bold $text-accent"),
                Content(""),
                Content.styled("every counts seconds; it takes effect with the next run.", "$foreground 55%"),
            ]
        )
