"""A text that is said again and again, as with each key or each look at the runs."""

from __future__ import annotations

from textual.content import Content
from textual.visual import VisualType
from textual.widgets import Static


class Said(Static):
    """Told what it says already, it does nothing: all widgets of the screen are laid out anew for another text."""

    def update(self, content: VisualType = "", *, layout: bool = True) -> None:
        said = self.content
        if not (isinstance(said, Content) and isinstance(content, Content) and content.is_same(said)):
            super().update(content, layout=layout)
