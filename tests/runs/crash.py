"""What a power cut may leave of a folder: every operation is watched, and the disk is rebuilt after each.

`Watch` takes a picture of the folder before each operation that changes names and around each that forces something
to disk. From a picture `crashes` builds what could be found after a crash at that instant:

    killed    all that was visible: the process died, the machine went on
    strict    only what was forced: contents by a forced file, names by a forced folder
    zeros     names went to disk early, as a journal may do; contents that were not forced are zeros
    empty     the same, and those files have no content
    mixed     each folder's names as they were seen or as they were forced, by chance
"""

from __future__ import annotations

import os
import random
import stat
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

File = tuple[int, int]  # an inode number, and how often it was given out
Tree = dict[str, "bytes | Tree"]

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink"}
_watches: list[Watch] = []


@dataclass
class Picture:
    """The folder at an instant, as it is seen and as it is on disk; `note` is what the test knew by then."""

    note: Any
    names: dict[File, dict[str, File]]
    """Folders as they are seen."""
    contents: dict[File, bytes]
    """Files as they are seen."""
    forced_names: dict[File, dict[str, File]]
    forced_contents: dict[File, bytes]


@dataclass
class Watch:
    """Watches all that happens in `root` while it is the current one."""

    root: Path
    note: Any = None
    pictures: list[Picture] = field(default_factory=list)
    _alive: dict[int, int] = field(default_factory=dict)
    _given: dict[int, int] = field(default_factory=dict)
    _forced_names: dict[File, dict[str, File]] = field(default_factory=dict)
    _forced_contents: dict[File, bytes] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _busy: bool = False

    def take(self) -> Picture:
        """A picture of now. A number that went away and came back is another file."""
        with self._lock:
            self._busy = True
            try:
                names: dict[File, dict[str, File]] = {}
                contents: dict[File, bytes] = {}
                seen: set[int] = set()
                self._walk(self.root, names, contents, seen)
                for inode in set(self._alive) - seen:
                    del self._alive[inode]
                picture = Picture(self.note, names, contents, dict(self._forced_names), dict(self._forced_contents))
                self.pictures.append(picture)
                return picture
            finally:
                self._busy = False

    def _file(self, inode: int) -> File:
        if inode not in self._alive:
            self._given[inode] = self._alive[inode] = self._given.get(inode, 0) + 1
        return inode, self._alive[inode]

    def _walk(
        self, folder: Path, names: dict[File, dict[str, File]], contents: dict[File, bytes], seen: set[int]
    ) -> None:
        inode = folder.stat().st_ino
        seen.add(inode)
        entries = names[self._file(inode)] = {}
        for path in folder.iterdir():
            found = path.stat()
            seen.add(found.st_ino)
            entries[path.name] = self._file(found.st_ino)
            if stat.S_ISDIR(found.st_mode):
                self._walk(path, names, contents, seen)
            else:
                contents[self._file(found.st_ino)] = path.read_bytes()

    def forced(self, descriptor: int) -> None:
        """A file or folder has just been forced to disk."""
        with self._lock:
            picture = self.take()
            inode = os.fstat(descriptor).st_ino
            file = inode, self._alive.get(inode, 0)
            if file in picture.contents:
                self._forced_contents[file] = picture.contents[file]
            elif file in picture.names:
                self._forced_names[file] = picture.names[file]
            self.take()

    @property
    def busy(self) -> bool:
        """Whether it is this object that opens files."""
        return self._busy


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watches:
        return
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_CREAT | os.O_TRUNC)
    if (writes or event in _CHANGES) and not _watches[-1].busy:
        _watches[-1].take()


sys.addaudithook(_hook)


def watch(root: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Begin to watch `root`, which counts as being on disk; `monkeypatch` ends it."""
    one = Watch(root)
    first = one.take()
    one._forced_names |= first.names
    one._forced_contents |= first.contents
    for name in ("fsync", "fdatasync"):
        real = getattr(os, name)

        def force(descriptor: int, real: Any = real) -> None:
            real(descriptor)
            one.forced(descriptor)

        monkeypatch.setattr(os, name, force)
    monkeypatch.setattr(sys.modules[__name__], "_watches", [one])
    return one


def crashes(picture: Picture, root: Path, chance: random.Random) -> Iterator[tuple[str, Tree]]:
    """What may be found after a crash at that instant, by the name of what went wrong."""
    top = next(file for file in picture.names if file[0] == root.stat().st_ino)
    seen, forced = picture.names, picture.forced_names

    def build(file: File, folders: list[dict[File, dict[str, File]]], content: str) -> bytes | Tree:
        if file in seen or file in forced:
            entries = folders[chance.randrange(len(folders))].get(file, {})
            return {name: build(entry, folders, content) for name, entry in entries.items()}
        on_disk, visible = picture.forced_contents.get(file, b""), picture.contents.get(file, b"")
        match content:
            case "seen":
                return visible
            case "forced":
                return on_disk
            case "zeros":
                return on_disk + bytes(max(0, len(visible) - len(on_disk)))
        raise AssertionError(content)

    for name, folders, content in (
        ("killed", [seen], "seen"),
        ("strict", [forced], "forced"),
        ("zeros", [seen], "zeros"),
        ("empty", [seen], "forced"),
        ("mixed", [seen, forced], "zeros"),
        ("mixed", [seen, forced], "forced"),
    ):
        tree = build(top, folders, content)
        assert isinstance(tree, dict)
        yield name, tree


def lay_out(tree: Tree, folder: Path) -> None:
    """Write a tree as real files."""
    folder.mkdir()
    for name, entry in tree.items():
        if isinstance(entry, dict):
            lay_out(entry, folder / name)
        else:
            (folder / name).write_bytes(entry)
