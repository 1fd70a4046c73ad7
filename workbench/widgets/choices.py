"""A list of lines to choose from, with the keys that every list has."""

from __future__ import annotations

from textual.widgets import OptionList

from workbench.actions import bindings_of


class Choices(OptionList):
    """Textual's own, which knows arrows only."""

    BINDINGS = bindings_of("choices")
