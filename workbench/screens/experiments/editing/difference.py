"""What differs between two texts, line by line."""

from __future__ import annotations

import difflib

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from craft.text import clean_line
from workbench.dialogs.answers import Answers
from workbench.dialogs.scrolling import ScrollingDialog

_MOST = 2_000  # lines of a difference that are shown


class DifferenceScreen(ScrollingDialog[None]):
    """Lines with a minus are only in the first text, with a plus only in the second."""

    def __init__(self, first: str, second: str, *, names: tuple[str, str]) -> None:
        super().__init__()
        self._names = names
        lines = difflib.unified_diff(first.splitlines(), second.splitlines(), *names, lineterm="", n=2)
        self._lines = [line for line in lines if not line.startswith(("---", "+++"))]

    def compose(self) -> ComposeResult:
        first, second = self._names
        said = [Content.assemble(("- ", "bold $text-error"), first, "     ", ("+ ", "bold $text-success"), second)]
        for line in self._lines[:_MOST]:
            look = {"-": "$text-error", "+": "$text-success", "@": "$foreground 55%"}.get(line[:1], "$foreground 75%")
            said.append(Content.styled(clean_line(line) or " ", look))
        if len(self._lines) > _MOST:
            said.append(Content(f"... and {len(self._lines) - _MOST:,} lines more"))
        if not self._lines:
            said.append(Content("Nothing differs but blanks at the ends of lines."))
        with VerticalScroll(classes="dialog"):
            yield Static(Content("\n").join(said))
            yield Answers()
