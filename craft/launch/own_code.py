"""What is to be known of the code that experiments name, found out by processes that import it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from craft.config.own_settings import OwnType, module_key, own_type_from, remember, remembered
from craft.errors import OwnCodeError, Problem

LIMIT = 120
"""Seconds that importing may take."""
_Answer = TypeVar("_Answer")


class CodeAsker:
    """Asks processes, one at a time, and keeps what they say of classes. `end` comes from any thread."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], dict[str, OwnType]] = {}  # in this session, by module and state of its code
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._ended = False

    def check(self, file: Path, text: str, names: Sequence[str]) -> list[Problem]:
        """The problems of these experiments of `text`, which is to become the file. Takes seconds: torch is imported.

        Raises OwnCodeError where the process does not answer: code that is imported may do anything.
        """
        asked = {"text": text, "names": list(names)}
        return self._ask("check_code", file.absolute(), asked, f"the code of {file.name}", _problems)

    def known(self, folder: Path, references: Iterable[str]) -> dict[str, OwnType]:
        """What classes of a person's own take, by their "module:Class", as far as it was found out for this code."""
        found: dict[str, OwnType] = {}
        for module, wanted in _by_module(references):
            key = module_key(module, folder)
            known = {**remembered(key), **self._told.get((module, key), {})}
            found |= {reference: known[reference] for reference in wanted if reference in known}
        return found

    def describe(self, folder: Path, references: Iterable[str]) -> dict[str, OwnType]:
        """The same, found out now where it is not known, which takes seconds a module. Never raises: an `OwnType` has
        words on what went wrong."""
        references = list(references)
        found = self.known(folder, references)
        for module, missing in _by_module(one for one in references if one not in found):
            key = module_key(module, folder)
            try:
                told = self._ask("describe_code", folder.absolute(), missing, module, partial(_types, missing))
            except OwnCodeError as error:
                told = {name: OwnType(name, fault=str(error)) for name in missing}
            self._told.setdefault((module, key), {}).update(told)
            # What went wrong may be for another reason than the code, such as a module that is not installed yet.
            remember(key, {name: one for name, one in told.items() if not one.fault})
            found |= told
        return found

    def end(self) -> None:
        """End the process that is at work, with all that it started; no other is begun."""
        with self._lock:
            self._ended = True
            if self._process is not None:
                _kill(self._process)

    def _ask(self, module: str, place: Path, asked: Any, of: str, read: Callable[[Any], _Answer]) -> _Answer:
        """What a process answers that imports the code `of` something. Raises OwnCodeError where it does not."""
        command = [sys.executable, "-P", "-m", f"craft.training.{module}", str(place), str(LIMIT + 5)]
        try:
            with self._lock:
                if self._ended:
                    raise OwnCodeError(f"{of} is not imported any more")
                process = self._process = _begin(command)
            said, complained = _answer(process, json.dumps(asked))
        except OSError as error:
            raise OwnCodeError(f"{of} was not imported: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise OwnCodeError(f"{of} was not imported within {LIMIT} s") from error
        try:
            return read(json.loads(said))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            last = (complained.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
            raise OwnCodeError(f"the process that imports {of} ended: {last}") from error


def _begin(command: list[str]) -> subprocess.Popen[str]:
    """A session of its own: what hangs is ended with all that it started."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, encoding="utf-8", errors="replace", start_new_session=True
    )


def _answer(process: subprocess.Popen[str], asked: str) -> tuple[str, str]:
    """What a process says and what it complains of. Raises subprocess.TimeoutExpired, once it is gone."""
    # It ends when its standard input closes, which `communicate` would do.
    lifeline, process.stdin = process.stdin, None
    assert lifeline is not None
    with process:
        try:
            with contextlib.suppress(BrokenPipeError):
                lifeline.write(f"{asked}\n")
                lifeline.flush()
            return process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise
        finally:
            with contextlib.suppress(BrokenPipeError):
                lifeline.close()


def _kill(process: subprocess.Popen[str]) -> None:
    if process.returncode is None:  # not waited for yet, so the number is still its own
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _by_module(references: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for reference in references:
        found.setdefault(reference.partition(":")[0], []).append(reference)
    yield from found.items()


def _types(references: list[str], told: Any) -> dict[str, OwnType]:
    return {name: own_type_from(told[name]) for name in references}


def _problems(told: Any) -> list[Problem]:
    return [Problem(**{**one, "file": Path(one["file"]) if one["file"] else None}) for one in told]
