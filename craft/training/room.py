"""Whether the disk has room for the next checkpoint, said while there is time to make some."""

from __future__ import annotations

from pathlib import Path

from craft.analysis.numbers import format_bytes
from craft.runs.disk import disk_use, free_space, room_for


class RoomWatch:
    """Looks after each save: the next takes what the last one took, and is written before an older one goes."""

    def __init__(self) -> None:
        self._was_low = False

    def after(self, saved: Path) -> str:
        """What a person should know now that `saved` is on disk; empty when there is room, or when it was said."""
        size = disk_use(saved).bytes
        was_low, self._was_low = self._was_low, not room_for(saved, size)
        free = free_space(saved)
        if was_low or not self._was_low or free is None:
            return ""
        return (
            f"the disk is nearly full: {format_bytes(free)} are free, and a checkpoint takes {format_bytes(size)}; "
            "'craft prune' makes room"
        )
