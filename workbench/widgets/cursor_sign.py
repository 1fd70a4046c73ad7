"""The sign at the cursor of a list: colours alone may look alike, where the terminal has few of them."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip


def cursor_sign(*, ascii_only: bool) -> str:
    """One column, at the left of the line under the cursor."""
    return ">" if ascii_only else "\u258c"


def with_margin(line: Strip, sign: str, style: Style | None) -> Strip:
    """A line with a column more at its left: the sign, or a space."""
    return Strip([Segment(sign, style), *line], line.cell_length + 1)
