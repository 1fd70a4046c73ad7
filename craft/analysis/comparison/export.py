"""A comparison as a file: a picture of the curves, or the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from craft import platform
from craft.analysis.axes import AXES
from craft.analysis.comparison.compare import Comparison
from craft.analysis.comparison.seeds import SAID
from craft.analysis.comparison.written import comma_separated, markdown
from craft.analysis.layout import lay_out
from craft.analysis.series import Series
from craft.analysis.smoothing import smooth
from craft.errors import UsageError
from craft.runs.json_files import why

KINDS = {"svg": "a picture of the curves", "png": "a picture of the curves", "md": "tables", "csv": "figures"}
"""What can be written, by the end of a file's name."""


def title_of(found: Comparison) -> str:
    """What stands above the curves."""
    return f"{found.metric}   {SAID[found.seeds]}" if found.seeds else found.metric


@dataclass(frozen=True)
class Look:
    """How curves are looked at."""

    log_x: bool = False
    log_y: bool = False
    smoothing: float = 0.0
    """The weight of `smoothing.smooth`; what was measured is drawn faintly behind."""
    hidden: frozenset[int] = frozenset()
    """The looks of curves that are not drawn."""


AS_MEASURED = Look()


def picture(kind: str, found: Comparison, look: Look = AS_MEASURED) -> bytes:
    """The curves as "svg" or "png"."""
    axis = AXES[found.axis]
    lines = [one for one in found.series() if one.look not in look.hidden]
    if look.smoothing:
        lines = smoothed(lines, look.smoothing)
    layout = lay_out(lines, title=title_of(found), x_label=axis.label, axis=axis, log_x=look.log_x, log_y=look.log_y)
    if kind == "png":
        from craft.analysis.png import png_of

        return png_of(layout)
    from craft.analysis.svg import svg_of

    return svg_of(layout).encode()


def smoothed(series: Sequence[Series], weight: float) -> list[Series]:
    """The curves as a chart smooths them: over the same stretch of the axis, whatever part a curve spans of it."""
    ends = [x for one in series for x in (one.xs[0], one.xs[-1]) if x is not None]
    span = max(ends, default=0.0) - min(ends, default=0.0)
    lines = []
    for one in series:
        numbers = [(x, y) for x, y in zip(one.xs, one.ys, strict=True) if x is not None and y is not None and y == y]
        # Smoothed over gaps, which stay gaps.
        ahead = iter(smooth([x for x, _ in numbers], [y for _, y in numbers], weight, span))
        ys = [None if y is None or y != y else next(ahead) for y in one.ys]
        lines.append(replace(one, ys=ys, raw=one.ys))
    return lines


def content_of(path: Path, found: Comparison, look: Look = AS_MEASURED) -> bytes:
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
    return picture(kind, found, look)


def write_export(path: Path, content: bytes) -> None:
    """Put a file in its place, whole or not at all. Raises UsageError with one line on what keeps it from there."""
    try:
        platform.write_file_durable(path, content)
    except OSError as error:
        raise UsageError(f"{path}: not written: {why(error)}") from error
