"""What a batch costs, against slicing it row by row; what preparing text costs, at first and from then on.

    python -m benchmarks.batches

The rows are nanoGPT's way of making a batch (random places, a slice and a conversion a row, then a stack), on tokens
in memory. Both are measured in turn in this process; the ratio is of the medians.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch

from craft.config.schema import ExperimentConfig
from craft.data import TextDataset, TrainBatches, prepare

BATCH, CONTEXT, ROUNDS, STEPS = 24, 64, 20, 500


def microseconds(function: Callable[[int], object]) -> float:
    """Of one call, over STEPS calls."""
    started = time.perf_counter()
    for step in range(1, STEPS + 1):
        function(step)
    return (time.perf_counter() - started) / STEPS * 1e6


def batches() -> None:
    """A batch of TrainBatches, against rows."""
    tokens = np.random.default_rng(0).integers(0, 97, 1_000_000, dtype=np.uint8)
    ours = TrainBatches(TextDataset(tokens, CONTEXT), batch_size=BATCH, shuffle=True, seed=1)

    def rows(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        places = torch.randint(len(tokens) - CONTEXT, (BATCH,)).tolist()
        inputs = [torch.from_numpy(tokens[i : i + CONTEXT].astype(np.int64)) for i in places]
        targets = [torch.from_numpy(tokens[i + 1 : i + 1 + CONTEXT].astype(np.int64)) for i in places]
        return torch.stack(inputs), torch.stack(targets)

    ours.batch(1)
    measured = [(microseconds(ours.batch), microseconds(rows)) for _ in range(ROUNDS)]
    mine, theirs = (statistics.median(times) for times in zip(*measured, strict=True))
    print(
        f"a batch of {BATCH} x {CONTEXT}: {mine:.0f} us, row by row {theirs:.0f} us: {theirs / mine:.1f} times faster"
    )

    # The first batch of an epoch, and of a resumed run, works out the first block of the order.
    started = time.perf_counter()
    for seed in range(50):
        TrainBatches(TextDataset(tokens, CONTEXT), batch_size=BATCH, shuffle=True, seed=seed).batch(10**6)
    print(f"the first batch, at step 1,000,000: {(time.perf_counter() - started) / 50 * 1e6:.0f} us")


def preparing() -> None:
    """The standard library, prepared at first and found again."""
    config = ExperimentConfig.model_validate({"model": {"type": "transformer"}})
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CRAFT_CACHE_DIR"] = folder
        started = time.perf_counter()
        meta = prepare(config).meta
        first = time.perf_counter() - started
        again = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            prepare(config)
            again.append(time.perf_counter() - started)
    assert meta is not None
    print(
        f"{meta.source}, {meta.num_bytes / 1e6:.1f} MB: prepared in {first * 1e3:.0f} ms, "
        f"found again in {statistics.median(again) * 1e3:.1f} ms: {first / statistics.median(again):.0f} times faster"
    )


if __name__ == "__main__":
    batches()
    preparing()
