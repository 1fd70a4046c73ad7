"""The loss of a large vocabulary, whose logits are never all there: craft/models/loss.py, in numbers."""

from __future__ import annotations

from craft.config.estimate.parts import FP32, Stage, Workload
from craft.config.logits import rows_at_once


def logits_at_once(work: Workload) -> float:
    """Logits that one piece of a loss has, in numbers."""
    return float(rows_at_once(work.tokens, work.vocab_size, work.device) * work.vocab_size)


def goes_in_pieces(work: Workload) -> bool:
    """Whether a training step never has all logits."""
    return logits_at_once(work) < work.tokens * work.vocab_size


def loss_in_pieces(work: Workload, width: int, *, tied: bool, softcap: bool, held: float, evaluation: float) -> Stage:
    """Head and loss together. `held` is what their caller still has besides what is kept; `evaluation` as in `Stage`,
    where the logits are made as usual."""
    logits, table = logits_at_once(work), float(work.vocab_size * width)
    narrow = work.width < FP32
    # The logits, their exponentials while they are summed, and tanh; later narrow ones and a piece's share of the
    # head's gradient.
    piece = max((3 if softcap else 2) * FP32 * logits, work.width * (logits + table) if narrow else 0.0)
    stream = float(work.tokens * width)
    return Stage(
        keeps=stream * work.width + table * FP32,  # both gradients
        forward=held + piece + (table * work.width if narrow else 0.0),
        backward=stream * (2 * FP32 + work.width if narrow else FP32),
        gradients=0 if tied else table * FP32,
        evaluation=evaluation,
        waits=table * FP32 if tied else 0,
    )
