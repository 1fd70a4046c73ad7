"""Which files a corpus is made of, and what they hold, by name and by content. Free of torch.

A corpus is known by its content; asking for that twice should not read it twice, so the content's hash is kept
under a signature of paths, sizes and times of change.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import platform as python_platform
import stat
import sysconfig
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from craft.config.schema.data import PythonStdlibData, TextFilesData
from craft.config.token_cache import cache_dir, write_cache_file
from craft.errors import DataError

# Folders of the standard library that some distributions leave out, and tests: without them every machine with the
# same Python has the same corpus.
LEFT_OUT = {
    *("test", "tests", "idlelib", "lib2to3", "ensurepip", "turtledemo", "tkinter", "distutils", "pydoc_data"),
    *("site-packages", "dist-packages", "__pycache__", "config"),
}


@dataclass(frozen=True)
class Corpus:
    """The files of a corpus, in the order of the text."""

    files: list[Path]
    source: str
    """In words: where the text comes from, with the version of what it depends on."""
    ascii_only: bool = False
    """Leave out files that hold anything else (the standard library's tables of characters)."""
    max_bytes: int = 0

    def signature(self) -> str:
        """Changes whenever a file of the corpus does; costs one look at each file's entry, not its content."""
        digest = hashlib.sha256(f"{self.ascii_only} {self.max_bytes}\n".encode())
        for path in self.files:
            entry = path.stat()
            digest.update(f"{path}\0{entry.st_size}\0{entry.st_mtime_ns}\0{entry.st_ino}\n".encode(errors="replace"))
        return digest.hexdigest()

    def documents(self) -> Iterator[str]:
        """The text of each file that belongs to the corpus. Raises DataError with file and place of a bad byte."""
        total = 0
        for path in self.files:
            try:
                content = path.read_bytes()
            except OSError as error:
                raise DataError(f"{path}: cannot be read: {error.strerror}") from error
            if self.ascii_only and not content.isascii():
                continue
            try:
                yield content.decode()
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}: not UTF-8: byte 0x{content[error.start]:02x} at offset {error.start:,}; "
                    f"convert it first, e.g. `iconv -f latin1 -t utf-8 {path.name}`"
                ) from error
            total += len(content)
            if self.max_bytes and total >= self.max_bytes:
                return


@dataclass(frozen=True)
class CorpusFacts:
    """What reading a corpus once told. `content` is the sha256 of its documents."""

    content: str
    num_documents: int
    num_bytes: int
    num_left_out: int


def open_corpus(data: PythonStdlibData | TextFilesData) -> Corpus:
    """The files that a `[data]` table means. Raises DataError when there are none."""
    if isinstance(data, PythonStdlibData):
        return _python_stdlib(data)
    paths = [data.path] if isinstance(data.path, str) else data.path
    files: dict[Path, None] = {}
    for path in paths:
        files.update(dict.fromkeys(_matches(path, data.pattern)))
    if not files:
        raise DataError("data.path is an empty list; name at least one file, folder or glob")
    return Corpus(list(files), source=", ".join(paths))


def _python_stdlib(data: PythonStdlibData) -> Corpus:
    root = Path(sysconfig.get_path("stdlib"))
    files = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(
            name for name in subfolders if name not in LEFT_OUT and not name.startswith(("config-", "."))
        )
        files += [Path(folder, name) for name in names if name.endswith(".py") and not name.startswith("_sysconfig")]
    if not files:
        raise DataError(f'python_stdlib: no sources under {root}; use data.type = "text" with a text of your own')
    files.sort(key=lambda path: path.relative_to(root).as_posix())
    source = f"Python {python_platform.python_version()} standard library"
    return Corpus(files, source, ascii_only=True, max_bytes=data.max_bytes)


def _matches(path: str, pattern: str) -> list[Path]:
    """Files for one entry of `data.path`: itself, a folder's by `pattern`, or a glob's; sorted."""
    place = Path(path).expanduser()
    if place.is_dir():
        found = sorted(file for file in place.glob(pattern) if file.is_file())
        if not found:
            raise DataError(f'{place}: no file in this folder matches data.pattern = "{pattern}"')
        return found
    if place.exists():
        if not stat.S_ISREG(place.stat().st_mode):
            raise DataError(f"{place}: not a file or a folder; data.path takes files, folders and globs")
        return [place]
    if glob.has_magic(path):
        found = sorted(Path(name) for name in glob.glob(str(place), recursive=True) if Path(name).is_file())
        if not found:
            raise DataError(f"{path}: no file matches this glob")
        return found
    raise DataError(f"{place}: no such file or folder (data.path)")


def _facts_file(corpus: Corpus) -> Path:
    return cache_dir() / "corpora" / f"{corpus.signature()}.json"


def known_facts(corpus: Corpus) -> CorpusFacts | None:
    """What is known of a corpus that has not changed since it was read; None when it was not read yet."""
    try:
        return CorpusFacts(**json.loads(_facts_file(corpus).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def remember_facts(corpus: Corpus, facts: CorpusFacts) -> None:
    """Keep what reading the corpus told."""
    write_cache_file(_facts_file(corpus), json.dumps(asdict(facts)).encode())
