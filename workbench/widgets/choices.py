"""A list of lines to choose from, with the keys that every list has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.style import Style
from textual.content import Content
from textual.strip import Strip
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from craft.text import clean_line
from workbench.actions import bindings_of
from workbench.widgets.cursor_sign import cursor_sign, with_margin

if TYPE_CHECKING:
    from workbench.bench import Bench


class Choices(OptionList):
    """Textual's own, which knows arrows only, and tells the cursor by colours."""

    app: Bench
    BINDINGS = bindings_of("choices")

    def _get_left_gutter_width(self) -> int:
        return 1

    def render_line(self, y: int) -> Strip:
        line = super().render_line(y)
        style = next((part.style for part in line), None) or Style()
        here = self.highlighted is not None and style.meta.get("option") == self.highlighted
        return with_margin(line, cursor_sign(ascii_only=self.app.ascii_only) if here else " ", style)

    def say_nothing_matches(self, words: str, *, ascii_only: bool) -> None:
        """In the place of what was looked for by `words`; it cannot be chosen."""
        said = f"nothing matches '{clean_line(words, ascii_only=ascii_only)}'"
        self.add_option(Option(Content.styled(said, "$foreground 55%"), disabled=True))
