"""The one line that says how a run is doing, at whatever width there is.

transformer-001 [#####-----]  50% 250/500  loss 2.104  val 2.210  25.1k tok/s  ETA 12s  9s
"""

from __future__ import annotations

from dataclasses import dataclass

from craft.analysis.numbers import format_count, format_duration, format_loss, format_percent
from craft.text import shorten, width_of

_BAR_SIZES = (6, 12, 18, 24)  # few, so that the bar does not change its length with every digit
# What is left out first when the line is too long: the name, which stands above it as well, then the figures
# that matter least while one waits. Among several runs the name matters more.
_LEAST_FIRST = ("name", "elapsed", "rate", "bar", "percent", "val", "loss")
_LEAST_FIRST_OF_MANY = ("elapsed", "rate", "bar", "percent", "val", "name", "loss")


@dataclass(frozen=True)
class Progress:
    """What is known of a run at one moment. None: not known yet."""

    name: str
    phase: str
    step: int | None = None
    max_steps: int | None = None
    loss: float | None = None
    val_loss: float | None = None
    tokens_per_second: float | None = None
    eta: float | None = None
    """Seconds that the rest of the run will take."""
    elapsed: float | None = None
    """Seconds that the run has trained."""
    message: str = ""
    """What the worker is about, where figures would say nothing: "preparing tokens 40%"."""


def progress_line(progress: Progress, width: int, *, unicode: bool = True, one_of_many: bool = False) -> str:
    """`progress` in at most `width` columns; the least important parts are left out when they do not fit."""
    parts = _parts(progress, unicode)
    done = _done(progress)
    for least in ("", *(_LEAST_FIRST_OF_MANY if one_of_many else _LEAST_FIRST)):
        parts.pop(least, None)
        line = "  ".join(parts.values())
        if (room := width - width_of(line)) >= 0:
            break
    if "bar" in parts and done is not None:
        cells = max(size for size in _BAR_SIZES if size <= _BAR_SIZES[0] + room)
        return line.replace(parts["bar"], bar(done, cells, unicode=unicode), 1)
    return shorten(line, width, ascii_only=not unicode)


def _done(progress: Progress) -> float | None:
    if progress.step is None or not progress.max_steps:
        return None
    return min(1.0, progress.step / progress.max_steps)


def _parts(progress: Progress, unicode: bool) -> dict[str, str]:
    parts = {"name": shorten(progress.name, 32, ascii_only=not unicode)}
    done = _done(progress)
    if progress.phase not in ("running", "evaluating") or done is None:
        parts["phase"] = f"{progress.phase}: {progress.message}" if progress.message else progress.phase
    if done is not None:
        parts["bar"] = bar(done, _BAR_SIZES[0], unicode=unicode)
        parts["percent"] = f"{format_percent(done):>4}"
        parts["step"] = f"{progress.step:>{len(str(progress.max_steps))}}/{progress.max_steps}"
    if progress.loss is not None:
        parts["loss"] = f"loss {format_loss(progress.loss)}"
    if progress.val_loss is not None:
        parts["val"] = f"val {format_loss(progress.val_loss)}"
    if progress.phase == "evaluating" and done is not None:
        parts["rate"] = "evaluating"
    elif progress.tokens_per_second:
        parts["rate"] = f"{format_count(progress.tokens_per_second)} tok/s"
    if progress.eta is not None:
        parts["eta"] = f"ETA {_seconds(progress.eta)}"
    if progress.elapsed is not None:
        parts["elapsed"] = _seconds(progress.elapsed)
    return parts


def _seconds(seconds: float) -> str:
    """Without the tenths that would flicker."""
    return f"{round(seconds)}s" if seconds < 9.5 else format_duration(seconds)


def bar(done: float, cells: int, *, unicode: bool = True) -> str:
    """A bar of `cells` columns, filled to `done` (0 to 1), in eighths of a column where they can be drawn."""
    if not unicode:
        full = int(done * cells)
        return f"[{'#' * full}{'-' * (cells - full)}]"
    eighths = int(done * cells * 8)
    full, part = divmod(eighths, 8)
    # U+2588 is a full block; U+2589 to U+258F are seven eighths down to one.
    blocks = "\u2588" * full + (chr(0x2590 - part) if part else "")
    return f"\u2595{blocks:<{cells}}\u258f"
