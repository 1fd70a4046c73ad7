"""What was asked in the playground, and what came: a line each in a file that survives, and that any program can read.

    {"id": "...", "time": 1763740800.0, "kind": "write", "sources": [...], "request": {...}, "reason": "finished",
     "results": [...], "craft": "0.1.0"}

`kind` is write, score, beams or batch. `sources` are what was chosen; `request` is what the sampler was sent, `results`
what its `done` gave (docs/sampler.md): texts or figures, settings and provenance. A batch has its prompts in `request`,
and a result a text. A line with the id of another takes its place: what is asked stands there before it is answered.

Any number of workbenches append, each line by one write under a lock. A line that a kill or a full disk tore is passed
over and counted. A file that became large is renamed, and another begun: nothing is cut away. Free of widgets.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from craft import __version__, platform
from craft.errors import CraftError
from craft.runs.json_files import decode_object, encode_line, is_number, why
from workbench.screens.playground.history_text import answers, prompt_of
from workbench.screens.playground.sources import read_source

KINDS = ("write", "score", "beams", "batch")
FILE = "playground.jsonl"
LARGE = 32 << 20
"""Bytes from which on a file is put aside and another begun. The newest one put aside is still listed."""
_HEAD = 200  # characters of a text that are kept for the list
_LOCK_WITHIN = 2.0  # seconds
_CHUNK = 1 << 20

Record = dict[str, Any]
_Place = tuple[int, int]  # device and inode: a file put aside is still the same one


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was asked, as the list shows it; `History.read` gives all of it."""

    id: str
    time: float
    """Seconds since 1970."""
    kind: str
    names: tuple[str, ...]
    """Of what was asked."""
    prompt: str
    """Its beginning."""
    answer: str
    """The beginning of what came first, or the fault."""
    count: int
    """Prompts of a batch; else texts that came."""
    reason: str
    """finished, cancelled or failed; asked where no answer is there."""
    file: _Place
    offset: int
    size: int
    older: tuple[tuple[_Place, int, int], ...] = ()
    """The lines whose place it took."""


class HistoryError(CraftError):
    """The history cannot be written, or an entry of it not be read."""


class History:
    """The entries of one project's file. To be used by one thread at a time; files are read and written at once."""

    def __init__(self, folder: Path, *, large: int = LARGE) -> None:
        self.path = folder / FILE
        self.entries: list[Entry] = []
        """The newest first."""
        self.damaged = 0
        """Lines that are no entries."""
        self._large = large
        self._read: dict[_Place, _Reading] = {}
        self._deleted: set[str] = set()

    # --- reading ---

    def poll(self) -> bool:
        """Read what came since the last time, also from other workbenches; whether the entries changed."""
        found: dict[_Place, Path] = {}
        for path in self._files():
            place = platform.place_of(path)
            if place is not None:
                found[place] = path
        before = self.entries
        for place in set(self._read) - set(found):
            self.damaged -= self._read.pop(place).damaged
        known = {one.id: one for one in before if one.file in self._read}
        for place, path in found.items():
            reading = self._read.setdefault(place, _Reading(path))
            reading.path = path
            damaged = reading.damaged
            for offset, size, record in reading.lines():
                if isinstance(gone := record.get("deleted"), str):
                    self._deleted.add(gone)
                elif (entry := _entry(record, place, offset, size)) is not None:
                    if (old := known.get(entry.id)) is not None:
                        entry = replace(entry, older=(*old.older, (old.file, old.offset, old.size)))
                    known[entry.id] = entry
                else:
                    reading.damaged += 1
            self.damaged += reading.damaged - damaged
        self.entries = [one for one in known.values() if one.id not in self._deleted]
        self.entries.sort(key=lambda one: (one.time, one.offset), reverse=True)
        return before != self.entries

    def _files(self) -> list[Path]:
        """The newest file that was put aside, if any, and the one that grows."""
        return [*self._aside()[-1:], self.path]

    def _aside(self) -> list[Path]:
        return sorted(self.path.parent.glob(f"{self.path.stem}-[0-9][0-9][0-9][0-9].jsonl"))

    def read(self, entry: Entry) -> Record:
        """All of an entry. Raises HistoryError when it is not there any more."""
        reading = self._read.get(entry.file)
        try:
            if reading is not None:
                with reading.path.open("rb") as file:
                    file.seek(entry.offset)
                    record = decode_object(file.read(entry.size))
                if record.get("id") == entry.id:
                    return record
        except (OSError, ValueError):
            pass
        raise HistoryError("this entry of the history is gone: it was deleted, or its file was changed")

    def search(self, words: str, is_stale: Callable[[], bool] = lambda: False) -> list[Entry]:
        """The entries that hold all words, wherever: in prompts, texts, settings, names."""
        wanted = words.lower().split()
        found = []
        for entry in self.entries:
            if is_stale():
                break
            quick = f"{entry.kind} {' '.join(entry.names)} {entry.prompt} {entry.answer} {entry.reason}".lower()
            if all(word in quick for word in wanted):
                found.append(entry)
                continue
            try:
                record = self.read(entry)
                whole = " ".join(_words({**record, "id": "", "time": ""})).lower()
            except HistoryError:
                continue
            if all(word in whole for word in wanted):
                found.append(entry)
        return found

    # --- writing ---

    def add(
        self,
        kind: str,
        request: Record,
        results: list[Record],
        *,
        sources: list[Record],
        reason: str = "finished",
        identifier: str = "",
        moment: float | None = None,
    ) -> str:
        """Keep what was asked and what came, in the place of what has the same id; the id. May be called in any thread.
        What was deleted meanwhile stays deleted. moment: when it was asked, unless now. Raises HistoryError when it
        could not be written."""
        assert kind in KINDS, kind
        identifier = identifier or new_id()
        head: Record = {"id": identifier, "time": round(time.time() if moment is None else moment, 3), "kind": kind}
        rest: Record = {"sources": sources, "request": request, "reason": reason, "results": results}
        self._append({**head, **rest, "craft": __version__})
        return identifier

    def delete(self, entry: Entry) -> None:
        """Wipe an entry out, and tell other workbenches, also one that still waits for its answer. Raises HistoryError
        when it could not be done."""
        with self._locked() as locked:
            if not locked:
                raise HistoryError(f"{self.path}: another workbench is writing it; try again")
            self.poll()  # its answer may have come since
            entry = next((one for one in self.entries if one.id == entry.id), entry)
            self.read(entry)  # it still stands there
            try:
                for file, offset, size in (*entry.older, (entry.file, entry.offset, entry.size)):
                    if file in self._read:
                        _wipe(self._read[file].path, entry.id, offset, size)
            except (OSError, ValueError) as error:
                raise HistoryError(f"{self.path}: the entry was not deleted: {why(error)}") from error
        self._append({"deleted": entry.id})

    def _append(self, record: Record) -> None:
        line = encode_line(record)
        try:
            with self._locked() as locked:
                if locked:
                    self._put_aside()
                if "id" not in record or not self._was_deleted(record["id"]):
                    self._write(line, locked)
        except OSError as error:
            raise HistoryError(f"{self.path}: the history was not written: {why(error)}") from error

    def _was_deleted(self, identifier: str) -> bool:
        note = encode_line({"deleted": identifier}).rstrip(b"}\n")
        return any(_holds(path, note) for path in self._files())

    def _write(self, line: bytes, locked: bool) -> None:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            end = os.fstat(descriptor).st_size
            if end and os.pread(descriptor, 1, end - 1) != b"\n":
                line = b"\n" + line  # closes what a kill or a full disk tore
            written = os.write(descriptor, line)
            if written < len(line):
                if locked:
                    os.ftruncate(descriptor, end)
                raise OSError(28, "no space left on the disk")
            platform.sync_data(descriptor)
        finally:
            os.close(descriptor)

    def _put_aside(self) -> None:
        if not self.path.exists() or self.path.stat().st_size < self._large:
            return
        aside = self._aside()
        number = int(aside[-1].stem[-4:]) + 1 if aside else 1
        platform.rename(self.path, self.path.with_name(f"{self.path.stem}-{number:04}.jsonl"))

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        """Whether nobody else writes meanwhile; where there are no locks, one write a line must be enough."""
        lock = platform.FileLock(self.path.with_suffix(".lock"))
        try:
            taken = lock.acquire(_LOCK_WITHIN)
        except OSError:
            taken = False
            self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield taken
        finally:
            lock.release()


def new_id() -> str:
    """Of an entry: no other has it."""
    return uuid.uuid4().hex[:12]


def _wipe(path: Path, identifier: str, offset: int, size: int) -> None:
    """Write over a line in its very place, so that the text is gone; blanks are no part of JSON."""
    note = encode_line({"deleted": identifier}).rstrip(b"\n")
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if decode_object(os.pread(descriptor, size, offset)).get("id") != identifier:
            raise HistoryError(f"{path}: the file was changed meanwhile; look again")
        os.pwrite(descriptor, note.ljust(size - 1) + b"\n", offset)
        platform.sync_data(descriptor)
    finally:
        os.close(descriptor)


def _holds(path: Path, words: bytes) -> bool:
    """Whether a file, that may be large or not there, has some words."""
    with suppress(OSError), path.open("rb") as file:
        before = b""
        while piece := file.read(_CHUNK):
            if words in (here := before + piece):
                return True
            before = here[-len(words) :]
    return False


class _Reading:
    """How far a file was read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self.damaged = 0

    def lines(self) -> Iterator[tuple[int, int, Record]]:
        """The whole lines that came: place, bytes, object."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                rest = b""
                while piece := file.read(_CHUNK):
                    lines = (rest + piece).split(b"\n")
                    rest = lines.pop()
                    for line in lines:
                        start, self.offset = self.offset, self.offset + len(line) + 1
                        try:
                            record = decode_object(line)
                        except ValueError:
                            self.damaged += bool(line.strip())
                        else:
                            yield start, len(line) + 1, record
        except OSError:
            return


def _entry(record: Record, file: _Place, offset: int, size: int) -> Entry | None:
    """An object as an entry; None for one that is none."""
    kind, moment, name = record.get("kind"), record.get("time"), record.get("id")
    request, results = record.get("request"), record.get("results")
    if kind not in KINDS or not is_number(moment) or not isinstance(name, str):
        return None
    if not isinstance(request, dict) or not isinstance(results, list):
        return None
    sources = record.get("sources")
    sources = sources if isinstance(sources, list) else []
    read = [read_source(one) for one in sources]
    names = tuple(one.label[:_HEAD] for one in read if one is not None)
    texts = list(answers(record))
    prompts = request.get("prompts")
    count = len(prompts) if kind == "batch" and isinstance(prompts, list) else len(texts)
    reason = str(record.get("reason", ""))[:_HEAD]
    return Entry(
        name,
        float(moment),
        str(kind),
        names,
        prompt_of(record)[:_HEAD],
        texts[0][:_HEAD] if texts else "",
        count,
        reason,
        file,
        offset,
        size,
    )


def _words(value: Any) -> Iterator[str]:
    """All names and values in it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _words(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _words(inner)
    elif value is not None:
        yield str(value)
