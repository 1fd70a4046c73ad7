"""The looks of the screens, parsed once. Textual parses all of them anew whenever a screen brings its own, and again
when that screen is shown, which took a third of the start."""

from __future__ import annotations

from textual.cache import LRUCache
from textual.css.stylesheet import Stylesheet

_SOURCES = 512  # more than there are kinds of widgets: Textual keeps 64, and one more pushes out all of them in turn


class KeptStylesheet(Stylesheet):
    """Parses a source again only when the colours of the theme are others."""

    def __init__(self, *, variables: dict[str, str]) -> None:
        super().__init__(variables=variables)
        self._seen = dict(variables)
        self._parse_cache = LRUCache(_SOURCES)

    def set_variables(self, variables: dict[str, str]) -> None:
        if variables != self._seen:
            self._seen = dict(variables)
            super().set_variables(variables)

    def reparse(self) -> None:
        self.parse()
