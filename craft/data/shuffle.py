"""An order of `count` things that is computed, place by place, and never stored.

A stored permutation costs 8 bytes a window, a second or more at the start of an epoch of a large corpus, and hangs on
a library keeping its random stream. This one is integer arithmetic: the same on every machine and in every version,
and a resumed run is at its place at once.

How: a Feistel network whose rounds are keyed by seed and epoch permutes the numbers of b bits, the fewest that can
write every place. What it makes `count` or more goes through it again until it is below: a permutation of a part
(Black and Rogaway, Ciphers with Arbitrary Finite Domains, 2002, section 4, which calls it cycle walking).
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

# Four rounds already look random to a statistical test at these sizes; twice as many cost nothing that counts.
_ROUNDS = 8
# The finaliser of SplitMix64 (Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, 2014).
_MULTIPLIERS = np.array([0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)
_SHIFTS = np.array([30, 27, 31], dtype=np.uint64)


class Shuffle:
    """A random-looking order of the numbers 0 to `count` - 1, decided by `seed` and `epoch`."""

    def __init__(self, count: int, seed: int, epoch: int) -> None:
        assert count > 0
        self.count = count
        bits = max(2, (count - 1).bit_length())
        # A number is written as (high, low); a round mixes one half into the other.
        self._low_bits = np.uint64(bits // 2)
        self._low_mask = np.uint64((1 << (bits // 2)) - 1)
        self._high_mask = np.uint64((1 << (bits - bits // 2)) - 1)
        stream = hashlib.shake_128(f"craft order {seed} {epoch}".encode()).digest(8 * (_ROUNDS + 1))
        *keys, draw = np.frombuffer(stream, dtype="<u8").astype(np.uint64)
        self._keys = keys
        self.draw = int(draw)
        """64 random bits to spare, for whatever else differs between epochs."""

    def at(self, start: int, stop: int) -> NDArray[np.int64]:
        """What stands at places `start` up to `stop` of the order."""
        numbers = self._permute(np.arange(start, stop, dtype=np.uint64))
        while len(beyond := np.flatnonzero(numbers >= self.count)):
            numbers[beyond] = self._permute(numbers[beyond])
        return numbers.astype(np.int64)

    def _permute(self, numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
        high, low = numbers >> self._low_bits, numbers & self._low_mask
        for round_, key in enumerate(self._keys):
            if round_ % 2:
                low ^= _mix(high + key) & self._low_mask
            else:
                high ^= _mix(low + key) & self._high_mask
        return (high << self._low_bits) | low


def _mix(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit of the result hangs on every bit of the number; wraps around 2**64."""
    numbers ^= numbers >> _SHIFTS[0]
    numbers *= _MULTIPLIERS[0]
    numbers ^= numbers >> _SHIFTS[1]
    numbers *= _MULTIPLIERS[1]
    numbers ^= numbers >> _SHIFTS[2]
    return numbers
