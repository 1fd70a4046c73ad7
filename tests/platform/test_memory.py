"""The most memory that a process held, since it was last asked to forget."""

from __future__ import annotations

import pytest

from craft import platform

SIZE = 100_000_000


def test_a_peak_is_seen_and_forgotten() -> None:
    if not platform.reset_peak_memory():
        pytest.skip("this system cannot begin anew")
    before = platform.peak_memory()
    block = b"x" * SIZE  # written to: what was never touched is nowhere
    with_block = platform.peak_memory()
    del block
    after = platform.peak_memory()
    assert platform.reset_peak_memory()
    anew = platform.peak_memory()
    assert before is not None
    assert with_block is not None
    assert after is not None
    assert anew is not None
    assert with_block - before > 0.9 * SIZE
    assert after > 0.95 * with_block  # the kernel counts pages in batches
    assert after - anew > 0.9 * SIZE
