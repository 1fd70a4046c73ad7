"""What a process sets up for itself: when garbage is looked for, and what its allocator does with freed memory."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Around heavy imports: Python looks for garbage neither while they run nor, later, in what they made.

    They make a million objects and drop next to none: torch's own import is a seventh quicker for it, and the first
    full collection after it a tenth of a second (docs/measurements.md).
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def keep_freed_memory() -> None:
    """Let glibc keep what is freed instead of giving it back to the kernel and faulting it in again each step.

    A small model's step on a CPU is a fifth faster for it (docs/measurements.md). Elsewhere this does nothing.
    """
    if sys.platform != "linux":
        return
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # another libc
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3
    mallopt(mmap_threshold, 32 << 20)  # the largest that glibc takes
    mallopt(trim_threshold, 1 << 30)
    mallopt(top_pad, 64 << 20)
