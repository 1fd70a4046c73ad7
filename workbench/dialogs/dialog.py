"""What all dialogs have: a box over the screen, and the gate for what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen, Screen

from craft.text import clean, clean_line

if TYPE_CHECKING:
    from workbench.app import Workbench

T = TypeVar("T")


class ClosesOnce(Screen[T]):
    """What is to be closed when it was closed already stays so: keys come several at once over a slow line, and
    Textual would close the screen below it, or end the program where there is none."""

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        return super().dismiss(result) if self.is_active else AwaitComplete()


class Dialog(ClosesOnce[T], ModalScreen[T]):
    """A question over the screen; what is inside stands in a container of class `dialog`."""

    app: Workbench
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (86, "-medium")]

    def text(self, text: str) -> str:
        """Foreign text of several lines, as this terminal can show it."""
        return clean(text, ascii_only=self.app.ascii_only)

    def line(self, text: str) -> str:
        """The same on one line; the box wraps it."""
        return clean_line(text, ascii_only=self.app.ascii_only)
