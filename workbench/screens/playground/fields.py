"""Fields that are one stop of the tab key together: arrows lead from one to the next."""

from __future__ import annotations

from typing import ClassVar

from textual.widget import Widget

from workbench.actions import bindings_of


class Fields(Widget):
    """What holds them, in rows of `COLUMNS`."""

    COLUMNS: ClassVar[int] = 1
    BINDINGS = bindings_of("settings")

    def _fields(self) -> list[Widget]:
        """Those that take the focus, down one column after another."""
        fields = [one for one in self.query("*") if one.focusable]
        return [one for column in range(self.COLUMNS) for one in fields[column :: self.COLUMNS]]

    def action_field(self, by: int) -> None:
        fields, here = self._fields(), self.screen.focused
        if here in fields:
            fields[(fields.index(here) + by) % len(fields)].focus()

    def action_leave(self, by: int) -> None:
        chain, here = self.screen.focus_chain, self.screen.focused
        if here not in chain:
            return
        place = chain.index(here)
        others = [chain[(place + by * steps) % len(chain)] for steps in range(1, len(chain))]
        next((one for one in others if self not in one.ancestors), here).focus()
