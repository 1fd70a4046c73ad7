"""Screens that take the size of the window, and no other.

A screen of Textual's lays itself out for each size that it is told, and where that is a new one, it tells itself the
same size once more. With two sizes under way at once, as while a window is pulled about, each makes the other new
again, and it never ends: the program takes a whole processor and draws nothing.
"""

from __future__ import annotations

from typing import TypeVar

from textual import events, on
from textual.screen import Screen

T = TypeVar("T")


class WindowScreen(Screen[T]):
    """Lays itself out for the size that the window has, and leaves out those that it no longer has."""

    @on(events.Resize)
    def _leave_out_old_sizes(self, event: events.Resize) -> None:
        if event.size != self.app.size:  # the one that it has comes after it
            event.stop()
            event.prevent_default()
