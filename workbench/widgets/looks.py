"""The styles of a widget's parts, found once: Textual finds them anew whenever the widget was drawn."""

from __future__ import annotations

from rich.style import Style
from textual.css.styles import RenderStyles
from textual.widget import Widget


class Looking(Widget):
    """A widget that is drawn line by line, in the styles of its component classes."""

    def look(self, name: str, *, partial: bool = False) -> Style:
        """The style of a component class; `partial`: without what lies below it."""
        kept: dict[tuple[str, bool], tuple[RenderStyles | None, Style]] = self.__dict__.setdefault("_looks", {})
        rules = self._component_styles.get(name)  # other objects after the rules were applied again
        known = kept.get((name, partial))
        if known is None or known[0] is not rules:
            known = kept[name, partial] = rules, self.get_component_rich_style(name, partial=partial)
        return known[1]
