"""A comparison as a file: a picture of the curves, or the tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from craft import platform
from craft.analysis.axes import AXES
from craft.analysis.comparison.compare import Comparison
from craft.analysis.comparison.seeds import SAID
from craft.analysis.comparison.written import comma_separated, markdown
from craft.analysis.series import Series
from craft.errors import UsageError
from craft.runs.json_files import why

KINDS = {"svg": "a picture of the curves", "png": "a picture of the curves", "md": "tables", "csv": "figures"}
"""What can be written, by the end of a file's name."""


def title_of(found: Comparison) -> str:
    """What stands above the curves."""
    return f"{found.metric}   {SAID[found.seeds]}" if found.seeds else found.metric


def picture(
    kind: str, found: Comparison, *, log_x: bool = False, log_y: bool = False, series: Sequence[Series] | None = None
) -> bytes:
    """The curves as "svg" or "png"; `series`: as they are shown, where that is not as they were measured."""
    axis = AXES[found.axis]
    lines = found.series() if series is None else series
    look: Any = {"x_label": axis.label, "axis": axis, "log_x": log_x, "log_y": log_y}
    if kind == "png":
        from craft.analysis.png import plot_png

        return plot_png(lines, title=title_of(found), **look)
    from craft.analysis.svg import plot_svg

    return plot_svg(lines, title=title_of(found), **look).encode()


def content_of(
    path: Path, found: Comparison, *, log_x: bool = False, log_y: bool = False, series: Sequence[Series] | None = None
) -> bytes:
    """What belongs into a file of this name. Raises UsageError where its end says nothing that can be written."""
    kind = path.suffix.lower().removeprefix(".")
    if kind == "markdown":
        kind = "md"
    if kind not in KINDS:
        raise UsageError(
            f"{path}: what to write is said by the end of the name: {', '.join('.' + one for one in KINDS)}"
        )
    if kind == "md":
        return markdown(found, found.rows).encode()
    if kind == "csv":
        return comma_separated(found).encode()
    return picture(kind, found, log_x=log_x, log_y=log_y, series=series)


def write_export(path: Path, content: bytes) -> None:
    """Put a file in its place, whole or not at all. Raises UsageError with one line on what keeps it from there."""
    try:
        platform.write_file_atomic(path, content)
    except OSError as error:
        raise UsageError(f"{path}: not written: {why(error)}") from error
