"""How many logits are held at once. Models, evaluation and estimate all go by this."""

from __future__ import annotations

# Numbers, in fp32. On a CPU a loss in pieces of this size was 1.1 to 1.9 times as fast as all at once wherever there
# was more than one; a quarter of it is slower with 50,257 tokens (docs/measurements.md). A GPU, where nothing was
# measured, wants large products.
_AT_ONCE = {"cpu": 1 << 23}
_AT_ONCE_ELSEWHERE = 1 << 28

# Tokens measured at once: enough to keep a CPU's products efficient, little enough to stay in memory.
EVALUATION_TOKENS = 16_384
_EVALUATION_LOGITS = 1 << 26


def rows_at_once(rows: int, vocab_size: int, device: str) -> int:
    """How many of so many rows of logits a training step holds at once; `device` is a type, as "cpu"."""
    most = _AT_ONCE.get(device, _AT_ONCE_ELSEWHERE)
    return rows if rows * vocab_size <= most else max(1, most // vocab_size)


def evaluation_windows(context_length: int, vocab_size: int) -> int:
    """Windows that are measured at once."""
    return max(1, min(EVALUATION_TOKENS, _EVALUATION_LOGITS // vocab_size) // context_length)
