"""What was written from a file of prompts: a line each, in their order. A second go writes what is missing.

A kill at any instant leaves whole lines and at most a part of one, which is cut away. Who goes on compares each line
that is there with what would be written now: other prompts, settings or weights are refused, and nothing is lost.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from craft import platform
from craft.errors import CraftError, UsageError
from craft.runs.json_files import decode_object, encode_line, why
from craft.runs.jsonl import LineWriter

_SHOWN = 60  # characters of a value in a message


class Answers(Protocol):
    """Where records go."""

    def append(self, record: dict[str, Any]) -> None:
        """Write one, now. Raises CraftError when there is no room."""

    def close(self) -> None:
        """Force what was written to disk."""


class AnswersStream:
    """Standard output, or a pipe or device by its name: nothing of it can be read again."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        try:
            self._descriptor = sys.stdout.fileno() if path is None else os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {why(error)}") from error

    def append(self, record: dict[str, Any]) -> None:
        """See `Answers`."""
        line = memoryview(encode_line(record))
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            raise CraftError(f"{self.path or 'standard output'}: cannot be written: {why(error)}") from error

    def close(self) -> None:
        """See `Answers`."""
        if self.path is not None:
            os.close(self._descriptor)


class AnswersFile:
    """A regular file that is written by one process at a time, forced to disk at most a second apart."""

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        """Raises UsageError when the file cannot be written, or another process writes it."""
        self.path = path
        if not path.absolute().parent.is_dir():
            raise UsageError(f"{path}: there is no folder {path.absolute().parent}")
        self._lock = platform.FileLock(path)
        try:
            taken = self._lock.acquire()
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {why(error)}") from error
        if not taken:
            raise UsageError(f"{path}: another process is writing it; wait for it, or name another file")
        self._writer: LineWriter | None = None
        self._overwrite = overwrite

    def go_on(self, expected: Iterator[dict[str, Any]]) -> int:
        """How many records are there already, each of which must have what `expected` says; then it can be appended to.

        Raises UsageError, and changes nothing, when they were made by something else.
        """
        try:
            count, size = (0, 0) if self._overwrite else self._compare(expected)
            if size < self.path.stat().st_size:
                os.truncate(self.path, size)
            self._writer = LineWriter(self.path)
        except OSError as error:
            raise UsageError(f"{self.path}: cannot be written: {why(error)}") from error
        return count

    def _compare(self, expected: Iterator[dict[str, Any]]) -> tuple[int, int]:
        """Records that hold, and the bytes that they take."""
        count = size = 0
        with self.path.open("rb") as file:
            for raw in file:
                if not raw.endswith(b"\n"):
                    break  # cut by a kill: it is written anew
                try:
                    found = decode_object(raw)
                except ValueError as error:
                    raise self._refused(count, f"it is no record of this command ({error})") from error
                wanted = next(expected, None)
                if wanted is None:
                    raise self._refused(count, "there are not so many prompts")
                for key, value in wanted.items():
                    if key == "weights_sha256" and found.get(key) != value:
                        raise self._refused(count, f"another checkpoint wrote it: {_shown(found.get('source'))}")
                    if key not in found or found[key] != value:
                        had = _shown(found[key]) if key in found else "nothing"
                        raise self._refused(count, f"{key} was {had}, and is now {_shown(value)}")
                count += 1
                size += len(raw)
        return count, size

    def _refused(self, count: int, what: str) -> UsageError:
        return UsageError(
            f"{self.path}:{count + 1}: not written by this command with these prompts and settings: {what}; name "
            "another --output, or give --overwrite, which loses what is there"
        )

    def append(self, record: dict[str, Any]) -> None:
        """See `Answers`."""
        assert self._writer is not None, "go_on comes first"
        self._writer.append(record)
        if self._writer.held_back:
            self._writer.held_back.clear()  # it is written anew when this goes on
            raise CraftError(
                f"{self.path}: the disk takes no more: is it full? What is written is whole; make room, and the same "
                "command goes on"
            )

    def close(self) -> None:
        """See `Answers`. Raises CraftError when the disk did not take it."""
        try:
            if self._writer is not None:
                self._writer.close()
        except OSError as error:
            raise CraftError(f"{self.path}: the disk did not take it: {why(error)}") from error
        finally:
            self._lock.release()


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def open_answers(path: Path | None, *, overwrite: bool = False) -> AnswersFile | AnswersStream:
    """Where answers go; None, and `-`, are standard output."""
    if path is None or str(path) == "-":
        return AnswersStream()
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; name a file")
    return AnswersStream(path) if path.exists() and not path.is_file() else AnswersFile(path, overwrite=overwrite)
