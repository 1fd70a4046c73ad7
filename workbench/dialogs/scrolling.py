"""A dialog that may be longer than the screen."""

from __future__ import annotations

from typing import TypeVar

from textual.containers import VerticalScroll

from workbench.actions import bindings_of
from workbench.dialogs.dialog import Dialog

T = TypeVar("T")


class ScrollingDialog(Dialog[T]):
    """What is inside stands in a VerticalScroll, which the keys move at once: a page is there when it is asked for."""

    BINDINGS = bindings_of("text")

    @property
    def scroller(self) -> VerticalScroll:
        return self.query_one(VerticalScroll)

    def on_mount(self) -> None:
        self.scroller.focus()

    def action_back(self) -> None:
        self.dismiss()

    def action_scroll_down(self) -> None:
        self.scroller.scroll_down(animate=False)

    def action_scroll_up(self) -> None:
        self.scroller.scroll_up(animate=False)

    def action_page_down(self) -> None:
        self.scroller.scroll_page_down(animate=False)

    def action_page_up(self) -> None:
        self.scroller.scroll_page_up(animate=False)

    def action_scroll_home(self) -> None:
        self.scroller.scroll_home(animate=False)

    def action_scroll_end(self) -> None:
        self.scroller.scroll_end(animate=False)
