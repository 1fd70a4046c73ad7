"""A list of lines to choose from, with the keys that every list has."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from craft.text import clean_line
from workbench.actions import bindings_of


class Choices(OptionList):
    """Textual's own, which knows arrows only."""

    BINDINGS = bindings_of("choices")

    def say_nothing_matches(self, words: str, *, ascii_only: bool) -> None:
        """In the place of what was looked for by `words`; it cannot be chosen."""
        said = f"nothing matches '{clean_line(words, ascii_only=ascii_only)}'"
        self.add_option(Option(Content.styled(said, "$foreground 55%"), disabled=True))
