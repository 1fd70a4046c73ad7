"""Which file system a path lies on: what holds on a disk of one's own need not hold over a network."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = ("9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs2", "glusterfs", "gpfs", "lustre")
_NETWORK_TOO = ("ncpfs", "nfs", "ocfs2", "orangefs", "panfs", "smb", "sshfs", "virtiofs", "webdav", "wekafs")
_VOLATILE = ("tmpfs", "ramfs")


@dataclass(frozen=True)
class FileSystem:
    """What is mounted where a path lies."""

    kind: str
    """As the system calls it: ext4, apfs, nfs4, fuse.sshfs; empty where that is not known."""
    mounted_at: Path
    options: tuple[str, ...] = ()
    """As it was mounted."""

    @property
    def locks_stay_here(self) -> bool:
        """Whether it is shared and its locks are known to be seen by this machine alone: nfs(5), mount.cifs(8)."""
        if not self.is_shared:
            return False
        alone = ("nolock", "local_lock=all", "local_lock=flock", "nobrl")
        return self.kind == "fuse.sshfs" or any(option in alone for option in self.options)

    @property
    def is_shared(self) -> bool:
        """Whether other machines write to it too, whose locks need not reach this one."""
        name = self.kind.lower().removeprefix("fuse.")
        return name.startswith((*_NETWORK, *_NETWORK_TOO))

    @property
    def is_volatile(self) -> bool:
        """Whether a restart of the machine empties it."""
        return self.kind in _VOLATILE


def file_system(path: Path) -> FileSystem:
    """What a path that is there lies on."""
    path = path.resolve()
    mounts = _mounts_on_macos() if sys.platform == "darwin" else _mounts()
    # The last one that is mounted at a place hides those before it.
    inside = [one for one in mounts if path.is_relative_to(one.mounted_at)]
    found = max(reversed(inside), key=lambda one: len(one.mounted_at.parts), default=None)
    return found or FileSystem("", Path("/"))


def _mounts() -> list[FileSystem]:
    """proc_pid_mountinfo(5): the fifth word is the place; after the dash come the type, the source and options."""
    try:
        lines = MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        left, dash, right = line.partition(" - ")
        words, kind = left.split(" "), right.split(" ")
        if dash and len(words) > 4:
            # Blanks and line breaks in a name are written as octal numbers.
            place = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), words[4])
            found.append(FileSystem(kind[0], Path(place), tuple(kind[2].split(",")) if len(kind) > 2 else ()))
    return found


def _mounts_on_macos() -> list[FileSystem]:
    try:
        text = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [FileSystem(found[2], Path(found[1])) for found in re.finditer(r" on (/.*?) \((\w+)", text)]
