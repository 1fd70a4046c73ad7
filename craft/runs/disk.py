"""What folders take of a disk, and what is left of it: real blocks, and what has several names is counted once.

Links are never followed: what lies behind one belongs to somebody else.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_BLOCK = 512  # st_blocks counts these, whatever the file system's own are


@dataclass
class DiskUse:
    """What some files and folders take."""

    single: int = 0
    """Bytes of what has one name."""
    linked: dict[tuple[int, int], tuple[int, int, int]] = field(default_factory=dict)
    """Of each file with several names, by device and number: bytes, names seen here, names in all."""

    @property
    def bytes(self) -> int:
        """Bytes that are taken."""
        return self.single + sum(size for size, _, _ in self.linked.values())

    @property
    def freed(self) -> int:
        """Bytes that deleting it would free: a file that has a name elsewhere stays."""
        return self.single + sum(size for size, seen, names in self.linked.values() if seen >= names)

    def add(self, other: DiskUse) -> None:
        """Take another's in; a file that both have a name of counts once."""
        self.single += other.single
        for file, (size, seen, names) in other.linked.items():
            self.linked[file] = (size, seen + self.linked.get(file, (0, 0, 0))[1], names)


def disk_use(path: Path) -> DiskUse:
    """What a file takes, or a folder with all that is in it. What vanishes meanwhile counts nothing."""
    use = DiskUse()
    try:
        found = os.lstat(path)
    except OSError:
        return use
    _count(use, found)
    waiting = [str(path)] if stat.S_ISDIR(found.st_mode) else []
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    try:
                        _count(use, entry.stat(follow_symlinks=False))
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
                    except OSError:
                        continue
        except OSError:
            continue
    return use


def _count(use: DiskUse, found: os.stat_result) -> None:
    size = found.st_blocks * _BLOCK
    if found.st_nlink < 2 or stat.S_ISDIR(found.st_mode):  # a folder is named by those inside it too
        use.single += size
        return
    file = (found.st_dev, found.st_ino)
    use.linked[file] = (size, use.linked.get(file, (0, 0, 0))[1] + 1, found.st_nlink)


def together(uses: Iterable[DiskUse]) -> DiskUse:
    """What several take in all."""
    use = DiskUse()
    for one in uses:
        use.add(one)
    return use


def free_space(path: Path) -> int | None:
    """Bytes that may still be written where `path` lies; None where the file system does not say."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def room_for(folder: Path, needed: int) -> bool:
    """Whether twice `needed` bytes fit where `folder` lies: twice, so that it is said while there is time to make room.

    True where the file system does not say.
    """
    free = free_space(folder)
    return free is None or free >= 2 * needed
