"""Which files a corpus is made of, and what they hold. Free of torch."""

from __future__ import annotations

import glob
import hashlib
import os
import platform as python_platform
import stat
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from craft.config.schema.data import (
    CSVData,
    DataConfig,
    HFData,
    JSONLinesData,
    PickledData,
    PythonDataset,
    PythonStdlibData,
    TextData,
    TextFilesData,
    TokensData,
)
from craft.errors import DataError

# Of the standard library: tests; what distributions pack apart, so that every machine with the same Python has the
# same text; and generated tables, which teach a model nothing.
LEFT_OUT = frozenset(
    {
        *("test", "tests", "idle_test"),
        *("distutils", "ensurepip", "idlelib", "lib2to3", "macholib", "msilib", "tkinter", "turtle", "turtledemo"),
        *("encodings", "pydoc_data"),
    }
)


@dataclass(frozen=True)
class SourceFile:
    """A file as it was found: what changes when its content does."""

    path: Path
    size: int
    changed_ns: int
    inode: int

    @classmethod
    def look(cls, path: Path) -> SourceFile:
        """Raises DataError for what is gone, or no plain file."""
        try:
            found = path.stat()
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
        if not stat.S_ISREG(found.st_mode):
            raise DataError(
                f"{path}: {_kind(found.st_mode)}, not a file or a folder; data.path takes files, folders and globs"
            )
        return cls(path, found.st_size, found.st_mtime_ns, found.st_ino)


@dataclass(frozen=True)
class Corpus:
    """The files of a corpus, in the order of the text."""

    files: list[SourceFile]
    source: str
    """In words: where the text comes from, with the version of what it depends on."""
    ascii_only: bool = False
    """Leave out files that hold anything else."""
    max_bytes: int = 0
    """Stop after the file that reaches this many; 0 is no limit."""

    @property
    def num_bytes(self) -> int:
        """Bytes on disk of all files, also of those that will be left out."""
        return sum(file.size for file in self.files)

    def signature(self) -> str:
        """Changes whenever a file of the corpus does."""
        digest = hashlib.sha256(f"{self.source}\0{self.ascii_only}\0{self.max_bytes}\n".encode(errors="replace"))
        for file in self.files:
            digest.update(os.fsencode(file.path))
            digest.update(f"\0{file.size}\0{file.changed_ns}\0{file.inode}\n".encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class CorpusFacts:
    """What reading a corpus once told."""

    content: str
    """A sha256 over the files' own, in their order; where they lie plays no part."""
    num_documents: int
    num_bytes: int
    num_left_out: int
    """Files that hold more than ASCII, where that was not wanted."""


def open_corpus(data: TextData) -> Corpus:
    """The files that a `[data]` table means. Raises DataError when there are none, or one is no file.

    A dataset of the hub has none: its name and revision stand for what it holds.
    """
    match data:
        case PythonStdlibData():
            return _python_stdlib(data)
        case HFData() if data.path.startswith("hf:"):
            which = " ".join(filter(None, (data.path, data.name, data.split, data.revision)))
            return Corpus([], source=which)
        case HFData():
            return _dataset_files(data)
        case TextFilesData() | JSONLinesData() | CSVData():
            return _text_files(data)
    raise AssertionError(data)


# One's own text ---------------------------------------------------------------------------------------------------


def require_text(data: DataConfig) -> None:
    """Look whether a definition's text is there, before anything is made for it. Raises DataError.

    Only the files' entries are looked at; what they hold is the worker's to find out.
    """
    if isinstance(data, TokensData | PickledData):
        _require_place(Path(data.path).expanduser())
        return
    if isinstance(data, PythonDataset):
        return
    corpus = open_corpus(data)
    if corpus.files and not corpus.num_bytes:
        raise no_text(corpus)


def text_signature(data: DataConfig) -> str | None:
    """What changes when a person writes to the files of a text; None where it is no file of theirs, or not there."""
    if not isinstance(data, TextFilesData | JSONLinesData | CSVData):
        return None
    try:
        return open_corpus(data).signature()
    except DataError:
        return None


def no_text(corpus: Corpus) -> DataError:
    """What is said of a corpus of empty files."""
    return DataError(f"{corpus.source}: there is no text in {_count(len(corpus.files), 'file')}; set data.path")


def _require_place(place: Path, mend: str = "set data.path") -> None:
    if not place.exists():
        raise DataError(f"{place}: no such file or folder{_nearest_parent(place)}; {mend}")


def _dataset_files(data: HFData) -> Corpus:
    place = Path(data.path).expanduser()
    _require_place(place, 'a dataset of the hub is named as data.path = "hf:OWNER/NAME"')
    files = [path for path in sorted(place.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    found = [SourceFile.look(path) for path in (files if place.is_dir() else [place])]
    if not found:
        raise DataError(f"{place}: this folder is empty; set data.path")
    return Corpus(found, source=f"{data.path} {data.split}")


def _text_files(data: TextFilesData | JSONLinesData | CSVData) -> Corpus:
    entries = [data.path] if isinstance(data.path, str) else data.path
    if not entries:
        raise DataError("data.path is an empty list; name at least one file, folder or glob")
    files: dict[Path, SourceFile] = {}
    for entry in entries:
        for path in _matches(entry, data.pattern):
            # The same file named twice, by a list or through a link, is read once, in its first place.
            files.setdefault(path.resolve(), SourceFile.look(path))
    return Corpus(list(files.values()), source=", ".join(entries))


def _matches(entry: str, pattern: str) -> list[Path]:
    """The files of one entry of `data.path`: itself, a folder's by `pattern`, or a glob's. A file whose name looks
    like a glob is that file."""
    place = Path(entry).expanduser()
    if place.is_dir():
        return _glob(place, pattern, "data.pattern")
    if place.exists():
        return [place]
    parts = place.parts
    magic = next((index for index, part in enumerate(parts) if glob.has_magic(part)), None)
    if magic is None:
        raise DataError(f"{place}: no such file or folder{_nearest_parent(place)}; set data.path")
    folder = Path(*parts[:magic])
    if not folder.is_dir():
        raise DataError(f"{entry}: no such folder: {folder}; set data.path")
    return _glob(folder, "/".join(parts[magic:]), "data.path")


def _glob(folder: Path, pattern: str, key: str) -> list[Path]:
    """Files under `folder`, at least one, sorted by the parts of their names: the same order on every machine.

    Hidden files and folders count only where the pattern itself begins a part with a dot. Linked folders are not
    entered: a link to a parent would have no end.
    """
    if not os.access(folder, os.R_OK | os.X_OK):
        raise DataError(f"{folder}: this folder cannot be read: Permission denied")
    parts = Path(pattern).parts
    if not parts or Path(pattern).is_absolute() or ".." in parts:
        raise DataError(f'{key}: "{pattern}": a pattern names files inside the folder, as "**/*.txt" does')
    if parts[-1] == "**":
        parts = (*parts, "*")
    try:
        found = [path.relative_to(folder).parts for path in folder.glob("/".join(parts)) if path.is_file()]
    except ValueError as error:
        raise DataError(f'{key}: "{pattern}": {error}') from error
    if not any(part.startswith(".") for part in parts):
        found = [names for names in found if not any(name.startswith(".") for name in names)]
    if not found:
        names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
        holds = f"it holds {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}" if names else "it is empty"
        raise DataError(f'{folder}: no file in this folder matches "{pattern}" ({holds}); set {key}')
    return [folder.joinpath(*names) for names in sorted(found)]


def _nearest_parent(path: Path) -> str:
    """Which part of a missing path is still there."""
    for parent in path.parents:
        if parent.exists():
            missing = path.relative_to(parent).parts
            return f" ({parent} is there, {missing[0]} is not)" if len(missing) > 1 else ""
    return ""


def _kind(mode: int) -> str:
    for test, word in (
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
        (stat.S_ISDIR, "a folder"),
    ):
        if test(mode):
            return word
    return "something else"


# The standard library ---------------------------------------------------------------------------------------------


def _python_stdlib(data: PythonStdlibData) -> Corpus:
    root = Path(sysconfig.get_path("stdlib"))
    names = sorted(_stdlib_sources(root, top=True))
    if not names:
        raise DataError(
            f"python_stdlib: this Python has no sources under {root}; "
            'use a text of your own with data.type = "text" and data.path'
        )
    source = f"Python {python_platform.python_version()} standard library"
    files = [SourceFile.look(root.joinpath(*parts)) for parts in names]
    return Corpus(files, source, ascii_only=True, max_bytes=data.max_bytes)


def _stdlib_sources(folder: Path, *, top: bool = False) -> Iterator[tuple[str, ...]]:
    """Parts of the names of the sources under `folder`. At the top only what Python itself counts as its library:
    distributions put files of their own beside it."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        name = entry.name.removesuffix(".py")
        if name in LEFT_OUT or (top and name not in sys.stdlib_module_names):
            continue
        if entry.is_dir():
            yield from ((name, *rest) for rest in _stdlib_sources(Path(entry)))
        elif entry.name.endswith(".py"):
            yield (entry.name,)


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
