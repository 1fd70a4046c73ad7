"""Figures that something is decided by: which checkpoint is best, when to stop, when to slow down."""

from __future__ import annotations

import math
from collections.abc import Iterable

from craft.errors import TrainingError


def is_better(value: float, best: float | None, mode: str, min_delta: float = 0.0) -> bool:
    """Whether a figure improves on the best so far, by `mode` "min" or "max". What is not finite is never better."""
    if not math.isfinite(value):
        return False
    if best is None:
        return True
    return (best - value if mode == "min" else value - best) > min_delta


def require(monitor: str, figures: Iterable[str], setting: str) -> None:
    """Raise TrainingError when an evaluation measures no figure of this name: it would be waited for in vain."""
    known = list(figures)
    if monitor not in known:
        raise TrainingError(f'{setting} = "{monitor}": no evaluation measures that; there are {", ".join(known)}')


def require_evaluations(evaluated_splits: Iterable[str], eval_every: int, setting: str) -> None:
    """Raise TrainingError when nothing is measured on the way that `setting` could be decided by."""
    if not list(evaluated_splits):
        raise TrainingError(f"{setting} waits for evaluations, and there is no validation split to measure")
    if not eval_every:
        raise TrainingError(
            f"{setting} waits for evaluations, and training.eval_every = 0 measures the first and last step only"
        )
