"""Long text in blocks that can be read one by one, cut at the ends of lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

# Characters of a block: what is made of one stays small, and a loop over blocks costs nothing.
BLOCK = 1 << 20


def blocks(parts: Iterable[str], size: int = BLOCK) -> Iterator[str]:
    """The text that `parts` make, in blocks of at most `size` characters.

    A block ends after a line's end that no other follows, or where there is none, at its full size. Where the cuts
    fall depends on the text alone, not on the parts that it comes in.
    """
    waiting: list[str] = []
    length = 0
    for part in parts:
        waiting.append(part)
        length += len(part)
        if length <= size:
            continue
        text, start = "".join(waiting), 0
        while len(text) - start > size:
            stop = _end(text, start, start + size)
            yield text[start:stop]
            start = stop
        waiting = [text[start:]]
        length = len(text) - start
    if length:
        yield "".join(waiting)


def _end(text: str, start: int, limit: int) -> int:
    """Where a block from `start` to at most `limit`, short of the text's end, is cut."""
    place = text.rfind("\n", start, limit)
    while place >= 0:
        if text[place + 1] not in "\r\n":
            return place + 1
        place = text.rfind("\n", start, place)
    return limit


def spread(parts: Iterable[str], most: int, size: int = 1 << 14) -> list[str]:
    """At most about `most` characters of a text of any length, in blocks spread evenly over it: all of a short one.

    The text passes once, and no more than `most` characters and a block are held. No random number is involved, so
    that the same text gives the same sample.
    """
    kept: list[str] = []
    held, every = 0, 1
    for number, block in enumerate(blocks(parts, size)):
        if number % every:
            continue
        kept.append(block)
        held += len(block)
        while held > most and len(kept) > 1:
            del kept[1::2]
            held, every = sum(map(len, kept)), every * 2
    return kept
