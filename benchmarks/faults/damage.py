"""What disks, cables and power cuts do to a file: a flipped bit, a lost end, zeros where something was."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAGE = 4096


def flip(content: bytes, rng: random.Random) -> bytes:
    """One bit is another."""
    at = rng.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]


def cut(content: bytes, rng: random.Random) -> bytes:
    """The end is not there: all of it, or a part."""
    return content[: rng.randrange(len(content))]


def zero_tail(content: bytes, rng: random.Random) -> bytes:
    """The length is right, and the end is zeros: what a power cut leaves of a file that was not forced."""
    at = rng.randrange(len(content))
    return content[:at] + bytes(len(content) - at)


def zero_page(content: bytes, rng: random.Random) -> bytes:
    """One page is zeros."""
    at = rng.randrange(0, len(content), PAGE)
    size = min(PAGE, len(content) - at)
    return content[:at] + bytes(size) + content[at + size :]


@contextmanager
def replaced(path: Path, old: bytes, new: bytes) -> Iterator[None]:
    """Inside, a value of a file is another one: the file reads well, and says what cannot be."""
    whole = path.read_bytes()
    assert whole.count(old) == 1, f"{path} has no {old.decode()}"
    try:
        path.write_bytes(whole.replace(old, new))
        yield
    finally:
        path.write_bytes(whole)


KINDS = {"flipped": flip, "cut": cut, "zeroed from some byte on": zero_tail, "zeroed page": zero_page}


@contextmanager
def damaged(path: Path, kind: str, rng: random.Random) -> Iterator[None]:
    """Inside, a file is damaged: its content is certainly another."""
    whole = path.read_bytes()
    assert whole.strip(b"\0"), f"{path} has nothing that could be damaged"
    while (broken := KINDS[kind](whole, rng)) == whole:
        pass
    try:
        path.write_bytes(broken)
        yield
    finally:
        path.write_bytes(whole)
