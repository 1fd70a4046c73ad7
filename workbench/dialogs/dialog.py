"""What all dialogs have: a box over the screen, and the gate for what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen
from textual.widgets import Static

from craft.text import clean, clean_line
from workbench.actions import bindings_of
from workbench.widgets.typed import Line
from workbench.window import WindowScreen

if TYPE_CHECKING:
    from workbench.bench import Bench

T = TypeVar("T")


class ClosesOnce(WindowScreen[T]):
    """What is to be closed when it was closed already stays so: keys come several at once over a slow line, and
    Textual would close the screen below it, or end the program where there is none."""

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        return super().dismiss(result) if self.is_active else AwaitComplete()


class Dialog(ClosesOnce[T], ModalScreen[T]):
    """A question over the screen; what is inside stands in a container of class `dialog`."""

    app: Bench
    BINDINGS = bindings_of("dialog")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (86, "-medium")]
    KEEPS_TYPED: ClassVar[bool] = False
    """Whether what is typed is an answer, to be found again when the program ended before it was given."""
    _kept_as = ""
    _at_first: tuple[str, ...] = ()

    def on_mount(self) -> None:
        if self.KEEPS_TYPED:
            self._kept_as = f"{type(self).__name__} {self.query(Static).first().render()}"
            typed = self.app.session.unfinished(self._kept_as)
            fields = list(self.query(Line))
            self._at_first = tuple(field.value for field in fields)
            if len(typed) == len(fields):
                for field, text in zip(fields, typed, strict=True):
                    field.value = text
                self.app.say("as it was typed before the program ended")
            for field in fields:
                field.edited = self._keep_typed

    def _keep_typed(self) -> None:
        typed = [field.value for field in self.query(Line)]
        self.app.session.keep_unfinished(self._kept_as, typed if tuple(typed) != self._at_first else [])

    def action_show_help(self) -> None:
        self.app.action_show_help()

    async def action_quit(self) -> None:
        await self.app.action_quit()

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        if self._kept_as:
            self.app.session.keep_unfinished(self._kept_as, [])
        return super().dismiss(result)

    def text(self, text: str) -> str:
        """Foreign text of several lines, as this terminal can show it."""
        return clean(text, ascii_only=self.app.ascii_only)

    def line(self, text: str) -> str:
        """The same on one line; the box wraps it."""
        return clean_line(text, ascii_only=self.app.ascii_only)
